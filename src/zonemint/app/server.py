"""The whole server: made from the settings, started, kept and stopped."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import structlog

from zonemint.acme.context import Acme, Provisioner
from zonemint.acme.nonces import LocalNonces, Nonces
from zonemint.acme.shared_nonces import SharedNonces
from zonemint.acme.urls import Urls
from zonemint.acme.validator import Validator
from zonemint.acmedns.context import AcmeDns
from zonemint.acmedns.scope import objection
from zonemint.acmedns.witness import testify
from zonemint.app.aliases import Aliases
from zonemint.app.audit_log import record_authority, tell_head
from zonemint.app.background import Background
from zonemint.app.host_certificates import IssuedElsewhere, IssuedHere
from zonemint.app.listeners import Listener, addresses
from zonemint.app.metrics import Metrics
from zonemint.app.own_certificate import OwnCertificate
from zonemint.app.revocation_list import RevocationList
from zonemint.app.sharing import Sharing
from zonemint.app.signing_desk import SigningDesk
from zonemint.app.store_watch import StoreWatch
from zonemint.app.sweeper import Keep, Sweeper
from zonemint.app.txt_values import AskedValues, StoredValues
from zonemint.app.zones import ZoneKeeper
from zonemint.config import Config, DataDir, advertised
from zonemint.core.clock import Clock, system_clock
from zonemint.core.errors import ConfigError
from zonemint.core.files import hold
from zonemint.core.names import is_within
from zonemint.dns import client
from zonemint.dns.catalog import Catalog
from zonemint.dns.server import DnsServer
from zonemint.dns.zone import Record, TxtSource
from zonemint.pki import issue
from zonemint.pki.authority import Authority
from zonemint.pki.constraints import PRIVATE_NETWORKS
from zonemint.pki.policy import Policy
from zonemint.pki.profiles import BUILT_IN, DEFAULT, Profile
from zonemint.store import leases
from zonemint.store.opening import Store, open_store
from zonemint.store.sqlite import SqliteDatabase
from zonemint.validation.attempts import Attempts
from zonemint.validation.resolver import Answer, Resolver, Rr
from zonemint.web.acme import AcmeResources
from zonemint.web.acmedns import AcmeDnsResources
from zonemint.web.admin import AdminResources
from zonemint.web.endpoint import Sources
from zonemint.web.health import HealthResources
from zonemint.web.pki import PkiResources
from zonemint.web.rates import Rates
from zonemint.web.routes import http_routes, https_routes
from zonemint.web.storage import StorageResources

__all__ = ["Server"]

_VALIDATIONS = 64  # challenges that are checked at once
_FILE_WATCH = 1.0  # seconds between looks at the zone files, and at the file of the store
_CERTIFICATE_WATCH = 3600.0  # seconds between looks at our own certificate
_HEAD_TOLD = 86400.0  # seconds between the lines that tell the audit log's head
_SWEEP = 3600.0  # seconds of rest between rounds of removal, and before the first
_SWEEP_LEASE = 2 * 3_600_000  # milliseconds: from round to round it is the same node, while it lives
_ANYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))

_log = structlog.get_logger()


class Server:
    """Everything that `zonemint up` runs, in one process on one event loop."""

    def __init__(self, data: DataDir, config: Config, authority: Authority, clock: Clock = system_clock) -> None:
        self._data = data
        self._config = config
        self._authority = authority
        self._clock = clock
        self._stack = AsyncExitStack()
        self.ready = False
        self.dns_port = 0
        self.http_port = 0
        self.https_port = 0

    @property
    def directory_url(self) -> str:
        """The URL that an ACME client is given."""
        return f"{self._config.external_url}/acme/acme/directory"

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self.ready = False
        await self._stack.aclose()

    async def _start(self) -> None:
        """Start every part; what another needs comes first, and what is started is stopped in reverse."""
        config, clock = self._config, self._clock
        _check_domains(config, self._authority)
        address = advertised(config.listen)
        hosts = addresses(config.listen.address)
        self._stack.callback(os.close, _lock(self._data.pki))
        db = await open_store(config.store.database, self._data.database)
        self._stack.push_async_callback(db.close)

        catalog = Catalog()
        zones = ZoneKeeper(
            catalog,
            db,
            {zone: self._txt_values(db, zone) for zone in config.auth_zones},
            config,
            self._data,
            address,
            clock,
        )
        await zones.load()
        dns = DnsServer(catalog, freshen=zones.refresh)
        await dns.start(hosts, config.listen.dns_port)
        self._stack.push_async_callback(dns.close)
        self.dns_port = dns.port

        # Sockets come before certificates: a start that fails issues none, and theirs carry the plain one's port.
        https = Listener("HTTPS", "--https-port", hosts, config.listen.https_port)
        self._stack.callback(https.release)
        http = Listener("HTTP", "--http-port", hosts, config.listen.http_port)
        self._stack.callback(http.release)
        self.https_port, self.http_port = https.port, http.port

        await record_authority(db, self._authority, clock)
        plain = f"http://ca.{config.domain}" + _port_suffix(http.port, 80)
        crl = RevocationList(db, self._authority, f"{plain}/crl", clock)
        await crl.load()
        templates = {
            name: issue.template(
                self._authority, profile, crl_url=f"{plain}/crl", issuer_url=f"{plain}/intermediate.crt"
            )
            for name, profile in self._profiles().items()
        }
        issuer = IssuedHere(db, templates[DEFAULT.name], clock)
        own = OwnCertificate(
            db,
            self._data,
            self._authority,
            issuer if self._authority.can_sign else IssuedElsewhere(db, clock),
            *self._own_names(address),
            clock,
        )
        await own.renew_if_due()

        provisioner = Provisioner(
            "acme", Urls(f"{config.external_url}/acme/acme"), Policy(config.domains), templates, DEFAULT.name
        )
        nonces = await self._nonces(db)
        acme = Acme(
            db=db,
            clock=clock,
            nonces=nonces,
            provisioners={provisioner.name: provisioner},
            authority=self._authority,
            resolver=self._resolver(hosts),
            attempts=Attempts(
                config.validation.attempts, float(config.validation.interval), asyncio.Semaphore(_VALIDATIONS)
            ),
            witness=lambda names: testify(config.auth_zones, names),
            objection=lambda names: objection(config.auth_zones, names),
            revoked=crl.revoked,
            order_lifetime=float(config.acme.order_lifetime),
            authorization_lifetime=float(config.acme.authorization_lifetime),
        )
        validator = Validator(acme)
        self._stack.push_async_callback(validator.close)
        acmedns = AcmeDns(
            db=db,
            clock=clock,
            zones=config.auth_zones,
            registrars=self._registrars(),
            keep=config.acmedns.values,
            lifetime=float(config.acmedns.value_lifetime),
            server_url=config.external_url,
            tells_url=config.acmedns.tell_server_url,
            alias=Aliases(db, config, self._data, zones, clock),
        )
        sources = Sources([ip_network(one) for one in config.acmedns.trusted_proxies])
        pki = PkiResources(self._authority, crl.der, sources)
        sweeper = Sweeper(db, self._keep(), clock, partial(self._may_sweep, db, acme.process))
        metrics = Metrics(dns.queries, lambda: zones.failures, sweeper)
        health = HealthResources(lambda: self._missing(db), metrics.exposition, sources)

        api = AcmeDnsResources(
            acmedns,
            sources,
            registrations=Rates(config.acmedns.registrations_per_minute),
            updates=Rates(config.acmedns.updates_per_minute),
            origins=config.acmedns.origins,
        )
        kept, admin = StorageResources(acmedns, sources), AdminResources(acmedns, sources, zones.take_over)
        await https.serve(https_routes(AcmeResources(acme, validator, sources), api, kept, admin, pki), own.context)
        self._stack.push_async_callback(https.close)
        await http.serve(http_routes(pki, health))
        self._stack.push_async_callback(http.close)

        if resumed := await validator.take_up(abandoned=isinstance(db, SqliteDatabase)):
            _log.info("took up work of the last run", validations=resumed)
        await tell_head(db)
        sharing = None
        if not isinstance(db, SqliteDatabase) and isinstance(nonces, SharedNonces):
            desk = SigningDesk(acme, issuer, provisioner.policy) if self._authority.can_sign else None
            sharing = Sharing(db, nonces, validator, zones, crl, desk, process=acme.process, clock=clock)
            self._stack.push_async_callback(sharing.stop)
        background = Background()
        self._stack.push_async_callback(background.close)
        background.every(_HEAD_TOLD, lambda: tell_head(db))
        background.every(_FILE_WATCH, zones.reload_changed_files)
        if isinstance(db, SqliteDatabase):
            background.every(_FILE_WATCH, StoreWatch(db).look)
        background.every(_CERTIFICATE_WATCH, own.renew_if_due)
        background.every(_SWEEP, sweeper.round)
        background.run(crl.keep)
        if sharing is not None:
            sharing.start(background)
        self.ready = True

    def _txt_values(self, db: Store, zone: str) -> TxtSource:
        of = zone, float(self._config.acmedns.value_lifetime), self._clock
        if isinstance(db, SqliteDatabase):
            return StoredValues(db, *of)
        asked = AskedValues(db, *of)
        self._stack.push_async_callback(asked.close)
        return asked

    async def _nonces(self, db: Store) -> Nonces:
        if isinstance(db, SqliteDatabase):
            return LocalNonces(self._clock)
        nonces = SharedNonces(db, db.run, self._clock)
        await nonces.load()
        return nonces

    def _profiles(self) -> dict[str, Profile]:
        default = Profile(DEFAULT.name, int(self._config.acme.certificate_lifetime))
        return {**BUILT_IN, default.name: default}

    def _own_names(self, address: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the DNS names and addresses that our own certificate must have."""
        domain = self._config.domain
        host = urlsplit(self._config.external_url).hostname or ""
        names = [f"ca.{domain}", f"ns1.{domain}", *self._config.auth_zones, "localhost"]
        ips = ["127.0.0.1", "::1"]
        policy = Policy(self._config.domains)
        for one in (host, address):
            kind, known = ("ip", ips) if _is_address(one) else ("dns", names)
            if one not in known:
                refusal = policy.refusal(kind, one)
                if refusal is None:
                    known.append(one)
                elif one == host:
                    raise ConfigError(f"external_url: our own CA cannot issue for its host: {refusal}")
        return tuple(names), tuple(ips)

    def _resolver(self, hosts: list[str]) -> Resolver:
        """Return the validator's way to ask DNS: real packets to the configured server, by default to our own."""
        own = "127.0.0.1" if hosts[0] == "0.0.0.0" else hosts[0]  # noqa: S104
        server = self._config.validation.resolver_endpoint or (own, self.dns_port)
        timeout = float(self._config.validation.timeout)

        async def resolve(name: str, type_: str) -> Answer:
            response = await client.query(server, name, type_, timeout=timeout)
            return Answer(response.server, response.rcode, tuple(map(_rr, response.answers)), response.ms)

        return resolve

    def _registrars(self) -> Sequence[IPv4Network | IPv6Network] | None:
        match self._config.acmedns.registration:
            case "private":
                return PRIVATE_NETWORKS
            case "open":
                return _ANYWHERE
            case "token":
                return ()
            case "closed":
                return None
            case networks:
                return [ip_network(one) for one in networks]

    def _keep(self) -> Keep:
        # Authorizations go with their order, and one that still holds is worth something when the order is over.
        least, store = self._config.acme.authorization_lifetime, self._config.store
        orders, certificates = max(store.keep_orders, least), max(store.keep_certificates, least)
        return Keep(orders, certificates, self._config.acmedns.value_lifetime)

    async def _may_sweep(self, db: Store, node: str) -> bool:
        if isinstance(db, SqliteDatabase):
            return True
        now_ms = int(self._clock() * 1000)
        return await db.write(leases.take("sweep", node, now_ms=now_ms, until_ms=now_ms + _SWEEP_LEASE))

    def _missing(self, db: Store) -> list[str]:
        # The plain listener is open to all, and where the database is says the log.
        store = db.failure if isinstance(db, SqliteDatabase) else "the database, see the log" if db.failure else ""
        return [why for why in ("" if self.ready else "start-up", store) if why]


def _lock(folder: Path) -> int:
    """Hold the folder of the keys as the one server on it; return the descriptor that holds it.

    Commands take no part in this: they and the server share the store.
    """
    try:
        return hold(folder)
    except BlockingIOError:
        raise ConfigError("another zonemint serves this folder already", file=folder.parent) from None


def _check_domains(config: Config, authority: Authority) -> None:
    """Refuse domains that the intermediate may not issue for: clients would refuse what it issued."""
    permitted = authority.domains
    foreign = [one for one in config.domains if permitted and not any(is_within(one, base) for base in permitted)]
    if foreign:
        raise ConfigError(
            f"the CA's intermediate is limited to {', '.join(permitted)} and cannot issue for {', '.join(foreign)}: "
            "remove the domain from the settings, or use another folder"
        )


def _rr(record: Record) -> Rr:
    value = client.txt_value(record) if record.type == "TXT" else record.data
    return Rr(record.name, record.type, value.lower().removesuffix(".") if record.type == "CNAME" else value)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _port_suffix(port: int, usual: int) -> str:
    return "" if port == usual else f":{port}"
