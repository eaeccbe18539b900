-- How far each hook of the settings has come in each source of events: the audit log, the ends of certificates, the CA's own.
-- What is before `position` was told or given up. `attempts` is how often the event after it was tried, and `retry_ms` when
-- that is done again.
CREATE TABLE hook_cursors (
  hook TEXT NOT NULL,
  source TEXT NOT NULL,
  position TEXT NOT NULL,
  attempts BIGINT NOT NULL DEFAULT 0,
  retry_ms BIGINT NOT NULL DEFAULT 0,
  error TEXT NOT NULL DEFAULT '',
  told BIGINT NOT NULL DEFAULT 0,
  given_up BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (hook, source)
) WITHOUT ROWID;
