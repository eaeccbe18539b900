"""The forwarding resolver as the settings have it: its servers, those of resolv.conf as they change, and no loops."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from ipaddress import ip_address

import structlog

from zonemint.app.resolvers import SystemServers
from zonemint.config import Config, DataDir
from zonemint.config.forward import NONE, SYSTEM, Forward, Servers, upstream
from zonemint.core.errors import ConfigError
from zonemint.dns import wire
from zonemint.dns.forward.cache import Cache
from zonemint.dns.forward.loops import check_all
from zonemint.dns.forward.pool import Patience, Pool
from zonemint.dns.forward.replies import Limits
from zonemint.dns.forward.resolver import Policy, Resolver
from zonemint.dns.forward.routes import Routes
from zonemint.dns.forward.special import SpecialNames
from zonemint.dns.forward.upstream import Endpoint, Upstream

__all__ = ["Forwarding"]

_log = structlog.get_logger()
_DELEGATIONS = 256
"""How many sets of name servers that our zones delegate to are remembered."""
_DNS = 53
_MIB = 1 << 20
_WATCH = 5.0  # seconds between looks at resolv.conf, and at servers that led back to us


def _listed(settings: Forward) -> list[str]:
    lists = (settings.servers, *settings.zones.values())
    return [one for servers in lists for one in ((servers,) if isinstance(servers, str) else servers)]


class Forwarding:
    """Makes the resolver; follows resolv.conf, and leaves out what leads back to us.

    hosts: the addresses that our DNS server listens on. Raises ConfigError for roots that cannot be read.
    """

    def __init__(
        self, config: Config, data: DataDir, hosts: Sequence[str], system: SystemServers | None = None
    ) -> None:
        settings = self._settings = config.forward
        self._hosts = hosts
        self._port = 0
        self._system = system or SystemServers()
        self._known: Sequence[tuple[str, int]] | None = None
        self._delegations: dict[tuple[bytes, ...], Pool] = {}
        self._context = self._tls(data) if any(one.startswith("tls://") for one in _listed(settings)) else None
        named = {wire.name_from_text(zone): servers for zone, servers in settings.zones.items()}
        follows = any(servers == SYSTEM for servers in (settings.servers, *settings.zones.values()))
        self._nobody = self._pool(()) if follows else None
        self._routes = Routes(
            self._target(settings.servers),
            {zone: self._target(servers, allow_private=True) for zone, servers in named.items()},
        )
        self._follows = [zone for zone, servers in named.items() if servers == SYSTEM]
        self.resolver = Resolver(
            self._routes,
            Cache(settings.cache_size * _MIB, stale=settings.serve_stale or 0.0),
            Policy(settings.max_concurrent, settings.prefetch),
            special=SpecialNames(frozenset(named)) if settings.local_names else None,
            delegated=self._delegated,
        )

    @property
    def is_on(self) -> bool:
        """Whether there is any name that anybody may be asked for."""
        return any(True for _ in self._routes.pools())

    def start(self, port: int) -> None:
        """Begin with the system's servers, now that our DNS server has a port."""
        self._port = port
        self.follow()

    async def keep(self) -> None:
        """Follow resolv.conf for ever; look whether questions come back to us, now and when there are other servers."""
        await check_all(self.resolver)
        while True:
            await asyncio.sleep(_WATCH)
            await check_all(self.resolver, only_suspects=not self.follow())

    def close(self) -> None:
        """Stop asking."""
        self.resolver.close()
        for pool in self._delegations.values():
            pool.close()

    def follow(self) -> bool:
        """Use the servers of resolv.conf where the settings say so; tell whether they are others than before."""
        if self._nobody is None:
            return False
        found = self._system()
        if found == self._known:
            return False
        self._known = found
        endpoints = [Endpoint("udp", host, port) for host, port in found]
        usable = [one for one in endpoints if not self._is_us(one)]
        if not usable:
            why = "it names nobody but this server" if endpoints else "it names no server"
            _log.warning(
                "names of others cannot be asked for: there is nobody to ask in resolv.conf; set forward.servers",
                reason=why,
            )
        pool = self._pool(usable)
        old = {id(one): one for one in (self._routes.usual, *self._routes.zones.values()) if one is not None}
        if self._settings.servers == SYSTEM:
            self._routes.usual = pool
        for zone in self._follows:
            self._routes.zones[zone] = pool
        still = {id(one) for _, one in self._routes.pools()}
        for key, one in old.items():
            if key not in still:
                one.close()
        return True

    def _target(self, servers: Servers, *, allow_private: bool = False) -> Pool | None:
        if servers == NONE:
            return None
        if servers == SYSTEM:
            return self._nobody
        named = (servers,) if isinstance(servers, str) else servers
        return self._pool([Endpoint(*upstream(one)) for one in named], allow_private=allow_private)

    def _pool(self, endpoints: Sequence[Endpoint], *, allow_private: bool = False) -> Pool:
        settings = self._settings
        allow_private = allow_private or settings.allow_private
        patience = Patience(settings.timeout, settings.deadline, settings.max_fails)
        limits = Limits(int(settings.max_ttl), int(settings.max_negative_ttl), allow_private)
        upstreams = [Upstream(one, mixed_case=settings.mixed_case, context=self._context) for one in endpoints]
        return Pool(upstreams, settings.policy, patience, limits)

    def _delegated(self, servers: tuple[bytes, ...]) -> Pool:
        pool = self._delegations.get(servers)
        if pool is None:
            if len(self._delegations) >= _DELEGATIONS:
                for one in self._delegations.values():
                    one.close()
                self._delegations.clear()
            endpoints = [Endpoint("udp", str(ip_address(one)), _DNS) for one in servers]
            pool = self._pool(endpoints, allow_private=True)
            self._delegations[servers] = pool
        return pool

    def _is_us(self, endpoint: Endpoint) -> bool:
        """Tell whether an address is where we listen: on all of this machine's, or on that one."""
        if endpoint.port != self._port:
            return False
        if endpoint.address in self._hosts:
            return True
        version6 = ":" in endpoint.address
        if ("::" if version6 else "0.0.0.0") not in self._hosts:  # noqa: S104  # compared, not bound
            return False
        try:
            with socket.socket(socket.AF_INET6 if version6 else socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.bind((endpoint.address, 0))
        except OSError:
            return False
        return True

    def _tls(self, data: DataDir) -> ssl.SSLContext:
        file = self._settings.tls_roots
        try:
            context = ssl.create_default_context(cafile=str(data.path / file) if file else None)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"forward.tls_roots cannot be read: {error}", file=data.path / file) from None
        context.set_alpn_protocols(["dot"])
        return context
