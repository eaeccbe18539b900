-- Accounts of the acme-dns API that are looked after, and tokens for those who may do more than others.

-- `scope` are the names whose `_acme-challenge` alias may lead to the account, as JSON; an empty list is every name.
-- `used_ms` is when it last set a value, give or take a minute; 0 is never.
ALTER TABLE txt_accounts ADD COLUMN scope TEXT NOT NULL DEFAULT '[]';
ALTER TABLE txt_accounts ADD COLUMN used_ms BIGINT NOT NULL DEFAULT 0;

-- When a value ends that its client gave an end; no value outlives the setting.
ALTER TABLE txt_values ADD COLUMN expires_ms BIGINT;

-- `rights` and `names` are lists as JSON; `hash` is the SHA-256 of the secret.
CREATE TABLE tokens (
  id TEXT PRIMARY KEY,
  hash TEXT NOT NULL,
  rights TEXT NOT NULL,
  names TEXT NOT NULL,
  created_ms BIGINT NOT NULL,
  created_by TEXT NOT NULL,
  used_ms BIGINT NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- What clients keep with us (lego's storage over HTTP): an account for each domain, with its password sealed by the token.
CREATE TABLE txt_storage (
  token_id TEXT NOT NULL REFERENCES tokens (id),
  domain TEXT NOT NULL,
  subdomain TEXT NOT NULL REFERENCES txt_accounts (subdomain),
  sealed BLOB NOT NULL,
  PRIMARY KEY (token_id, domain)
) WITHOUT ROWID;
CREATE INDEX txt_storage_by_account ON txt_storage (subdomain);
CREATE INDEX records_by_data ON records (data) WHERE type = 'CNAME';
