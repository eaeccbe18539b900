-- Keys that sign zones (RFC 4034), each in PKCS #8: all nodes that serve a zone have to sign it alike. Times are in seconds.
-- `state` is how far a key is in being taken into use or out of it, `since` when that began, and `until` when it is over at the
-- earliest, NULL while that is not known. `signed_at` is the time for which signatures were last made anew.
CREATE TABLE dnssec_keys (
  zone TEXT NOT NULL,
  tag BIGINT NOT NULL,
  algorithm TEXT NOT NULL,
  private BLOB NOT NULL,
  state TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  since BIGINT NOT NULL,
  until BIGINT,
  signed_at BIGINT NOT NULL,
  PRIMARY KEY (zone, tag)
) WITHOUT ROWID;
