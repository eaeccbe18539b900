-- What is past its time is found and removed without reading what is not.

-- A certificate goes with its order in one transaction, and no order before it: to have the engine look that up would
-- take an index on order_id, which every issuance would pay for. A foreign key goes with its table only.
CREATE TABLE certificates_0004 (
  serial TEXT PRIMARY KEY,
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
) WITHOUT ROWID;
INSERT INTO certificates_0004 (serial, order_id, account_id, status, names, key_hash, not_before, not_after,
    created_at, der, revoked_at, revocation_reason)
  SELECT serial, order_id, account_id, status, names, key_hash, not_before, not_after,
    created_at, der, revoked_at, revocation_reason FROM certificates ORDER BY serial;
DROP TABLE certificates;
ALTER TABLE certificates_0004 RENAME TO certificates;
CREATE INDEX certificates_by_end ON certificates (not_after);
CREATE INDEX certificates_revoked ON certificates (not_after) WHERE status = 'revoked';
