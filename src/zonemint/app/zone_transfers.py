"""Zones that go to other servers and come from them, as the settings have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address

from zonemint.app.background import Background
from zonemint.app.base import Base
from zonemint.app.zone_copies import ZoneCopies
from zonemint.config import ZoneSettings
from zonemint.config.values import server
from zonemint.config.zones import OWN_SERVERS
from zonemint.core.networks import networks
from zonemint.dns import codes, tsig, wire
from zonemint.dns.answers.requestor import Client, packed
from zonemint.dns.answers.services import Handler
from zonemint.dns.answers.signed import authenticated
from zonemint.dns.transfer.fetch import Primary
from zonemint.dns.transfer.notify import Notified, Notifier, Peer
from zonemint.dns.transfer.outgoing import Transfers
from zonemint.dns.transfer.secondary import Secondary
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.journal import Journals
from zonemint.dns.zones.zone import Zone

__all__ = ["ZoneTransfers"]

_SAVE = 5.0  # seconds between looks at which copies are to be written; a stream of changes is one copy
_NOTIFY = 4


class ZoneTransfers:
    """Everything of transfers: what answers them, whom we notify, and the zones that are copies of others'.

    types, opcodes: the handlers, for the services of a responder.
    """

    def __init__(self, base: Base, catalog: Catalog, journals: Journals, keys: tsig.Keys) -> None:
        self._settings = base.config.zones
        self._own = {base.address, *base.config.listen.address.split()}
        self._copies = ZoneCopies(base.data)
        self._dirty: dict[str, Secondary] = {}
        self.outgoing = Transfers(catalog, journals, may=self._may_have)
        self.notifier = Notifier(catalog, self._to_notify, keys, base.clock)
        self.secondaries = {
            origin: Secondary(
                origin,
                [Primary(peer, keys, base.clock, limit=one.largest) for peer in _peers(one, one.primaries)],
                catalog,
                journals,
                clock=base.clock,
                kept=self._kept,
            )
            for origin, one in self._settings.items()
            if one.primaries
        }
        transfer = authenticated(keys, self.outgoing.answer, base.clock)
        self.types: Mapping[int, Handler] = {codes.AXFR: transfer, codes.IXFR: transfer}
        notified = Notified(self._may_notify, lambda origin: self.secondaries[origin].hint())
        self.opcodes: Mapping[int, Handler] = {_NOTIFY: authenticated(keys, notified.answer, base.clock)}

    def restore(self) -> None:
        """Serve the copies of the last run, as far as they are good still."""
        for origin, secondary in self.secondaries.items():
            if (copy := self._copies.read(origin)) is not None:
                secondary.restore(*copy)

    def begin(self, background: Background) -> None:
        """Look after the secondary zones, and tell the servers that want to know of ours."""
        for secondary in self.secondaries.values():
            background.run(secondary.run)
        background.every(_SAVE, self._save)
        self.notifier.begin()

    async def close(self) -> None:
        """Stop, and keep what came."""
        await self.notifier.close()
        await self._save()

    @property
    def failures(self) -> Mapping[str, str]:
        """Why secondary zones are not what their primaries have, by their names."""
        return {origin: one.failure for origin, one in self.secondaries.items() if one.failure}

    async def _save(self) -> None:
        dirty, self._dirty = self._dirty, {}
        for secondary in dirty.values():
            if secondary.zone is not None:
                await self._copies.write(secondary.zone, secondary.confirmed)

    def _kept(self, secondary: Secondary, is_new: bool) -> None:
        if is_new or secondary.origin in self._dirty:
            self._dirty[secondary.origin] = secondary
        else:
            self._copies.confirm(secondary.origin, secondary.confirmed)

    def _may_have(self, origin: str, client: Client, key: tsig.Key | None) -> bool:
        if key is not None and key.rights.may_transfer(wire.name_from_text(origin)):
            return True
        one = self._settings.get(origin)
        return one is not None and _is_in(client, one.allow_transfer)

    def _may_notify(self, origin: str, client: Client, key: tsig.Key | None) -> bool:
        """Hear whoever is a primary, by its address or by the key that it shares with us (RFC 1996 section 3.10)."""
        one = self._settings.get(origin)
        if one is None or not one.primaries:
            return False
        peers = _peers(one, one.primaries)
        if key is not None:
            return any(peer.key == key.name for peer in peers)
        return any(packed(ip_address(peer.address).packed) == client.address for peer in peers)

    def _to_notify(self, zone: Zone) -> Sequence[Peer]:
        one = self._settings.get(zone.origin)
        if one is None:
            return ()
        named = [text for text in one.notify if text != OWN_SERVERS]
        if OWN_SERVERS in one.notify:
            named += [address for address in _servers_of(zone) if address not in self._own]
        return list(dict.fromkeys(_peers(one, named)))


def _peers(one: ZoneSettings, texts: Sequence[str]) -> list[Peer]:
    key = wire.name_from_text(one.transfer_key) if one.transfer_key else None
    return [Peer(*server(text), key) for text in texts]


def _is_in(client: Client, allowed: Sequence[str]) -> bool:
    host = ip_address(client.address)
    return any(host in network for network in networks(allowed))


def _servers_of(zone: Zone) -> list[str]:
    """Return the addresses, as far as the zone itself has them, of its own name servers."""
    found: list[str] = []
    servers = zone.rrset(zone.apex, codes.NS)
    for host in servers.data if servers is not None else ():
        for type_ in (codes.A, codes.AAAA):
            addresses = zone.rrset(host.lower(), type_)
            found += [str(ip_address(data)) for data in (addresses.data if addresses is not None else ())]
    return found
