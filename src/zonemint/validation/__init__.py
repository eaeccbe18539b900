"""Proof of control: the challenges of RFC 8555 as the CA checks them, each over real network traffic."""
