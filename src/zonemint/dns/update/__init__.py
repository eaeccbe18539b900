"""Updates: messages that change zones (RFC 2136), read, checked against a zone, made, and answered."""
