-- Certificates without ACME.

-- Who may make one-time tokens: `jwk` is the public key, and `encrypted_key` its private half as a JWE that a person's
-- password opens, for programs that fetch it from us; empty where the key is not kept here.
CREATE TABLE token_issuers (
  kid TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  jwk TEXT NOT NULL,
  encrypted_key TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  created_by TEXT NOT NULL
) WITHOUT ROWID;

-- The tokens that were used, until they would have ended.
CREATE TABLE used_tokens (
  id TEXT PRIMARY KEY,
  expires_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX used_tokens_by_end ON used_tokens (expires_at);

-- By what a certificate without an order came, where it may be renewed with itself.
ALTER TABLE certificates ADD COLUMN enrolled_by TEXT;
