"""Who is answered what: the settings' networks, made into a responder for each class of clients."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from ipaddress import ip_address, ip_network

import msgspec

from zonemint.app.base import Base
from zonemint.app.listeners import addresses
from zonemint.config import Config, advertised
from zonemint.core.networks import ANY, LOOPBACK, Network, networks
from zonemint.dns import codes
from zonemint.dns.answers.chaos import Chaos
from zonemint.dns.answers.requestor import Client
from zonemint.dns.answers.responder import Responder
from zonemint.dns.answers.services import Services
from zonemint.dns.answers.views import Views
from zonemint.dns.guard.access import Access, Rules, classes
from zonemint.dns.guard.cookies import MASTER_SIZE, Cookies
from zonemint.dns.guard.rate import RateLimit
from zonemint.dns.guard.terms import Denial, Terms
from zonemint.dns.zones.catalog import Catalog
from zonemint.store import shared_secrets

__all__ = ["cookies", "dns_views", "other_zones"]

_ERRORS = 100  # answers to a network in a second that say no more than that a message cannot be read


def dns_views(config: Config, catalogs: Mapping[str, Catalog], services: Services, cookies: Cookies | None) -> Views:
    """Return a responder for each class of clients; the one for strangers is the usual one.

    catalogs: the zones of each view, under "" those of clients in none; services: what the friendliest class is
    offered, and the others but for recursion.
    """
    chaos = Chaos(version=config.dns.version.encode(), identity=config.dns.nsid.encode())
    services = msgspec.structs.replace(services, classes={codes.CH: chaos, **services.classes})
    terms, limit = _terms(config, cookies), _limit(config)
    made: dict[Access, Responder] = {}

    def responder(access: Access) -> Responder:
        if access not in made:
            made[access] = _responder(access)
        return made[access]

    def _responder(access: Access) -> Responder:
        own = msgspec.structs.replace(terms, limit=limit if access.limited else None)
        if not access.allowed:
            return Responder(Catalog(), terms=msgspec.structs.replace(own, denial=Denial(config.dns.denial)))
        offered = services if access.recursion else msgspec.structs.replace(services, recursion=None)
        return Responder(catalogs[access.view], offered, own)

    rules = _rules(config)
    # A right that nobody has makes no classes.
    if services.recursion is None:
        rules = rules._replace(recursion=())
    if limit is None:
        rules = rules._replace(unlimited=ANY)
    found = classes(rules)
    stranger = next(access for network, access in found.items() if not network.prefixlen)
    pairs = [((network,), responder(access)) for network, access in found.items()]
    return Views(responder(stranger), pairs)


def other_zones(config: Config, catalogs: Mapping[str, Catalog]) -> Callable[[bytes, Client], bool]:
    """Return what tells whether a client's view has a zone of its own at an apex (lower-case wire form).

    What the client is told of the zone is not of the one that can be transferred and updated.
    """
    rules = _rules(config)

    def has_other(apex: bytes, client: Client) -> bool:
        view = rules.access(ip_network(client.address)).view
        return view != "" and catalogs[view].owns(apex) is not None

    return has_other if config.views else lambda apex, client: False


async def cookies(base: Base) -> Cookies | None:
    """Return what makes cookies, by the secret that all nodes on the store have; None where the settings want none."""
    if not base.config.dns.cookies:
        return None
    return Cookies(await base.db.write(shared_secrets.agree("dns cookies", os.urandom(MASTER_SIZE))))


def _terms(config: Config, cookies: Cookies | None) -> Terms:
    dns = config.dns
    return Terms(
        cookies=cookies,
        nsid=dns.nsid.encode(),
        keepalive=min(int(dns.tcp_idle * 10), 0xFFFF),
        errors=RateLimit(_ERRORS),
    )


def _limit(config: Config) -> RateLimit | None:
    """Return what all limited clients share, so that a network has one limit."""
    dns = config.dns
    return RateLimit(dns.rate_limit, slip=dns.rate_limit_slip) if dns.rate_limit else None


def _rules(config: Config) -> Rules:
    dns, own = config.dns, _own(config)
    return Rules(
        allow=networks(dns.allow),
        deny=networks(dns.deny),
        # Of a resolv.conf here that names our own address, though it is a public one.
        recursion=(*networks(dns.recursion), *own) if dns.recursion else (),
        unlimited=networks(dns.rate_limit_exempt),
        always=own,
        views={name: networks(one.networks) for name, one in config.views.items()},
    )


def _own(config: Config) -> tuple[Network, ...]:
    """Return where questions of this machine itself come from; those of validations have to be answered."""
    texts = {*addresses(config.listen.address), advertised(config.listen)}
    hosts = [ip_address(text) for text in texts]
    return (*LOOPBACK, *(ip_network(host) for host in hosts if not host.is_unspecified))
