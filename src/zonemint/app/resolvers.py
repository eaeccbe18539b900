"""Whom this server asks for names: for its own zones itself, for others whom the settings say, in real packets."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zonemint.clients.certbot_hook import nameservers
from zonemint.config import Config
from zonemint.config.resolvers import AUTHORITATIVE, ROOT_SERVERS, SYSTEM, Asked, endpoints
from zonemint.core.clock import Clock
from zonemint.dns import client
from zonemint.dns.zones.records import Record
from zonemint.validation.resolution import Authoritative, ByZone, Recursive
from zonemint.validation.resolver import Answer, Questions, Resolver, Rr, Server

__all__ = ["SystemServers", "resolver"]

_RESOLV_CONF = Path("/etc/resolv.conf")
_ALIASES = frozenset({"CNAME", "DNAME", "NS"})
_READ = {"TXT": client.txt_value, "CAA": client.caa_value}


def resolver(config: Config, own: Server | None, clock: Clock, here: client.Here | None = None) -> Resolver:
    """Return the way to ask for any name; `own` is where our DNS server is asked for the zones that it serves.

    With `here`, what those zones say of CAA is asked of the server without a packet: each certificate asks it, for each
    name from its own to the zone's. What proves control of a name always comes in one.
    """
    settings = config.validation
    timeout = float(settings.timeout)
    questions = Questions(_ask, clock)

    def of(asked: Asked) -> Resolver:
        if asked in ("", SYSTEM):
            return Recursive(questions, SystemServers(), timeout)
        if asked == AUTHORITATIVE:
            roots = list(endpoints(settings.root_servers or ROOT_SERVERS))
            random.shuffle(roots)
            return Authoritative(questions, ("",), tuple(roots), timeout, roots[0][1])
        servers = endpoints(asked)
        return Recursive(questions, lambda: servers, timeout)

    async def ask_own(server: Server, name: str, type_: str, *, recurse: bool, timeout: float) -> Answer:  # noqa: ASYNC109
        within = here if type_ == "CAA" and server == own else None
        return await _ask(server, name, type_, recurse=recurse, timeout=timeout, here=within)

    zones: dict[str, Resolver] = {}
    if own is not None and (served := _served(config)):
        zones = dict.fromkeys(served, Authoritative(Questions(ask_own, clock), served, (own,), timeout))
    zones |= {zone: of(asked) for zone, asked in settings.resolvers.items()}
    return ByZone(zones, of(settings.resolver))


@dataclass(slots=True)
class SystemServers:
    """The name servers of resolv.conf(5), read again when the file has changed."""

    file: Path = _RESOLV_CONF
    _stamp: tuple[int, int] | None = None
    _servers: Sequence[Server] = field(default_factory=tuple)

    def __call__(self) -> Sequence[Server]:
        """Return up to three servers; none when there is no such file."""
        try:
            status = self.file.stat()
            stamp = (status.st_mtime_ns, status.st_ino)
            if stamp != self._stamp:
                self._servers = nameservers(self.file.read_text(encoding="utf-8", errors="replace"))
                self._stamp = stamp
        except OSError:
            self._servers, self._stamp = (), None
        return self._servers


def _served(config: Config) -> tuple[str, ...]:
    """Return the zones that the server of this process answers for."""
    domains = config.domains if "dns" in config.roles else ()
    return domains + (config.auth_zones if "acmedns" in config.roles else ())


async def _ask(
    server: Server,
    name: str,
    type_: str,
    *,
    recurse: bool,
    timeout: float,  # noqa: ASYNC109
    here: client.Here | None = None,
) -> Answer:
    response = await client.query(server, name, type_, recurse=recurse, timeout=timeout, here=here)
    return Answer(
        response.server,
        response.rcode,
        tuple(map(_rr, response.answers)),
        response.ms,
        response.authoritative,
        tuple(map(_rr, response.authority)),
        tuple(map(_rr, response.additional)),
    )


def _rr(record: Record) -> Rr:
    read: Callable[[Record], str] | None = _READ.get(record.type)
    if read is not None:
        return Rr(record.name, record.type, read(record))
    value = record.data.lower().removesuffix(".") if record.type in _ALIASES else record.data
    return Rr(record.name, record.type, value)
