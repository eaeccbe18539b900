"""The dns-01 challenge (RFC 8555 section 8.4): a TXT record at `_acme-challenge.` with the key authorization's hash."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import sha256

from zonemint.core.errors import AcmeErrorType, DnsFailure
from zonemint.core.text import shown
from zonemint.validation.follow import Found, follow
from zonemint.validation.method import Claim, Method, Tell
from zonemint.validation.outcome import Outcome
from zonemint.validation.resolver import Resolver

__all__ = ["PREFIX", "check", "compare", "expected_value", "method"]

PREFIX = "_acme-challenge."

_SHOWN = 5  # values of a record set that a message repeats


def method(resolver: Resolver) -> Method:
    """Return the method, which asks through a resolver."""

    async def check_claim(claim: Claim, tell: Tell) -> Outcome:
        return await check(resolver, claim.value, claim.key_authorization, tell)

    return Method("dns-01", frozenset({"dns"}), wildcards=True, check=check_claim)


def expected_value(key_authorization: str) -> str:
    """Return the TXT value that proves control: the base64url SHA-256 of the key authorization."""
    return urlsafe_b64encode(sha256(key_authorization.encode("ascii")).digest()).rstrip(b"=").decode("ascii")


async def check(resolver: Resolver, domain: str, key_authorization: str, tell: Tell) -> Outcome:
    """Ask once for the TXT records of a domain's challenge name, CNAMEs followed, and compare every value."""
    command = f"zonemint register {domain}"
    return await compare(resolver, PREFIX + domain, expected_value(key_authorization), command, tell)


async def compare(resolver: Resolver, name: str, expected: str, command: str, tell: Tell) -> Outcome:
    """Ask once for the TXT records of a name, CNAMEs followed, and look for a value; `command` makes the name."""
    try:
        found = await follow(resolver, name, "TXT", tell)
    except DnsFailure as failure:
        return Outcome(AcmeErrorType.DNS, f"{failure} (expected {expected})", True, (name,))
    if expected in found.values:
        return Outcome(None, "", False, found.path)
    return _failed(found, expected, command)


def _failed(found: Found, expected: str, command: str) -> Outcome:
    """Say what was asked, seen and expected, and what to do about it."""
    answer, values = found.answer, found.values
    if found.problem:
        kind, seen, advice = AcmeErrorType.DNS, found.problem, "shorten or unloop the chain"
    elif answer.rcode == "NXDOMAIN":
        kind, seen = AcmeErrorType.DNS, "NXDOMAIN (no such name)"
        advice = f"make {found.path[-1]} exist"
        if len(found.path) == 1:
            advice += f" (on the server: {command})"
    elif answer.rcode != "NOERROR":
        kind, seen, advice = AcmeErrorType.DNS, answer.rcode, f"let {answer.server} answer for this name"
    elif not values:
        kind, seen, advice = (
            AcmeErrorType.UNAUTHORIZED,
            "no TXT record",
            "set the value before the challenge is answered",
        )
    else:
        kind, seen = AcmeErrorType.UNAUTHORIZED, ", ".join(f"'{shown(value, 64)}'" for value in values[:_SHOWN])
        advice = "set this value; it is made anew for each order"
    detail = f"TXT {found.asked}: saw {seen}, expected '{expected}'; {advice}"
    return Outcome(kind, detail, True, found.path)
