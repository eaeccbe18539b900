"""Hooks: others are told what happens to certificates, in order and at least once, from the audit log and the store."""
