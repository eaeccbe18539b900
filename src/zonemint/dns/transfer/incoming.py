"""A transfer as it comes in: believed only when it is whole (RFC 5936 section 2.2, RFC 1995 section 4)."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto

import dns.exception
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from zonemint.core.errors import ForeignDataError
from zonemint.dns import codes, rdata, wire
from zonemint.dns.transfer.messages import Row
from zonemint.dns.zones.delta import serial_of
from zonemint.dns.zones.records import RRset, is_later

__all__ = ["Incoming", "Outcome", "Step"]

_LENGTHS = {codes.A: 4, codes.AAAA: 16}
_NAMED = frozenset({codes.CNAME, codes.DNAME, codes.NS, codes.PTR, codes.MX, codes.SRV, codes.SOA})
_SIGNATURES = frozenset({codes.RRSIG, codes.NSEC, codes.DS, 48, 50, 51})
"""DNSSEC's types, which fill a signed zone: they are handed on, and whoever validates looks into them."""


class Outcome(Enum):
    """What a transfer turned out to be."""

    CURRENT = auto()
    WHOLE = auto()
    CHANGES = auto()


class Step:
    """One change of an IXFR: the records between two SOA records."""

    def __init__(self, before: Row) -> None:
        self.before = before
        self.after = before
        self.removed: list[Row] = []
        self.added: list[Row] = []


class Incoming:
    """Takes the messages of one answer.

    serial: the one that we have and asked for the changes since, None for AXFR; limit: bytes of records at most.
    outcome: None until the last record came. rows: the zone's records without the SOA that ends it (WHOLE); steps: the
    changes (CHANGES).
    """

    def __init__(self, apex: bytes, serial: int | None, *, limit: int) -> None:
        self.outcome: Outcome | None = None
        self.rows: list[Row] = []
        self.steps: list[Step] = []
        self._apex = apex
        self._serial = serial
        self._left = limit
        self._first: Row | None = None
        self._count = 0
        self._adding = False

    @property
    def new_serial(self) -> int:
        """The serial that the answer leads to; there is one as soon as a record came."""
        assert self._first is not None
        return _serial(self._first)

    def take(self, message: bytes) -> None:
        """Take the next message, which is known to answer our question; raises ForeignDataError."""
        rcode = message[3] & 15
        if rcode:
            raise ForeignDataError(f"the transfer is answered {codes.rcode_to_text(rcode)}")
        if message[2] & 2:
            raise ForeignDataError("a transfer is never truncated")
        at = 12
        if message[4:6] == b"\0\1":
            _, at = wire.read_name(message, at)
            at += 4
        elif message[4:6] != b"\0\0":
            raise ForeignDataError("a transfer has one question or none")
        found, _ = wire.read_records(message, at, int.from_bytes(message[6:8], "big"))
        if not found and not self._count:
            raise ForeignDataError("a transfer begins with a SOA record")
        for row in self._read(message, found):
            if self.outcome is not None:
                raise ForeignDataError("records follow the SOA record that ends the transfer")
            self._take(row)
        if self._count == 1 and self._serial is not None and not is_later(self.new_serial, self._serial):
            self.outcome = Outcome.CURRENT

    def _read(self, message: bytes, found: list[wire.WireRecord]) -> Iterator[Row]:
        for one in found:
            if one.class_ != codes.IN or one.type == codes.OPT or 128 <= one.type <= 255:
                raise ForeignDataError("a transfer has records of class IN, and of types that hold data")
            if not wire.is_within(one.name, self._apex):
                name, apex = wire.name_to_text(one.name), wire.name_to_text(self._apex)
                raise ForeignDataError(f"{name} is outside of the zone {apex}")
            data = _data(one.type, message, one.start, one.end)
            self._left -= len(one.name) + len(data) + 10
            if self._left < 0:
                raise ForeignDataError("the zone is larger than is taken; see zones.NAME.largest")
            yield one.name, one.type, min(one.ttl, 0x7FFFFFFF) if one.ttl < 0x80000000 else 0, data

    def _take(self, row: Row) -> None:
        self._count += 1
        is_soa = row[1] == codes.SOA
        if is_soa and row[0] != self._apex:
            raise ForeignDataError("a SOA record below the zone's own name")
        if self._first is None:
            if not is_soa:
                raise ForeignDataError("a transfer begins with a SOA record")
            self._first = row
            return
        if self._count == 2 and is_soa and self._serial is not None and _serial(row) == self._serial:
            # The second record tells whether these are changes (RFC 1995 section 4).
            self.steps.append(Step(row))
            return
        if self.steps:
            self._change(row, is_soa=is_soa)
        elif is_soa:
            if _serial(row) != self.new_serial:
                raise ForeignDataError("the zone ends with another SOA record than it began with")
            self.rows.append(row)
            self.outcome = Outcome.WHOLE
        else:
            self.rows.append(row)

    def _change(self, row: Row, *, is_soa: bool) -> None:
        step = self.steps[-1]
        if not is_soa:
            (step.added if self._adding else step.removed).append(row)
        elif not self._adding:
            if not is_later(_serial(row), _serial(step.before)):
                raise ForeignDataError("a change leads to no later serial")
            step.after, self._adding = row, True
        elif _serial(row) == self.new_serial == _serial(step.after):
            self.outcome = Outcome.CHANGES
        elif _serial(row) == _serial(step.after):
            self.steps.append(Step(row))
            self._adding = False
        else:
            raise ForeignDataError("a change begins with another serial than the last one led to")


def _serial(row: Row) -> int:
    return serial_of(RRset(codes.SOA, 0, (row[3],)))


def _data(type_: int, message: bytes, start: int, end: int) -> bytes:
    """Return data of which every name and length is as it must be, since answers are made of them unseen."""
    if (length := _LENGTHS.get(type_)) is not None:
        if end - start != length:
            raise ForeignDataError(f"an address of {end - start} bytes")
        return message[start:end]
    data = rdata.uncompressed(type_, message, start, end)
    if type_ in _SIGNATURES:
        return data
    if type_ in _NAMED:
        at = {codes.MX: 2, codes.SRV: 6}.get(type_, 0)
        for _ in range(2 if type_ == codes.SOA else 1):
            _, at = wire.read_name(data, at)
        if at + 20 * (type_ == codes.SOA) != len(data):
            raise ForeignDataError(f"data of type {codes.type_to_text(type_)} have another length")
        return data
    try:
        dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.RdataType.make(type_), data, 0, len(data))
    except (dns.exception.DNSException, ValueError) as error:
        raise ForeignDataError(f"data of type {codes.type_to_text(type_)} cannot be read: {error}") from None
    return data
