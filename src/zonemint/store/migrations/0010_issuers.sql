-- An authority with several issuers, of which one signs: what an older one signed still names it.

-- `issuer` is the key identifier of the issuer's certificate (RFC 5280 section 4.2.1.2) in lower hex; empty is the one
-- issuer that there was before. Lists are numbered together, so that the numbers of each only grow.
ALTER TABLE certificates ADD COLUMN issuer TEXT NOT NULL DEFAULT '';
ALTER TABLE crls ADD COLUMN issuer TEXT NOT NULL DEFAULT '';
DROP INDEX certificates_revoked;
CREATE INDEX certificates_revoked ON certificates (issuer, not_after) WHERE status = 'revoked';

-- The authority's certificates that came after those in `authorities`: of an issuer, with all up to its root, of a root that
-- clients trust beside the first, or of a key that is certified once more (cross-signed). `id` is the SHA-256 of `pem`.
CREATE TABLE authority_certificates (
  id TEXT PRIMARY KEY,
  role TEXT NOT NULL,
  pem TEXT NOT NULL,
  created_at BIGINT NOT NULL
) WITHOUT ROWID;
