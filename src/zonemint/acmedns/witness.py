"""What the acme-dns API and the dynamic records know of the names that a validation passed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from zonemint.acmedns import scope
from zonemint.core.names import parent
from zonemint.core.trace import Event
from zonemint.store import records, txt
from zonemint.store.database import Steps

__all__ = ["Testimony", "testify"]


class Testimony(NamedTuple):
    """What happened to the names before, and why they prove nothing all the same, if that is so."""

    events: list[Event]
    objection: str


def testify(zones: Sequence[str], names: Sequence[str], passed: Sequence[str]) -> Steps[Testimony]:
    """Tell who registered the account, who made the alias and who set the value, each at its own time.

    names: the challenge's name and those that its CNAMEs led through; passed: the same, the first as scopes have it.
    """
    events: list[Event] = []
    objection = ""
    for alias, name in zip(("", *names), names, strict=False):
        if parent(name) not in zones:
            continue
        account = yield from txt.by_subdomain(name.partition(".")[0])
        if account is None:
            continue
        if alias and name == names[-1]:
            objection = scope.refusal(account, passed)
        made_at = account.created_ms / 1000
        events.append(Event(made_at, "registered", account.created_from, "acme-dns", f"got the name {name}"))
        for record in (yield from records.named(alias, "CNAME")):
            detail = f"{record.name} CNAME {record.data}"
            events.append(Event(record.created_ms / 1000, "alias", record.created_by, "dns", detail))
        for value in (yield from txt.values(account.subdomain))[:1]:
            detail = f"set TXT {name} to {value.value}"
            events.append(Event(value.updated_ms / 1000, "txt-update", value.updated_from, "acme-dns", detail))
    return Testimony(events, objection)
