"""Certificates without ACME: one-time tokens, and renewal with the certificate that is to be renewed."""
