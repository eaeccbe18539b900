"""The whole server: made from the settings, started, kept and stopped."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from ipaddress import ip_network
from typing import Self

from zonemint.app.audit_log import tell_head
from zonemint.app.background import Background
from zonemint.app.base import Base
from zonemint.app.brought_certificate import BroughtCertificate
from zonemint.app.ca import Ca, check_domains
from zonemint.app.dns import Dns
from zonemint.app.dns_metrics import CoreDnsMetrics, DnsMetrics
from zonemint.app.encrypted_dns import EncryptedDns, is_on_https
from zonemint.app.forward_metrics import ForwardMetrics
from zonemint.app.guard_metrics import GuardMetrics
from zonemint.app.hooks import HookMetrics, receivers, senders
from zonemint.app.inventory import Numbers
from zonemint.app.inventory_metrics import InventoryMetrics
from zonemint.app.listeners import Listener, addresses, own_address
from zonemint.app.metrics import Metrics
from zonemint.app.own_certificate import OwnCertificate
from zonemint.app.sharing import Sharing
from zonemint.app.store_watch import StoreWatch
from zonemint.app.sweeper import Keep, Sweeper
from zonemint.app.transfer_metrics import TransferMetrics
from zonemint.app.txt_api import txt_resources
from zonemint.config import Config, DataDir, advertised
from zonemint.core.clock import Clock, system_clock
from zonemint.core.errors import ConfigError
from zonemint.core.files import hold
from zonemint.core.ids import new_id
from zonemint.pki.authority import Authority
from zonemint.store import leases
from zonemint.store.opening import Store, open_store
from zonemint.store.sqlite import SqliteDatabase
from zonemint.web.doh import DohResources
from zonemint.web.endpoint import Sources
from zonemint.web.health import HealthResources
from zonemint.web.negotiated import PROTOCOLS
from zonemint.web.routes import Resources, dispatcher

__all__ = ["Server"]

_FILE_WATCH = 1.0  # seconds between looks at files that others change: zones, certificates, the store's own
_CERTIFICATE_WATCH = 3600.0  # seconds between looks at the certificate that we issue for ourselves
_SUCCESSION = 600.0  # seconds between looks whether the authority needs another intermediate
_COUNT = 600.0  # seconds between counts of what was issued, should nobody ask for them
_HEAD_TOLD = 86400.0  # seconds between the lines that tell the audit log's head
_SWEEP = 3600.0  # seconds of rest between rounds of removal, and before the first
_SWEEP_LEASE = 2 * 3_600_000  # milliseconds: from round to round it is the same node, while it lives


class Server:
    """Everything that `zonemint up` runs, in one process on one event loop; `authority` is for the role `ca` only."""

    def __init__(self, data: DataDir, config: Config, authority: Authority | None, clock: Clock = system_clock) -> None:
        self._data = data
        self._config = config
        self._authority = authority
        self._clock = clock
        self._stack = AsyncExitStack()
        self.ready = False
        self.dns_port = 0
        self.http_port = 0
        self.https_port = 0
        self.dot_port = 0
        self.doh_port = 0

    @property
    def directory_url(self) -> str:
        """The URL that an ACME client is given."""
        return f"{self._config.external_url}/acme/acme/directory"

    @property
    def reached_at(self) -> str:
        """Where the first of what runs here is found."""
        if self._authority is not None:
            return self.directory_url
        if "acmedns" in self._config.roles:
            return f"{self._config.api_url}/update"
        return f"dns://{advertised(self._config.listen)}:{self.dns_port}"

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
        """Start what the roles ask for; what another needs comes first, and what is started is stopped in reverse."""
        config, stack = self._config, self._stack
        hosts = addresses(config.listen.address)
        if self._authority is not None:
            check_domains(config, self._authority)
        # What is wrong with a hook is told before anything is begun.
        hooks = receivers(config, self._data, self._authority.root) if self._authority is not None else {}
        stack.callback(os.close, _lock(self._data))
        db = await open_store(config.store.database, self._data.database)
        stack.push_async_callback(db.close)
        base = Base(config, self._data, db, self._clock, advertised(config.listen), stack)

        names = await Dns.start(base, hosts) if base.has("dns") or base.has("acmedns") else None
        zones, dns = (names.zones, names.server) if names else (None, None)
        self.dns_port = dns.port if dns else 0

        # Sockets come before certificates: a start that fails issues none, and theirs carry the plain one's port.
        https = self._listener("HTTPS", "--https-port", hosts, config.listen.https_port) if config.has_https else None
        http = self._listener("HTTP", "--http-port", hosts, config.listen.http_port)
        self.https_port, self.http_port = https.port if https else 0, http.port
        encrypted = EncryptedDns(base, hosts) if dns else None
        self.dot_port, self.doh_port = (encrypted.dot_port, encrypted.doh_port) if encrypted else (0, 0)

        ca = None
        if self._authority is not None:
            own = own_address(config.listen.address)
            ca = await Ca.start(
                base,
                self._authority,
                own_dns=(own, self.dns_port),
                http_port=http.port,
                here=dns.answer if dns else None,
            )
        sources = Sources([ip_network(one) for one in config.acmedns.trusted_proxies])
        process = ca.process if ca else new_id()
        sweeper = Sweeper(db, self._keep(), self._clock, lambda: self._may_sweep(db, process))
        metrics = Metrics(lambda: names.failures if names else {}, sweeper)
        if dns is not None:
            metrics.register(DnsMetrics(dns))
            metrics.register(GuardMetrics(dns))
        if names is not None:
            metrics.register(TransferMetrics(names.transfers))
        if names is not None and names.forwarding is not None:
            metrics.register(ForwardMetrics(names.forwarding.resolver))
        if names is not None and config.dns.coredns_metrics:
            metrics.register(CoreDnsMetrics(names.server, names.forwarding.resolver if names.forwarding else None))
        secure: list[Resources] = []
        plain: list[Resources] = [HealthResources(lambda: self._missing(db), metrics.fresh, sources)]
        if ca is not None:
            acme, pki, ocsp = ca.resources(sources)
            secure += [acme, pki, ocsp]
            plain += [pki, ocsp]
            if config.enrollment.enabled:
                secure.append(ca.enrollment(sources))
            numbers = Numbers(db, self._clock)
            await numbers.begin()
            told = senders(base, hooks, ca.own_certificates, process=process)
            metrics.register(HookMetrics(told))
            metrics.register(InventoryMetrics(numbers, ca.own_certificates), numbers.refresh)
        if zones is not None and base.has("acmedns"):
            api = txt_resources(base, zones, sources)
            secure += api
            plain += api[:1] if config.acmedns.plain_http else []

        negotiates = dns is not None and is_on_https(config)
        if dns is not None and negotiates:
            secure.append(DohResources(dns.answer_to, sources))

        certificate = await self._certificate(ca) if config.has_certificate else None
        if https is not None and certificate is not None:
            context = certificate.contexts.make(*PROTOCOLS) if negotiates else certificate.contexts.make()
            if ca is not None and config.enrollment.enabled:
                ca.ask_for_certificates(context)
            await https.serve(dispatcher(*secure), context, negotiates=negotiates)
            stack.push_async_callback(https.close)
        if dns is not None and encrypted is not None and certificate is not None:
            await encrypted.serve(dns, certificate.contexts, sources)
        await http.serve(dispatcher(*plain))
        stack.push_async_callback(http.close)

        if ca is not None:
            await ca.take_up()
        await tell_head(db)
        sharing = None
        if not isinstance(db, SqliteDatabase):
            sharing = Sharing(db, ca, zones, process=process, clock=self._clock)
            stack.push_async_callback(sharing.stop)
        background = Background()
        stack.push_async_callback(background.close)
        background.every(_HEAD_TOLD, lambda: tell_head(db))
        background.every(_SWEEP, sweeper.round)
        if names is not None:
            names.begin(background)
            stack.push_async_callback(names.stop)
        if certificate is not None:
            brought = isinstance(certificate, BroughtCertificate)
            background.every(_FILE_WATCH if brought else _CERTIFICATE_WATCH, certificate.renew_if_due)
        if ca is not None:
            background.run(ca.crl.keep)
            background.every(_COUNT, numbers.refresh)
            background.every(_FILE_WATCH, ca.follow)
            background.every(_SUCCESSION, ca.succession.look)
            for sender in told:
                background.run(sender.keep)
        if isinstance(db, SqliteDatabase):
            background.every(_FILE_WATCH, StoreWatch(db).look)
        if sharing is not None:
            sharing.start(background)
        self.ready = True

    def _listener(self, name: str, option: str, hosts: list[str], port: int) -> Listener:
        listener = Listener(name, option, hosts, port)
        self._stack.callback(listener.release)
        return listener

    async def _certificate(self, ca: Ca | None) -> BroughtCertificate | OwnCertificate:
        """Return what keeps the HTTPS listener's certificate: the one that was brought, else our own CA's."""
        listen = self._config.listen
        if listen.certificate or ca is None:
            return BroughtCertificate(self._data.path / listen.certificate, self._data.path / listen.key)
        own = ca.own_certificate()
        await own.renew_if_due()
        return own

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


def _lock(data: DataDir) -> int:
    """Hold the folder as the one server on it; return the descriptor that holds it.

    It is the folder of the keys that is held, where there is one. Commands take no part in this: they and the server
    share the store, and those that write the accounts of clients hold the whole folder meanwhile.
    """
    if not data.pki.is_dir():
        data.lock.touch(mode=0o600)
    try:
        return hold(data.pki if data.pki.is_dir() else data.lock)
    except BlockingIOError:
        raise ConfigError("another zonemint serves this folder already", file=data.path) from None
