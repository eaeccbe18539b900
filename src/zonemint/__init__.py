"""Automatic certificates for private names: ACME, a certificate authority, DNS and the acme-dns API."""

__version__ = "0.1.0"
