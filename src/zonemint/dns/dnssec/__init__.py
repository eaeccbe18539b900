"""DNSSEC: zones that are signed here or came signed, and the proofs that their answers carry (RFC 4033 to 4035)."""
