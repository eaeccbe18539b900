"""Who may have a zone, and who is told when it changed, by the settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_address

from zonemint.app.base import Base
from zonemint.app.listeners import addresses
from zonemint.config import ZoneSettings
from zonemint.config.grants import Grants
from zonemint.config.values import server
from zonemint.config.zones import OWN_SERVERS
from zonemint.dns import codes, wire
from zonemint.dns.answers.requestor import Client
from zonemint.dns.transfer.notify import Peer
from zonemint.dns.tsig import Key
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.zone import Zone

__all__ = ["TransferRights"]


class TransferRights:
    """Answers for each zone by its own settings, else by those for all.

    settings: the settings of a zone, by its name.
    """

    def __init__(self, base: Base, catalog: Catalog, settings: Callable[[str], ZoneSettings]) -> None:
        self._dns = base.config.dns
        self._catalog = catalog
        self._settings = settings
        self._read: dict[tuple[str, ...], Grants] = {}
        self._own = {base.address, *addresses(base.config.listen.address)}

    def grants(self, origin: str) -> Grants:
        """Return who may have a zone, besides the keys in the store that say so themselves."""
        said = self._settings(origin).allow_transfer
        texts = self._dns.allow_transfer if said is None else said
        if texts not in self._read:
            self._read[texts] = Grants.read(texts)
        return self._read[texts]

    def may_have(self, origin: str, client: Client, key: Key | None) -> bool:
        """Tell whether a client may have a zone as a whole; key: which vouches for its message."""
        grants = self.grants(origin)
        if key is not None and (
            wire.name_to_text(key.name) in grants.keys or key.rights.may_transfer(wire.name_from_text(origin))
        ):
            return True
        address = ip_address(client.address)
        return any(address in network for network in grants.networks)

    def told(self, zone: Zone) -> Sequence[Peer]:
        """Return the servers that are told when a zone changed."""
        settings = self._settings(zone.origin)
        texts = self._dns.notify if settings.notify is None else settings.notify
        told = self.peers(settings, [text for text in texts if text != OWN_SERVERS])
        if OWN_SERVERS in texts:
            told += self.peers(settings, [one for one in self._servers_of(zone) if one not in self._own])
        return list(dict.fromkeys(told))

    def peers(self, settings: ZoneSettings, texts: Sequence[str]) -> list[Peer]:
        """Return servers that a zone's settings name, with the key that messages to them are signed with."""
        name = settings.transfer_key or self._dns.transfer_key
        key = wire.name_from_text(name) if name else None
        return [Peer(*server(text), key) for text in texts]

    def _servers_of(self, zone: Zone) -> Iterator[str]:
        """Yield the addresses of a zone's name servers, as far as zones of ours have them."""
        rrset = zone.rrset(zone.apex, codes.NS)
        for data in rrset.data if rrset is not None else ():
            name = data.lower()
            for type_ in (codes.A, codes.AAAA):
                holder = self._catalog.find(name, type_)
                found = holder.rrset(name, type_) if holder is not None else None
                for address in found.data if found is not None else ():
                    yield str(ip_address(address))
