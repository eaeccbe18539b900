-- Keys that bind new accounts to somebody known (RFC 8555 section 7.3.4), and to which terms an account agreed.

-- `secret` is the key of the MAC, in base64url; a revoked key has none. `names` are patterns as a JSON list; an empty one is
-- every name. `uses` is how many accounts may be made with it, 0 any number, and `used` how many were.
CREATE TABLE external_keys (
  id TEXT PRIMARY KEY,
  provisioner TEXT NOT NULL,
  label TEXT NOT NULL,
  secret TEXT NOT NULL,
  names TEXT NOT NULL,
  uses BIGINT NOT NULL,
  used BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  created_by TEXT NOT NULL,
  expires_at BIGINT,
  revoked_at BIGINT
) WITHOUT ROWID;

-- The key that an account was bound with, and the JWS that did it, as it was sent.
ALTER TABLE accounts ADD COLUMN external_key TEXT REFERENCES external_keys (id);
ALTER TABLE accounts ADD COLUMN binding TEXT;
-- The URL of the terms of service that an account agreed to.
ALTER TABLE accounts ADD COLUMN terms TEXT NOT NULL DEFAULT '';
