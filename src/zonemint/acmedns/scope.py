"""Which names an account or a token is for.

A scope is a list of names: `host.lab.test` is that name, `*.lab.test` every name below, `*` every name at all. An empty
list is every name too.
"""

from __future__ import annotations

from collections.abc import Sequence

from zonemint.core.errors import BadName
from zonemint.core.hosts import with_wildcard
from zonemint.core.names import is_within, parent
from zonemint.store import txt
from zonemint.store.database import Steps
from zonemint.store.txt import TxtAccount

__all__ = ["covers", "objection", "read", "refusal"]

_NAMES = 100


def read(texts: Sequence[str]) -> tuple[str, ...]:
    """Read a scope in its one spelling; raises BadName."""
    if len(texts) > _NAMES:
        raise BadName(f"{len(texts)} names are too many: {_NAMES} are allowed")
    return tuple(dict.fromkeys(map(_read, texts)))


def _read(text: str) -> str:
    return text if text == "*" else with_wildcard(text)


def covers(scope: Sequence[str], name: str) -> bool:
    """Tell whether a name is in a scope."""
    return not scope or any(
        one in ("*", name) or (one.startswith("*.") and name != one[2:] and is_within(name, one[2:])) for one in scope
    )


def objection(zones: Sequence[str], passed: Sequence[str]) -> Steps[str]:
    """Say in a sentence why the account that a challenge's aliases led to is not for this name, or return nothing.

    passed: the challenge's name and those that its CNAMEs led through.
    """
    if len(passed) < 2 or parent(passed[-1]) not in zones:
        return ""
    account = yield from txt.by_subdomain(passed[-1].partition(".")[0])
    return "" if account is None else refusal(account, passed)


def refusal(account: TxtAccount, passed: Sequence[str]) -> str:
    """Say in a sentence why an account is not for the name whose challenge led to it, or return nothing."""
    domain = passed[0]
    while domain.startswith("_"):
        # The challenge's own labels: no host's name has one that begins so.
        domain = parent(domain)
    if covers(account.scope, domain):
        return ""
    return (
        f"{passed[0]} leads to {account.fulldomain}, an account for {', '.join(account.scope)} and not for {domain}; "
        f"on the server: zonemint accounts scope {account.username} {' '.join((*account.scope, domain))}"
    )
