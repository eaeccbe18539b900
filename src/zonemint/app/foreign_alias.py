"""CNAMEs that others make: does the DNS have them?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from zonemint.app.registration import Alias
from zonemint.clients.certbot_hook import nameservers
from zonemint.config import Config
from zonemint.core.errors import BadName, DnsFailure
from zonemint.core.names import normalize
from zonemint.dns import client

__all__ = ["Finding", "look", "resolvers"]

_LONGEST_CHAIN = 8
_AT_ONCE = 32
_RESOLV_CONF = Path("/etc/resolv.conf")


@dataclass(frozen=True, slots=True)
class Finding:
    """What the DNS says of a CNAME; `problem` is a sentence for a person, None when it is there."""

    alias: Alias
    problem: str | None


def resolvers(config: Config) -> list[tuple[str, int]]:
    """Return the name servers to ask: the one that the settings name, or the system's (resolv.conf(5))."""
    if config.validation.resolver_endpoint is not None:
        return [config.validation.resolver_endpoint]
    try:
        return nameservers(_RESOLV_CONF.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return []


async def look(
    aliases: Sequence[Alias],
    servers: Sequence[tuple[str, int]],
    timeout: float,  # noqa: ASYNC109 - of each question
    *,
    done: Callable[[int], None] = lambda count: None,
) -> list[Finding]:
    """Ask for each CNAME, a bounded number at once; `done` is told how many more were looked at."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(alias: Alias) -> Finding:
        async with gate:
            problem = await _problem(alias, servers, timeout)
        done(1)
        return Finding(alias, problem)

    return list(await asyncio.gather(*map(one, aliases)))


async def _problem(alias: Alias, servers: Sequence[tuple[str, int]], timeout: float) -> str | None:  # noqa: ASYNC109
    """Follow CNAMEs until the account's name or the last of them."""
    name = alias.name
    try:
        for _ in range(_LONGEST_CHAIN):
            target = await _target(name, servers, timeout)
            if target is None:
                break
            if target == alias.target:
                return None
            name = target
    except DnsFailure as error:
        return f"it is not known whether {alias.name} leads to {alias.target}: {error}"
    return f"{alias.name} is no CNAME yet" if name == alias.name else f"{alias.name} leads to {name}"


async def _target(name: str, servers: Sequence[tuple[str, int]], timeout: float) -> str | None:  # noqa: ASYNC109
    """Ask one server after the other for a CNAME; raises DnsFailure when none can tell."""
    failure = DnsFailure("no resolver is known; set validation.resolver")
    for server in servers:
        try:
            response = await client.query(server, name, "CNAME", timeout=timeout)
        except DnsFailure as error:
            failure = error
            continue
        if response.rcode not in ("NOERROR", "NXDOMAIN"):
            failure = DnsFailure(f"name server {response.server}, asked for {name} CNAME: {response.rcode}")
            continue
        for record in response.answers:
            if record.type == "CNAME" and record.name == name:
                try:
                    return normalize(record.data)
                except BadName as error:
                    raise DnsFailure(str(error)) from None
        return None
    raise failure
