-- Secrets shared with those who update and transfer zones (RFC 8945). `secret` is in base64, and a revoked key has none: it is
-- kept as it is, since a MAC cannot be checked with a hash of it. `names`, `types` and `zones` are JSON lists: patterns of names
-- whose records the holder may change, and to which types and zones it is limited. `transfers` is 1 for one who may have zones.
CREATE TABLE tsig_keys (
  name TEXT PRIMARY KEY,
  algorithm TEXT NOT NULL,
  secret TEXT NOT NULL,
  names TEXT NOT NULL,
  types TEXT NOT NULL,
  zones TEXT NOT NULL,
  transfers BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  created_by TEXT NOT NULL,
  revoked_at BIGINT
) WITHOUT ROWID;
