"""Does the server answer, as its clients reach it?"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Sequence
from urllib.parse import urlsplit

from zonemint.app.doctor.finding import Finding
from zonemint.app.listeners import own_address
from zonemint.app.resolvers import SystemServers
from zonemint.config import Config, advertised
from zonemint.core.errors import DnsFailure, ExchangeFailed, PeerNotTrusted
from zonemint.core.exchange import exchange
from zonemint.core.hosts import is_address
from zonemint.dns import client

__all__ = ["dns", "https", "names", "plain"]

_TIMEOUT = 3.0  # seconds for one answer
_MOST = 65536  # octets that are read of a body
_START = "start the server, `zonemint up`; if it runs, look at its log and at a firewall between"


async def dns(config: Config) -> AsyncIterator[Finding]:
    """Ask our own DNS server for each of its zones."""
    server = (own_address(config.listen.address), config.listen.dns_port)
    for zone in (*config.domains, *(config.auth_zones if "acmedns" in config.roles else ())):
        what = f"DNS for {zone}"
        try:
            response = await client.query(server, zone, "SOA", timeout=_TIMEOUT)
        except DnsFailure as failure:
            yield Finding.wrong(what, str(failure), _START)
            continue
        if response.rcode == "NOERROR" and response.authoritative and response.answers:
            yield Finding.ok(what, f"{response.server} has authority for it ({response.ms:.1f} ms)")
        else:
            seen = f"{response.server} says {response.rcode} and has no authority for it"
            yield Finding.wrong(
                what, seen, f"let zonemint answer there: does another server listen on port {server[1]}?"
            )


async def names(config: Config) -> AsyncIterator[Finding]:
    """Ask the resolver of this machine for the host of the external URL: clients ask theirs."""
    host = urlsplit(config.external_url).hostname or ""
    if is_address(host) or host == "localhost":
        return
    what, address = f"the name {host}", advertised(config.listen)
    servers = SystemServers()()
    try:
        found = await _addresses(host, servers)
    except DnsFailure as failure:
        yield Finding.note(what, str(failure), _ask_us(config, address))
        return
    if address in found:
        yield Finding.ok(what, f"this machine's resolver leads to {address}")
    else:
        seen = (
            f"this machine's resolver says {', '.join(found) or 'that there is no such name'}, and we are at {address}"
        )
        yield Finding.note(what, seen, _ask_us(config, address))


def _ask_us(config: Config, address: str) -> str:
    return f"let the machines of your clients ask {address} for {', '.join(config.domains)}, or set listen.advertise"


async def _addresses(host: str, servers: Sequence[tuple[str, int]]) -> list[str]:
    failure = DnsFailure("no resolver is known to this machine (/etc/resolv.conf)")
    for server in servers:
        try:
            found = [await client.query(server, host, type_, timeout=_TIMEOUT) for type_ in ("A", "AAAA")]
        except DnsFailure as error:
            failure = error
            continue
        return [record.data for one in found for record in one.answers if record.type in ("A", "AAAA")]
    raise failure


async def https(config: Config, roots: str) -> AsyncIterator[Finding]:
    """Fetch the ACME directory as a client does, trusting our roots (PEM) and nothing else."""
    what = f"ACME at {config.external_url}"
    at = own_address(config.listen.address), config.listen.https_port
    context = ssl.create_default_context(cadata=roots)
    try:
        status, body = await exchange(
            f"{config.external_url}/acme/acme/directory", context=context, timeout=_TIMEOUT, limit=_MOST, at=at
        )
    except PeerNotTrusted as error:
        advice = "let listen.certificate be one that clients trust, with the host among its names"
        yield Finding.wrong(what, str(error), advice)
    except ExchangeFailed as error:
        yield Finding.wrong(what, str(error), _START)
    else:
        yield (
            Finding.ok(what, "it answers, and its certificate leads to our root")
            if status == 200 and b'"newOrder"' in body
            else Finding.wrong(what, f"status {status}, and no directory", "does another server listen on this port?")
        )


async def plain(config: Config) -> AsyncIterator[Finding]:
    """Ask the plain listener whether the server is ready."""
    port = config.listen.http_port
    what = f"HTTP on port {port}"
    try:
        status, body = await exchange(
            f"http://localhost:{port}/ready",
            context=None,
            timeout=_TIMEOUT,
            limit=_MOST,
            at=(own_address(config.listen.address), port),
        )
    except ExchangeFailed as error:
        yield Finding.wrong(what, str(error), _START)
    else:
        said = body[:200].decode("ascii", "replace").strip()
        yield (
            Finding.ok(what, "ready")
            if status == 200
            else Finding.wrong(what, f"status {status}: {said}", "wait for what it names, or see the log")
        )
