-- Secrets that all nodes and their workers have to agree on, made by the first that needs them. None of them opens anything
-- by itself: what cookies of the DNS are made with.
CREATE TABLE shared_secrets (
  name TEXT PRIMARY KEY,
  secret BLOB NOT NULL
) WITHOUT ROWID;
