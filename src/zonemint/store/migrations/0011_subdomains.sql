-- Whether an authorization is for the names below its own, too (RFC 9444).
ALTER TABLE authorizations ADD COLUMN subdomains BOOLEAN NOT NULL DEFAULT FALSE;
