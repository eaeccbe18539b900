"""The certificate authority: keys, the root and its intermediate, profiles, CSR checks and issuance."""
