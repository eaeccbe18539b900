"""CNAMEs that others make: does the DNS have them?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zonemint.app.registration import Alias
from zonemint.core.errors import DnsFailure
from zonemint.validation.follow import CHAIN
from zonemint.validation.resolver import Resolver

__all__ = ["Finding", "look"]

_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Finding:
    """What the DNS says of a CNAME; `problem` is a sentence for a person, None when it is there."""

    alias: Alias
    problem: str | None


async def look(
    aliases: Sequence[Alias],
    resolver: Resolver,
    *,
    done: Callable[[int], None] = lambda count: None,
) -> list[Finding]:
    """Ask for each CNAME, a bounded number at once; `done` is told how many more were looked at."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(alias: Alias) -> Finding:
        async with gate:
            problem = await _problem(alias, resolver)
        done(1)
        return Finding(alias, problem)

    return list(await asyncio.gather(*map(one, aliases)))


async def _problem(alias: Alias, resolver: Resolver) -> str | None:
    """Follow CNAMEs until the account's name or the last of them."""
    name = alias.name
    try:
        for _ in range(CHAIN):
            answer = await resolver(name, "CNAME", lambda event: None)
            if answer.rcode not in ("NOERROR", "NXDOMAIN"):
                raise DnsFailure(f"name server {answer.server}, asked for {name} CNAME: {answer.rcode}")
            target = next((one.value for one in answer.records if one.type == "CNAME" and one.name == name), None)
            if target is None:
                break
            if target == alias.target:
                return None
            name = target
    except DnsFailure as error:
        return f"it is not known whether {alias.name} leads to {alias.target}: {error}"
    return f"{alias.name} is no CNAME yet" if name == alias.name else f"{alias.name} leads to {name}"
