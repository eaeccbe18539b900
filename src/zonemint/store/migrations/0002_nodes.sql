-- Several nodes on one store: who does what, and what a node has to know that joins.

-- Work that one at a time does, or that has to go on when its worker dies: whoever holds a lease lets it run out, or renews it.
CREATE TABLE leases (
  name TEXT PRIMARY KEY,
  holder TEXT NOT NULL,
  until_ms BIGINT NOT NULL
) WITHOUT ROWID;

-- The node that works on a validation, and until when others leave it alone.
ALTER TABLE validations ADD COLUMN holder TEXT NOT NULL DEFAULT '';
ALTER TABLE validations ADD COLUMN until_ms BIGINT NOT NULL DEFAULT 0;

-- CSRs that nodes without the CA's key took in, until a node with the key has signed them: of orders, which say the names, or
-- of a node itself, whose row stays with the serial of its certificate until it has read it.
CREATE TABLE signings (
  id TEXT PRIMARY KEY,
  order_id TEXT UNIQUE REFERENCES orders (id),
  hosts TEXT NOT NULL,
  csr BLOB NOT NULL,
  account_key TEXT NOT NULL,
  requested_from TEXT NOT NULL,
  requested_at BIGINT NOT NULL,
  holder TEXT NOT NULL DEFAULT '',
  until_ms BIGINT NOT NULL DEFAULT 0,
  serial TEXT NOT NULL DEFAULT '',
  error TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;

-- The certificates of the one authority that the store belongs to, root first.
CREATE TABLE authorities (
  root_sha256 TEXT PRIMARY KEY,
  root TEXT NOT NULL,
  intermediate TEXT NOT NULL,
  domains TEXT NOT NULL,
  created_at BIGINT NOT NULL
) WITHOUT ROWID;

-- How many of the certificates that had not ended were revoked when the list was made: another number means others.
ALTER TABLE crls ADD COLUMN revoked BIGINT NOT NULL DEFAULT -1;
