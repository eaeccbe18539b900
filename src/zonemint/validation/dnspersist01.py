"""The dns-persist-01 challenge (draft-ietf-acme-dns-persist): a TXT record that stays and names CA and account."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from zonemint.core.clock import Clock, rfc3339
from zonemint.core.errors import AcmeErrorType, DnsFailure
from zonemint.core.names import parent
from zonemint.core.text import shown
from zonemint.validation.follow import Found, follow
from zonemint.validation.issue_value import parse
from zonemint.validation.method import Claim, Method, Tell
from zonemint.validation.outcome import Outcome
from zonemint.validation.resolver import Resolver

__all__ = ["PREFIX", "Permission", "method", "read"]

PREFIX = "_validation-persist."

_NUMBER = re.compile(r"[0-9]{1,15}")
_SHOWN = 3  # records that a message speaks of
_PARAMETERS = ("accounturi", "policy", "persistuntil")


@dataclass(frozen=True, slots=True)
class Permission:
    """What a record says: for which CA and account, with wildcards and names below or not, until when in seconds."""

    issuer: str
    account_url: str
    wildcard: bool = False
    until: int | None = None


def read(text: str) -> Permission | str:
    """Read a record's value; returns a sentence's end that says what is wrong where it does not follow the draft."""
    value = parse(text)
    if value is None or not value.issuer:
        return "is no issue-value of RFC 8659"
    found = {tag: value.all(tag) for tag in _PARAMETERS}
    if twice := next((tag for tag, values in found.items() if len(values) > 1), None):
        return f"has {twice} twice"
    if not any(found["accounturi"]):
        return "has no accounturi"
    until = found["persistuntil"]
    if until and not _NUMBER.fullmatch(until[0]):
        return f"has persistUntil={shown(until[0], 20)}, which is no number of seconds"
    return Permission(
        value.issuer,
        found["accounturi"][0],
        wildcard=[one.lower() for one in found["policy"]] == ["wildcard"],
        until=int(until[0]) if until else None,
    )


def method(resolver: Resolver, identities: Sequence[str], top: Callable[[str], str], clock: Clock) -> Method:
    """Return the method, for a CA that is meant by any of some names.

    `top` says how far above a name a record with `policy=wildcard` counts for it.
    """

    def members(account_url: str) -> Mapping[str, object]:
        return {"accounturi": account_url, "issuer-domain-names": list(identities)}

    async def check(claim: Claim, tell: Tell) -> Outcome:
        own: Outcome | None = None
        domain, last = claim.value, top(claim.value)
        while True:
            looked = await _look(resolver, identities, claim, domain, clock(), tell)
            if looked.error is None:
                return looked
            own = own or looked
            if domain == last or not parent(domain):
                # What is wrong is told of the name itself: it is where most records are, and should be.
                return own
            domain = parent(domain)

    return Method("dns-persist-01", frozenset({"dns"}), wildcards=True, check=check, has_token=False, members=members)


async def _look(
    resolver: Resolver, identities: Sequence[str], claim: Claim, domain: str, now: float, tell: Tell
) -> Outcome:
    """Look for a permission at one domain, the claimed one or one above it."""
    broad = claim.wildcard or domain != claim.value
    wanted = f"{identities[0]}; accounturi={claim.account_url}" + ("; policy=wildcard" if broad else "")
    name = PREFIX + domain
    try:
        found = await follow(resolver, name, "TXT", tell)
    except DnsFailure as failure:
        return Outcome(AcmeErrorType.DNS, f"{failure} (expected '{wanted}')", True, (name,))
    seen: list[str] = []
    for text in found.values:
        permission = read(text)
        if isinstance(permission, Permission):
            why = _lacks(permission, identities, claim, broad=broad, now=now)
            if not why:
                return Outcome(None, "", False, found.path)
        else:
            why = permission
        seen.append(f"'{shown(text, 160)}', which {why}")
    return _failed(found, seen, wanted)


def _lacks(permission: Permission, identities: Sequence[str], claim: Claim, *, broad: bool, now: float) -> str:
    """Say why a record is no permission for a claim, or nothing."""
    if permission.issuer not in identities:
        return f"is for {shown(permission.issuer)}"
    if permission.account_url != claim.account_url:
        return "is for another account"
    if broad and not permission.wildcard:
        return "has no policy=wildcard"
    if permission.until is not None and now > permission.until:
        return f"ended at {rfc3339(permission.until)} (persistUntil)"
    return ""


def _failed(found: Found, seen: Sequence[str], wanted: str) -> Outcome:
    rcode = found.answer.rcode
    if found.problem or rcode not in ("NOERROR", "NXDOMAIN"):
        kind, what = AcmeErrorType.DNS, found.problem or rcode
    else:
        kind = AcmeErrorType.UNAUTHORIZED
        what = "; ".join(seen[:_SHOWN]) or ("no TXT record" if rcode == "NOERROR" else "NXDOMAIN (no such name)")
    detail = f"TXT {found.asked}: saw {what}; expected '{wanted}'; add a TXT record with it, which stays"
    return Outcome(kind, detail, True, found.path)
