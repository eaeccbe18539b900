"""Whether what we ask of a server comes back to us: it is asked for a name that nobody else would ask for."""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

import structlog

from zonemint.core.errors import DnsFailure
from zonemint.dns.answers.foreign import Question
from zonemint.dns.forward.resolver import Resolver
from zonemint.dns.forward.upstream import Upstream

__all__ = ["check", "check_all"]

_log = structlog.get_logger()
_HINFO: Final = 13
_WAIT = 2.0


async def check(resolver: Resolver, suffix: bytes, upstream: Upstream) -> None:
    """Ask a server for a random name below a suffix (lower-case wire form); it is left out when we are asked for it."""
    label = b"\x10" + secrets.token_hex(8).encode()
    name = label + suffix if len(suffix) > 1 else label + b"\x10" + secrets.token_hex(8).encode() + suffix
    if len(name) > 255:
        return
    came = asyncio.Event()
    forget = resolver.watch_for(name, came.set)
    answered = False
    try:
        async with asyncio.timeout(_WAIT):
            await upstream.ask(Question(name, _HINFO))
            answered = True
    except (DnsFailure, TimeoutError):
        pass
    finally:
        forget()
    if came.is_set() and not upstream.is_loop:
        _log.error(
            "what is asked of this server comes back to us, so it is not asked; name another in forward.servers, "
            "or have it not ask us",
            server=str(upstream),
        )
        upstream.is_loop = True
    elif answered and not came.is_set():
        upstream.is_loop = False


async def check_all(resolver: Resolver, *, only_suspects: bool = False) -> None:
    """Check all servers, or those that led back to us or were silent."""
    found = [(suffix, one) for suffix, pool in resolver.routes.pools() for one in pool.upstreams]
    checked = [(suffix, one) for suffix, one in found if one.is_loop or one.fails or not only_suspects]
    await asyncio.gather(*[check(resolver, suffix, one) for suffix, one in checked])
