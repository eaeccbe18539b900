"""The dns-01 challenge (RFC 8555 section 8.4): a TXT record at `_acme-challenge.` with the key authorization's hash."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import sha256
from time import perf_counter

from zonemint.core.clock import Clock
from zonemint.core.errors import AcmeErrorType, DnsFailure
from zonemint.core.text import shown
from zonemint.core.trace import Event
from zonemint.validation.method import Claim, Method, Tell
from zonemint.validation.outcome import Outcome
from zonemint.validation.resolver import Answer, Resolver

__all__ = ["PREFIX", "check", "expected_value", "method"]

PREFIX = "_acme-challenge."

_CHAIN = 8  # CNAMEs that are followed
_SHOWN = 5  # values of a record set that a message repeats


def method(resolver: Resolver, clock: Clock) -> Method:
    """Return the method, which asks through a resolver."""

    async def check_claim(claim: Claim, tell: Tell) -> Outcome:
        return await check(resolver, claim.value, claim.key_authorization, clock, tell)

    return Method("dns-01", frozenset({"dns"}), wildcards=True, check=check_claim)


def expected_value(key_authorization: str) -> str:
    """Return the TXT value that proves control: the base64url SHA-256 of the key authorization."""
    return urlsafe_b64encode(sha256(key_authorization.encode("ascii")).digest()).rstrip(b"=").decode("ascii")


async def check(resolver: Resolver, domain: str, key_authorization: str, clock: Clock, tell: Tell) -> Outcome:
    """Ask once for the TXT records of a domain's challenge name, CNAMEs followed, and compare every value.

    A server may answer the alias and its target at once or the alias alone; each question is an event.
    """
    expected = expected_value(key_authorization)
    name = PREFIX + domain
    path = [name]
    while True:
        began = perf_counter()
        asked_at = clock()
        try:
            answer = await resolver(name, "TXT")
        except DnsFailure as failure:
            ms = (perf_counter() - began) * 1000
            tell(Event(asked_at, "dns-query", "ca", detail=str(failure), ms=ms, data={"name": name, "type": "TXT"}))
            return Outcome(AcmeErrorType.DNS, f"{failure} (expected {expected})", True, tuple(path))
        tell(_event(asked_at, name, answer))
        name, aliases = _follow(name, answer)
        path += aliases
        values = [record.value for record in answer.records if record.type == "TXT" and record.name == name]
        if expected in values:
            return Outcome(None, "", False, tuple(path))
        if not values and aliases and len(path) - 1 <= _CHAIN:
            continue
        return _failed(path, answer, values, expected)


def _follow(name: str, answer: Answer) -> tuple[str, list[str]]:
    """Walk the CNAMEs of one answer from a name; return where they end and the names passed."""
    aliases = {record.name: record.value for record in answer.records if record.type == "CNAME"}
    passed: list[str] = []
    while name in aliases and len(passed) < _CHAIN:
        name = aliases.pop(name)
        passed.append(name)
    return name, passed


def _event(asked_at: float, name: str, answer: Answer) -> Event:
    records = [f"{record.name} {record.type} {shown(record.value)}" for record in answer.records[:_SHOWN]]
    seen = "; ".join(records) or "no records"
    return Event(
        asked_at,
        "dns-query",
        "ca",
        answer.server,
        f"TXT {name}? {answer.rcode}: {seen}",
        answer.ms,
        {"name": name, "type": "TXT", "rcode": answer.rcode},
    )


def _failed(path: list[str], answer: Answer, values: list[str], expected: str) -> Outcome:
    """Say what was asked, seen and expected, and what to do about it."""
    alias = "".join(f", a CNAME to {name}" for name in path[1:])
    asked = f"TXT {path[0]}{alias}, asked of {answer.server}"
    if answer.rcode == "NXDOMAIN":
        kind, seen = AcmeErrorType.DNS, "NXDOMAIN (no such name)"
        advice = f"make {path[-1]} exist"
        if len(path) == 1:
            advice += f" (on the server: zonemint register {path[0].removeprefix(PREFIX)})"
    elif answer.rcode != "NOERROR":
        kind, seen, advice = AcmeErrorType.DNS, answer.rcode, f"let {answer.server} answer for this name"
    elif len(path) - 1 > _CHAIN:
        kind, seen, advice = AcmeErrorType.DNS, f"more than {_CHAIN} CNAMEs", "shorten or unloop the chain"
    elif not values:
        kind, seen, advice = (
            AcmeErrorType.UNAUTHORIZED,
            "no TXT record",
            "set the value before the challenge is answered",
        )
    else:
        kind, seen = AcmeErrorType.UNAUTHORIZED, ", ".join(f"'{shown(value, 64)}'" for value in values[:_SHOWN])
        advice = "set this value; it is made anew for each order"
    return Outcome(kind, f"{asked}: saw {seen}, expected '{expected}'; {advice}", True, tuple(path))
