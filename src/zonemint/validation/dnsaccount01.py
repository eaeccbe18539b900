"""The dns-account-01 challenge (draft-ietf-acme-dns-account-label): dns-01 at a name of the account's own.

So several clients can prove one name, each with a CNAME or a record that no other touches.
"""

from __future__ import annotations

from base64 import b32encode
from hashlib import sha256

from zonemint.validation import dns01
from zonemint.validation.method import Claim, Method, Tell
from zonemint.validation.outcome import Outcome
from zonemint.validation.resolver import Resolver

__all__ = ["label", "method"]


def label(account_url: str) -> str:
    """Return an account's label: ten octets of its URL's hash in base32, after an underscore."""
    return "_" + b32encode(sha256(account_url.encode()).digest()[:10]).decode("ascii").lower()


def method(resolver: Resolver) -> Method:
    """Return the method, which asks through a resolver."""

    async def check_claim(claim: Claim, tell: Tell) -> Outcome:
        name = f"{label(claim.account_url)}.{dns01.PREFIX}{claim.value}"
        command = f"zonemint register {claim.value} --account {claim.account_url}"
        return await dns01.compare(resolver, name, dns01.expected_value(claim.key_authorization), command, tell)

    return Method("dns-account-01", frozenset({"dns"}), wildcards=True, check=check_claim)
