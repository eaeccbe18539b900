"""May we issue for a name? What the CAA records of its domain say (RFC 8659, RFC 8657)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from zonemint.core.errors import AcmeErrorType, DnsFailure
from zonemint.core.names import parent
from zonemint.core.text import shown
from zonemint.validation.follow import follow
from zonemint.validation.issue_value import IssueValue, parse
from zonemint.validation.method import Tell
from zonemint.validation.outcome import Outcome
from zonemint.validation.resolver import Resolver

__all__ = ["Applicant", "Caa", "Scope", "refusal"]

_CRITICAL = 128
_KNOWN = frozenset({"issue", "issuewild", "iodef", "issuemail"})  # the last two say nothing about our certificates
_METHODS = re.compile(r"[A-Za-z0-9-]+(?:,[A-Za-z0-9-]+)*")
_SHOWN = 3  # records that a message repeats


class Scope(StrEnum):
    """How far CAA is looked for: not at all, up to the zone that the setting is for, or up to the top."""

    OFF = "off"
    ZONE = "zone"
    TREE = "tree"


@dataclass(frozen=True, slots=True)
class Applicant:
    """Who asks for a name, and by which challenge it was proved (RFC 8657)."""

    account_url: str
    method: str


@dataclass(frozen=True, slots=True)
class Caa:
    """Looks for a name's CAA records and reads them; `identities` are the domain names that mean this CA.

    `zones` says how far to look; of several that a name lies in, the longest counts, and outside of all the whole tree.
    """

    resolver: Resolver
    identities: tuple[str, ...]
    zones: Mapping[str, Scope]

    def top(self, name: str) -> str | None:
        """Return the last name to ask for, the empty string for the top of the tree; None when none is asked for."""
        zone = name.removeprefix("*.")
        while zone:
            if (scope := self.zones.get(zone)) is not None:
                return None if scope is Scope.OFF else zone if scope is Scope.ZONE else ""
            zone = parent(zone)
        return ""

    async def check(self, name: str, applicant: Applicant, tell: Tell) -> Outcome:
        """Find the closest CAA record set at or above a name and hold it against the applicant (RFC 8659 section 3).

        `name` begins with `*.` for a wildcard. A server that fails is a refusal: the records that it keeps to itself
        might forbid.
        """
        top = self.top(name)
        above = name.removeprefix("*.")
        if top is None:
            return Outcome(None, f"CAA is not looked at for {name} (acme.caa)", False)
        while above:
            try:
                found = await follow(self.resolver, above, "CAA", tell)
            except DnsFailure as failure:
                return Outcome(AcmeErrorType.CAA, f"{_unknown(name)}: {failure}", True, (above,))
            if found.problem or found.answer.rcode not in ("NOERROR", "NXDOMAIN"):
                seen = found.problem or found.answer.rcode
                detail = f"{_unknown(name)}: CAA {found.asked}: saw {seen}; let {found.answer.server} answer for it"
                return Outcome(AcmeErrorType.CAA, detail, True, found.path)
            if found.values:
                why = refusal(found.values, self.identities, applicant, wildcard=name.startswith("*."))
                records = ", ".join(shown(value) for value in found.values[:_SHOWN])
                if not why:
                    return Outcome(None, f"CAA {found.asked}: saw {records}, which lets us issue for {name}", False)
                return Outcome(
                    AcmeErrorType.CAA, f"CAA {found.asked}: saw {records}; {why} (asked for {name})", False, found.path
                )
            if above == top:
                break
            above = parent(above)
        return Outcome(None, f"there is no CAA record from {name} up to {top or 'the top of the tree'}", False)


def refusal(records: Sequence[str], identities: Sequence[str], applicant: Applicant, *, wildcard: bool) -> str:
    """Say why a record set does not let this CA issue, and what to do; an empty text when it does.

    records: each as flags, tag and value.
    """
    properties: list[tuple[str, str]] = []
    for record in records:
        flags, tag, value = record.split(" ", 2)
        if int(flags) & _CRITICAL and tag.lower() not in _KNOWN:
            return f"'{shown(tag)}' is critical and unknown here, so nothing may be issued; remove it"
        properties.append((tag.lower(), value))
    wild = [value for tag, value in properties if tag == "issuewild"]
    tag = "issuewild" if wildcard and wild else "issue"
    values = [value for one, value in properties if one == tag]
    if not values:
        return ""
    reasons: list[str] = []
    for value in values:
        parsed = parse(value)
        if parsed is not None and parsed.issuer in identities:
            if not (why := _unsatisfied(parsed, applicant)):
                return ""
            reasons.append(why)
    us = identities[0] if identities else "this CA"
    return "; ".join(reasons) or f'no {tag} is for {us}; add CAA 0 {tag} "{us}", or remove the others'


def _unsatisfied(value: IssueValue, applicant: Applicant) -> str:
    """Say which parameter of a property for us is not met (RFC 8657 sections 3 and 4), or nothing."""
    accounts, methods = value.all("accounturi"), value.all("validationmethods")
    if len(accounts) > 1 or len(methods) > 1:
        return "it has a parameter twice, so nothing satisfies it; write it once"
    if accounts and accounts[0] != applicant.account_url:
        return f"it is for the account {shown(accounts[0])}, not for {applicant.account_url}"
    if methods and not _METHODS.fullmatch(methods[0]):
        return "its validationmethods are no list of challenges; write them with commas and no spaces"
    if methods and applicant.method not in methods[0].split(","):
        return f"it is for {shown(methods[0])}, and the name was proved by {applicant.method}; use another challenge"
    return ""


def _unknown(name: str) -> str:
    return f"whether CAA lets us issue for {name} is not known, and so it does not"
