-- SQLite gives each row of more than a quarter page its own overflow page when the table is its primary key's index.
-- Certificates and stories are as large as that, so their tables are ordinary ones, where a row fills what it needs.

CREATE TABLE certificates_in_rows (
  serial TEXT NOT NULL PRIMARY KEY,
  order_id TEXT REFERENCES orders (id),
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
INSERT INTO certificates_in_rows SELECT * FROM certificates ORDER BY serial;
DROP TABLE certificates;
ALTER TABLE certificates_in_rows RENAME TO certificates;
CREATE INDEX certificates_revoked ON certificates (status) WHERE status = 'revoked';

CREATE TABLE traces_in_rows (
  order_id TEXT NOT NULL REFERENCES orders (id),
  id TEXT NOT NULL,
  events TEXT NOT NULL,
  PRIMARY KEY (order_id, id)
);
INSERT INTO traces_in_rows SELECT * FROM traces ORDER BY order_id, id;
DROP TABLE traces;
ALTER TABLE traces_in_rows RENAME TO traces;
