-- What each change of a zone's dynamic records was, for servers that take over the difference and not all records. A serial
-- without rows here is a change of another kind. Only the newest serials of a zone are kept.
CREATE TABLE zone_changes (
  zone TEXT NOT NULL,
  serial BIGINT NOT NULL,
  added BIGINT NOT NULL,
  name TEXT NOT NULL,
  type TEXT NOT NULL,
  data TEXT NOT NULL,
  ttl BIGINT NOT NULL,
  PRIMARY KEY (zone, serial, added, name, type, data)
) WITHOUT ROWID;
