"""Zones for secondaries: whole (AXFR, RFC 5936), or what changed since a serial (IXFR, RFC 1995)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import structlog

from zonemint.core.errors import ForeignDataError
from zonemint.dns import codes, wire
from zonemint.dns.answers.compiled import UDP_SIZE, bare
from zonemint.dns.answers.requestor import Client, Transport
from zonemint.dns.answers.services import Reply, Stream
from zonemint.dns.guard import options
from zonemint.dns.transfer.messages import Row, packed
from zonemint.dns.tsig import Key
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.delta import Delta
from zonemint.dns.zones.journal import Journals
from zonemint.dns.zones.records import Owned, RRset, is_later, ttl_of
from zonemint.dns.zones.zone import TxtZone, Zone

__all__ = ["Transfers"]

_AT_ONCE = 16
"""How many transfers may be under way; more are refused, and secondaries come again."""

_LIVE = options.extended_error(18, "the values of this zone come and go; delegate it to this server")

_OTHER = options.extended_error(18, "your network's view has another zone of this name, which is not transferred")

_CONNECTIONS = (Transport.TCP, Transport.TLS)

_log = structlog.get_logger()


class Transfers:
    """Answers AXFR and IXFR for the zones of a catalog.

    may: whether a client, and the key that vouches for its message (None for none), may have a zone; journals: what
    changed; has_other: whether a client is answered from another zone of the same apex. The auth zone's names come from
    a source, so there is nothing to transfer.
    """

    def __init__(
        self,
        catalog: Catalog,
        journals: Journals,
        *,
        may: Callable[[str, Client, Key | None], bool],
        has_other: Callable[[bytes, Client], bool] = lambda apex, client: False,
    ) -> None:
        self._catalog = catalog
        self._journals = journals
        self._may = may
        self._has_other = has_other
        self._active = 0
        self.sent = {"AXFR": 0, "IXFR": 0, "current": 0, "refused": 0}

    def answer(self, message: bytes, client: Client, key: Key | None) -> Reply:
        """Answer one query of the two types, without its signature; raises ForeignDataError for a malformed one."""
        query = wire.parse_query(message)
        serial = _known(message, query)
        if self._has_other(query.name, client):
            self.sent["refused"] += 1
            return _refused(message, query, _OTHER)
        zone = self._catalog.get(wire.name_to_text(query.name))
        if zone is None or isinstance(zone, TxtZone) or not self._may(zone.origin, client, key):
            self.sent["refused"] += 1
            if zone is None:
                return bare(message, query, codes.NOTAUTH)
            return _refused(message, query, _LIVE if isinstance(zone, TxtZone) else options.PROHIBITED)
        if serial is None:
            return self._whole(zone, message, query, client)
        return self._since(zone, serial, message, query, client)

    def _since(self, zone: Zone, serial: int, message: bytes, query: wire.Query, client: Client) -> Reply:
        """Answer IXFR: nothing new, the changes, or the whole zone (RFC 1995 sections 2 and 4)."""
        question, current = message[12 : query.end], _rows(zone.apex, zone.soa)
        if not is_later(zone.serial, serial):
            self.sent["current"] += 1
            return next(packed(message[:2], question, current))
        deltas = self._journals.keep(zone.origin).since(serial)
        if not deltas or deltas[-1].new_serial != zone.serial:
            deltas = None
        if client.is_datagram:
            # What does not fit is told by the SOA alone, and the client comes again over TCP.
            if deltas is not None:
                changes = packed(message[:2], question, _changes(zone.apex, zone.soa, deltas))
                first = next(changes)
                if len(first) <= max(512, min(query.size, UDP_SIZE)) and next(changes, None) is None:
                    self.sent["IXFR"] += 1
                    return first
            return next(packed(message[:2], question, current))
        if deltas is None or sum(map(_size, deltas)) > len(zone.nodes):
            return self._whole(zone, message, query, client)
        return Stream(self._counted("IXFR", zone, message, query, _changes(zone.apex, zone.soa, deltas)))

    def _whole(self, zone: Zone, message: bytes, query: wire.Query, client: Client) -> Reply:
        # Whoever has the zone will ask for its changes.
        self._journals.keep(zone.origin)
        if client.transport not in _CONNECTIONS:
            return bare(message, query, codes.REFUSED)
        return Stream(self._counted("AXFR", zone, message, query, _zone(zone)))

    def _counted(
        self, kind: str, zone: Zone, message: bytes, query: wire.Query, rows: Iterable[Row]
    ) -> Iterator[bytes]:
        """Make the messages of a transfer, if there is a place for it when it begins."""
        if self._active >= _AT_ONCE:
            _log.warning("too many zone transfers at once, one is refused", zone=zone.origin)
            yield bare(message, query, codes.REFUSED)
            return
        self._active += 1
        serial = zone.serial
        try:
            yield from packed(message[:2], message[12 : query.end], rows)
            self.sent[kind] += 1
            _log.info("zone transferred", zone=zone.origin, kind=kind, serial=serial)
        finally:
            self._active -= 1


def _known(message: bytes, query: wire.Query) -> int | None:
    """Return the serial that the client of an IXFR has, from the SOA in the authority section (RFC 1995 section 3)."""
    if query.type != codes.IXFR:
        return None
    if message[6:10] != b"\0\0\0\1":
        raise ForeignDataError("an IXFR has one SOA record in its authority section")
    (soa,), _ = wire.read_records(message, query.end, 1)
    if soa.type != codes.SOA or soa.name != query.name:
        raise ForeignDataError("an IXFR has the SOA record of the zone")
    _, at = wire.read_name(message, soa.start)
    _, at = wire.read_name(message, at)
    if soa.end - at != 20:
        raise ForeignDataError("a SOA record has five numbers")
    return int.from_bytes(message[at : at + 4], "big")


def _refused(message: bytes, query: wire.Query, why: bytes) -> bytes:
    """Say no, and why to who asks with EDNS (RFC 8914)."""
    reply = bare(message, query, codes.REFUSED)
    return options.attach(reply, why) if query.edns else reply


def _rows(owner: bytes, rrset: RRset) -> list[Row]:
    return [(owner, rrset.type, ttl_of(rrset, data), data) for data in rrset.data]


def _zone(zone: Zone) -> Iterator[Row]:
    """Write a zone as it is when this begins: its nodes are values, so what becomes of it later is not seen."""
    soa, nodes = zone.soa, list(zone.nodes.items())
    yield from _rows(zone.apex, soa)
    for owner, node in nodes:
        for rrset in node:
            if rrset.type != codes.SOA:
                yield from _rows(owner, rrset)
    yield from _rows(zone.apex, soa)


def _changes(apex: bytes, newest: RRset, deltas: list[Delta]) -> Iterator[Row]:
    """Write the newest SOA, and each change between its old and its new one (RFC 1995 section 4).

    The zone itself may be another one when this is gone through.
    """
    yield from _rows(apex, newest)
    for delta in deltas:
        for soa, owned in ((delta.before, delta.removed), (delta.after, delta.added)):
            yield from _rows(apex, soa)
            yield from _many(owned)
    yield from _rows(apex, newest)


def _many(owned: tuple[Owned, ...]) -> Iterator[Row]:
    for owner, rrset in owned:
        yield from _rows(owner, rrset)


def _size(delta: Delta) -> int:
    return 2 + len(delta.removed) + len(delta.added)
