"""Transfers as they come in: ours, and those of primaries that lie."""

from __future__ import annotations

from typing import Any

import dns.message
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dns.transfer.test_outgoing import Lab, ixfr
from zonemint.core.errors import ForeignDataError
from zonemint.dns import codes, wire
from zonemint.dns.transfer.incoming import Incoming, Outcome
from zonemint.dns.transfer.messages import Row, packed

APEX = wire.name_from_text("lab.test")
QUESTION = APEX + b"\0\xfc\0\1"


def soa(serial: int) -> Row:
    return APEX, codes.SOA, 60, b"\0\0" + serial.to_bytes(4, "big") + bytes(16)


def a(name: str, number: int = 1) -> Row:
    return wire.name_from_text(name), codes.A, 60, bytes((192, 0, 2, number))


def taken(rows: list[Row], serial: int | None = None, *, limit: int = 1 << 20) -> Incoming:
    incoming = Incoming(APEX, serial, limit=limit)
    for message in packed(b"ab", QUESTION, rows):
        incoming.take(message)
    return incoming


def test_what_we_send_is_what_we_read() -> None:
    lab = Lab()
    incoming = Incoming(APEX, None, limit=1 << 20)
    for message in lab.ask(dns.message.make_query("lab.test", "AXFR").to_wire()):
        incoming.take(message)
    assert incoming.outcome is Outcome.WHOLE
    ours = {
        (owner, one.type, one.ttl, data) for owner, node in lab.zone.nodes.items() for one in node for data in one.data
    }
    assert set(incoming.rows) == ours
    assert len(incoming.rows) == len(ours)
    lab.zone.put("www.lab.test", "A", 300, ["192.0.2.11"], serial=8)
    lab.zone.put("new.lab.test", "MX", 60, ["10 mail.lab.test."], serial=9)
    changes = Incoming(APEX, 7, limit=1 << 20)
    for message in lab.ask(ixfr(7)):
        changes.take(message)
    assert changes.outcome is Outcome.CHANGES
    assert [(len(step.removed), len(step.added)) for step in changes.steps] == [(1, 0), (0, 1)]
    current = Incoming(APEX, 9, limit=1 << 20)
    current.take(lab.ask(ixfr(9))[0])
    assert current.outcome is Outcome.CURRENT


def test_answers_to_ixfr_are_of_three_kinds() -> None:
    assert taken([soa(5)], 5).outcome is Outcome.CURRENT
    assert taken([soa(5)], 6).outcome is Outcome.CURRENT
    assert taken([soa(5)], 4).outcome is None
    whole = taken([soa(5), a("www.lab.test"), soa(5)], 3)
    assert (whole.outcome, whole.rows) == (Outcome.WHOLE, [a("www.lab.test"), soa(5)])
    # A zone of nothing but its SOA, to who asked for changes and has another serial.
    assert taken([soa(5), soa(5)], 3).outcome is Outcome.WHOLE
    changes = taken([soa(5), soa(3), a("x.lab.test"), soa(4), soa(4), soa(5), a("y.lab.test"), soa(5)], 3)
    assert changes.outcome is Outcome.CHANGES
    assert [(step.removed, step.added) for step in changes.steps] == [([a("x.lab.test")], []), ([], [a("y.lab.test")])]


@pytest.mark.parametrize(
    ("rows", "serial", "said"),
    [
        ([a("www.lab.test"), soa(5)], None, "begins with a SOA"),
        ([soa(5), a("www.lab.test"), soa(6)], None, "ends with another SOA"),
        ([soa(5), a("www.other.test"), soa(5)], None, "outside of the zone"),
        ([soa(5), a("xlab.test"), soa(5)], None, "outside of the zone"),
        ([soa(5), (wire.name_from_text("a.lab.test"), *soa(1)[1:]), soa(5)], None, "below the zone's own name"),
        ([soa(5), soa(5), a("www.lab.test")], None, "records follow"),
        ([soa(5), (*a("www.lab.test")[:3], b"123"), soa(5)], None, "an address of 3 bytes"),
        ([soa(5), (APEX, codes.TXT, 1, b"\5ab"), soa(5)], None, "cannot be read"),
        ([soa(5), (APEX, codes.OPT, 1, b""), soa(5)], None, "types that hold data"),
        ([soa(5), (APEX, codes.MX, 1, b"\0\1\0more"), soa(5)], None, "another length"),
        ([soa(5), (APEX, codes.HTTPS, 1, b"\0"), soa(5)], None, "cannot be read"),
        ([soa(5), soa(3), soa(2), soa(5)], 3, "no later serial"),
        ([soa(5), soa(3), soa(4), soa(3), soa(5)], 3, "begins with another serial"),
    ],
)
def test_a_primary_that_lies_is_not_believed(rows: list[Row], serial: int | None, said: str) -> None:
    with pytest.raises(ForeignDataError, match=said):
        taken(rows, serial)


def test_what_is_not_whole_has_no_outcome() -> None:
    assert taken([soa(5), a("www.lab.test")]).outcome is None
    assert taken([soa(5), soa(3), soa(5)], 3).outcome is None


def test_an_endless_zone_is_cut() -> None:
    rows = [soa(5), *[a(f"h{number}.lab.test") for number in range(5000)]]
    with pytest.raises(ForeignDataError, match="larger than is taken"):
        taken(rows, limit=50_000)


@pytest.mark.parametrize("rcode", ["REFUSED", "NOTAUTH", "SERVFAIL"])
def test_an_error_is_told(rcode: str) -> None:
    query: Any = dns.message.make_query("lab.test", "AXFR")
    reply = dns.message.make_response(query)
    reply.set_rcode(dns.rcode.from_text(rcode))
    with pytest.raises(ForeignDataError, match=f"the transfer is answered {rcode}"):
        Incoming(APEX, None, limit=1000).take(reply.to_wire())


GOOD = next(packed(b"ab", QUESTION, [soa(5), a("www.lab.test"), (APEX, codes.MX, 1, b"\0\1\1a" + APEX), soa(5)]))


@given(st.binary(max_size=40), st.integers(12, len(GOOD)), st.booleans())
def test_messages_of_any_kind_are_read_or_refused(noise: bytes, at: int, replace: bool) -> None:
    incoming = Incoming(APEX, None, limit=1 << 16)
    try:
        incoming.take(GOOD[:at] + noise + GOOD[at + replace * len(noise) :])
    except ForeignDataError:
        return
    assert incoming.outcome in {None, Outcome.WHOLE}
