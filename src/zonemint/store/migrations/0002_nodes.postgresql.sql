-- Nonces are lost with a crash of the server, and so must be the key that makes them good: both are in tables without a log.
CREATE UNLOGGED TABLE nonce_keys (
  id BIGINT PRIMARY KEY,
  key BYTEA NOT NULL
);
CREATE UNLOGGED TABLE used_nonces (
  number BIGINT PRIMARY KEY
);

-- What running nodes are told at once.
CREATE FUNCTION zonemint_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('zonemint', TG_TABLE_NAME);
  RETURN NULL;
END
$$;
CREATE TRIGGER zone_serials_changed AFTER INSERT OR UPDATE ON zone_serials
  FOR EACH STATEMENT EXECUTE FUNCTION zonemint_notify();
CREATE TRIGGER signings_changed AFTER INSERT OR DELETE ON signings
  FOR EACH STATEMENT EXECUTE FUNCTION zonemint_notify();
CREATE TRIGGER crls_changed AFTER INSERT ON crls
  FOR EACH STATEMENT EXECUTE FUNCTION zonemint_notify();
CREATE TRIGGER certificates_revoked AFTER UPDATE OF revoked_at ON certificates
  FOR EACH STATEMENT EXECUTE FUNCTION zonemint_notify();
