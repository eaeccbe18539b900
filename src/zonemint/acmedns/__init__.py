"""The TXT record API of acme-dns: accounts and updates."""
