-- Which certificate an order takes the place of (RFC 9773), and which order took a certificate's place first.
-- `replaces` is the certificate's name as the client wrote it.
ALTER TABLE orders ADD COLUMN replaces TEXT;
ALTER TABLE certificates ADD COLUMN replaced_by TEXT;

-- The newest proof of control that an account gave for a name, for later orders; written only where they may use it.
-- No reference to the authorization: what is here after that was removed has expired, and is looked at no more.
CREATE TABLE proofs (
  account_id TEXT NOT NULL REFERENCES accounts (id),
  identifier_type TEXT NOT NULL,
  identifier_value TEXT NOT NULL,
  wildcard BOOLEAN NOT NULL,
  authorization_id TEXT NOT NULL,
  expires_at BIGINT NOT NULL,
  PRIMARY KEY (account_id, identifier_type, identifier_value, wildcard)
) WITHOUT ROWID;
