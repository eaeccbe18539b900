"""The addresses of the host that a challenge is looked for at, by the resolver that all of validation uses."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from zonemint.core.errors import AcmeErrorType, DnsFailure, Unproven
from zonemint.validation.fence import Address
from zonemint.validation.follow import Found, follow
from zonemint.validation.method import Tell
from zonemint.validation.resolver import Resolver

__all__ = ["addresses"]

_MOST = 4  # addresses that are tried


async def addresses(resolver: Resolver, host: str, tell: Tell) -> list[Address]:
    """Return the addresses of a normalized name, IPv6 first, or the one that `host` is; raises Unproven.

    `localhost` is loopback, whatever a name server says (RFC 6761 section 6.3).
    """
    try:
        return [ip_address(host)]
    except ValueError:
        pass
    if host == "localhost" or host.endswith(".localhost"):
        return [IPv6Address("::1"), IPv4Address("127.0.0.1")]
    answers = await asyncio.gather(
        *(follow(resolver, host, type_, tell) for type_ in ("AAAA", "A")), return_exceptions=True
    )
    found: list[list[Address]] = []
    for answer in answers:
        if isinstance(answer, BaseException):
            if not isinstance(answer, DnsFailure):
                raise answer
            found.append([])
        else:
            found.append([ip_address(value) for value in answer.values])
    six, four = found
    if not six and not four:
        raise Unproven(AcmeErrorType.DNS, _absence(host, answers))
    # One of each family must be among those that are tried.
    return [*six[: _MOST - min(len(four), _MOST // 2)], *four][:_MOST]


def _absence(host: str, answers: Sequence[Found | BaseException]) -> str:
    """Say why a name has no address, and what to do; the answer for A says as much as both."""
    last = answers[-1]
    if not isinstance(last, Found):
        return f"the address of {host}: {last}"
    asked = f"A and AAAA {last.asked}"
    if last.problem:
        return f"{asked}: saw {last.problem}, expected an address; shorten or unloop the chain"
    if last.answer.rcode not in ("NOERROR", "NXDOMAIN"):
        advice = f"let {last.answer.server} answer for this name"
        return f"{asked}: saw {last.answer.rcode}, expected an address; {advice}"
    seen = "NXDOMAIN (no such name)" if last.answer.rcode == "NXDOMAIN" else "no address"
    return f"{asked}: saw {seen}, expected an address; add one to the zone (zonemint zone add), or choose dns-01"
