-- The audit log. `hash` is the SHA-256 of the canonical JSON of the other columns (core/hash_chain.py), and `previous`
-- is among them; `detail` is canonical JSON.
CREATE TABLE audit (
  sequence BIGINT PRIMARY KEY,
  at BIGINT NOT NULL,
  event TEXT NOT NULL,
  actor TEXT NOT NULL,
  subject TEXT NOT NULL,
  detail TEXT NOT NULL,
  previous TEXT NOT NULL,
  hash TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX audit_authorities ON audit (sequence) WHERE event = 'authority.loaded';
