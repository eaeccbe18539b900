-- Times are whole seconds since 1970 UTC, `_ms` times milliseconds. Ids sort by the time they were made, so most inserts append.
-- Lists and objects that are only ever read whole are JSON text.

CREATE TABLE accounts (
  id TEXT PRIMARY KEY,
  provisioner TEXT NOT NULL,
  thumbprint TEXT NOT NULL,
  jwk TEXT NOT NULL,
  status TEXT NOT NULL,
  contacts TEXT NOT NULL,
  terms_agreed_at BIGINT,
  created_at BIGINT NOT NULL,
  created_from TEXT NOT NULL,
  UNIQUE (provisioner, thumbprint)
) WITHOUT ROWID;

-- An order has the serial of its certificate from the start, so it is on disk before the key signs it;
-- `reserved_by` is the process that may use it.
CREATE TABLE orders (
  id TEXT PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  provisioner TEXT NOT NULL,
  status TEXT NOT NULL,
  identifiers TEXT NOT NULL,
  authorizations TEXT NOT NULL,
  profile TEXT NOT NULL,
  not_before BIGINT,
  not_after BIGINT,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  serial TEXT NOT NULL,
  reserved_by TEXT NOT NULL,
  error TEXT
) WITHOUT ROWID;
CREATE INDEX orders_by_account ON orders (account_id, id);

-- Made with the order that it is for, in one transaction.
CREATE TABLE authorizations (
  id TEXT PRIMARY KEY,
  order_id TEXT NOT NULL,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  identifier_type TEXT NOT NULL,
  identifier_value TEXT NOT NULL,
  wildcard BOOLEAN NOT NULL,
  status TEXT NOT NULL,
  challenges TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
) WITHOUT ROWID;

-- The work that the validator owes: a row lives from the client's POST until the challenge is decided.
CREATE TABLE validations (
  authorization_id TEXT NOT NULL REFERENCES authorizations (id),
  challenge_type TEXT NOT NULL,
  requested_at BIGINT NOT NULL,
  PRIMARY KEY (authorization_id, challenge_type)
) WITHOUT ROWID;

-- The serial of a certificate without an order is here, reserved, before the key signs it.
-- A certificate goes with its order in one transaction, and no order before it: to have the engine look that up would take an
-- index on order_id, which every issuance would pay for.
-- Where a table is its primary key's index, SQLite puts what a row has above a quarter page on a page of its own. Certificates
-- and stories are as long as that, so their tables are ordinary ones, where rows share pages whatever their size.
CREATE TABLE certificates (
  serial TEXT NOT NULL PRIMARY KEY,
  order_id TEXT,
  account_id TEXT REFERENCES accounts (id),
  status TEXT NOT NULL,
  names TEXT NOT NULL,
  key_hash TEXT NOT NULL,
  not_before BIGINT NOT NULL,
  not_after BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  der BLOB,
  revoked_at BIGINT,
  revocation_reason INTEGER
);
CREATE INDEX certificates_by_end ON certificates (not_after);
CREATE INDEX certificates_revoked ON certificates (not_after) WHERE status = 'revoked';

-- Keys that no certificate may carry again, by the SHA-256 of their SubjectPublicKeyInfo.
CREATE TABLE blocked_keys (
  key_hash TEXT PRIMARY KEY,
  blocked_at BIGINT NOT NULL,
  reason TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE traces (
  order_id TEXT NOT NULL REFERENCES orders (id),
  id TEXT NOT NULL,
  events TEXT NOT NULL,
  PRIMARY KEY (order_id, id)
);

-- The accounts of the acme-dns API.
CREATE TABLE txt_accounts (
  username TEXT PRIMARY KEY,
  key_hash TEXT NOT NULL,
  zone TEXT NOT NULL,
  subdomain TEXT NOT NULL UNIQUE,
  allow_from TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  created_from TEXT NOT NULL
) WITHOUT ROWID;

-- The newest values of an account; `sequence` orders them, since clocks are coarse and may step back.
CREATE TABLE txt_values (
  subdomain TEXT NOT NULL REFERENCES txt_accounts (subdomain),
  value TEXT NOT NULL,
  sequence BIGINT NOT NULL,
  updated_ms BIGINT NOT NULL,
  updated_from TEXT NOT NULL,
  PRIMARY KEY (subdomain, value)
) WITHOUT ROWID;

-- Records beside the user's zone files.
CREATE TABLE records (
  zone TEXT NOT NULL,
  name TEXT NOT NULL,
  type TEXT NOT NULL,
  data TEXT NOT NULL,
  ttl INTEGER NOT NULL,
  created_ms BIGINT NOT NULL,
  created_by TEXT NOT NULL,
  PRIMARY KEY (zone, name, type, data)
) WITHOUT ROWID;

CREATE INDEX records_by_name ON records (name, type);

CREATE TABLE zone_serials (
  zone TEXT PRIMARY KEY,
  serial BIGINT NOT NULL,
  content TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE crls (
  number BIGINT PRIMARY KEY,
  der BLOB NOT NULL,
  next_update BIGINT NOT NULL
);
