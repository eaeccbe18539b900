-- How many certificates were ever revoked, by issuer and by the day on which they end (seconds since 1970 / 86400): a list
-- that was made at other numbers lacks some. It is read each second, and no certificate is.
CREATE TABLE revocations (
  issuer TEXT NOT NULL,
  day BIGINT NOT NULL,
  certificates BIGINT NOT NULL,
  PRIMARY KEY (issuer, day)
) WITHOUT ROWID;

-- A list may be for the certificates that end within a window, from `begins` until before `ends`; both are 0 for all.
-- `revoked` is the sum of the numbers above at which it was made.
ALTER TABLE crls ADD COLUMN begins BIGINT NOT NULL DEFAULT 0;
ALTER TABLE crls ADD COLUMN ends BIGINT NOT NULL DEFAULT 0;
