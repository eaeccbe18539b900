"""Zone transfers: whole zones and their changes, out to secondaries (RFC 5936, RFC 1995)."""
