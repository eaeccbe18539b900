"""RFC 2136 by its sections, with dnspython's updates; the rcodes that it names, and what is in the zone afterwards."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import dns.edns
import dns.rcode
import dns.update
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.dns.update.updating import ALL, ORIGIN, Primary, key, update
from zonemint.dns import codes, wire
from zonemint.dns.tsig import Key
from zonemint.dns.update.message import Kind, Operation, Update
from zonemint.dns.update.semantics import edits_of
from zonemint.dns.zones.overlay import Draft

BEFORE = Primary().lines()
Change = Callable[[dns.update.UpdateMessage], None]


def each(*changes: Change) -> Change:
    def make(message: dns.update.UpdateMessage) -> None:
        for change in changes:
            change(message)

    return make


def with_(*lines: str) -> list[str]:
    return sorted([*BEFORE, *lines])


PREREQUISITES: dict[str, tuple[Change, str]] = {
    "2.4.1 RRset exists, value independent": (lambda u: u.present("file", "A"), "NOERROR"),
    "2.4.1 and does not": (lambda u: u.present("file", "AAAA"), "NXRRSET"),
    "2.4.2 RRset exists, value dependent": (lambda u: u.present("file", "A", "192.0.2.2"), "NOERROR"),
    "2.4.2 another value": (lambda u: u.present("file", "A", "192.0.2.9"), "NXRRSET"),
    "2.4.2 more than there is": (lambda u: u.present("file", "A", "192.0.2.2", "192.0.2.3"), "NXRRSET"),
    "2.4.2 no such name": (lambda u: u.present("none", "A", "192.0.2.2"), "NXRRSET"),
    "2.4.2 letter case of a name": (lambda u: u.present(ORIGIN + ".", "NS", "NS1.Lab.TEST."), "NOERROR"),
    "2.4.3 RRset does not exist": (lambda u: u.absent("file", "AAAA"), "NOERROR"),
    "2.4.3 and does": (lambda u: u.absent("FILE", "A"), "YXRRSET"),
    "2.4.4 name is in use": (lambda u: u.present("file"), "NOERROR"),
    "2.4.4 and is not": (lambda u: u.present("none"), "NXDOMAIN"),
    "2.4.4 a wildcard is none": (lambda u: u.present("x.w"), "NXDOMAIN"),
    "2.4.4 nor is an empty non-terminal": (lambda u: u.present("b"), "NXDOMAIN"),
    "2.4.5 name is not in use": (lambda u: u.absent("none"), "NOERROR"),
    "2.4.5 and is": (lambda u: u.absent("file"), "YXDOMAIN"),
    "3.2.5 all have to hold": (each(lambda u: u.present("file"), lambda u: u.absent("ns1", "A")), "YXRRSET"),
    "3.2.5 out of the zone": (lambda u: u.present("file.other."), "NOTZONE"),
}


@pytest.mark.parametrize("case", PREREQUISITES)
async def test_prerequisites(case: str) -> None:
    set_, rcode = PREREQUISITES[case]
    primary, message = Primary(), update()
    set_(message)
    message.add("new", 60, "A", "192.0.2.9")
    assert await primary.rcode(message) == rcode
    assert primary.lines() == (with_("new 60 A 192.0.2.9") if rcode == "NOERROR" else BEFORE)


def _soa(serial: int) -> Change:
    return lambda u: u.add("@", 300, "SOA", f"ns1.lab.test. hostmaster.lab.test. {serial} 3600 600 86400 60")


CHANGES: dict[str, tuple[Change, str, list[str]]] = {
    "2.5.1 add": (lambda u: u.add("x", 60, "TXT", '"a" "b"'), "NOERROR", with_('x 60 TXT "a" "b"')),
    "2.5.1 add what is there": (lambda u: u.add("file", 60, "A", "192.0.2.2"), "NOERROR", BEFORE),
    "2.5.1 add beside the file": (
        lambda u: u.add("both", 300, "TXT", "x"),
        "NOERROR",
        with_('both 300 TXT "x"'),
    ),
    "2.5.1 out of the zone": (lambda u: u.add("x.other.", 60, "A", "192.0.2.1"), "NOTZONE", BEFORE),
    "2.5.2 remove a set": (lambda u: u.delete("file", "AAAA"), "NOERROR", BEFORE),
    "2.5.2 of the file": (lambda u: u.delete("file", "A"), "REFUSED", BEFORE),
    "2.5.3 remove a name": (lambda u: u.delete("none"), "NOERROR", BEFORE),
    "2.5.3 of the file": (lambda u: u.delete("file"), "REFUSED", BEFORE),
    "2.5.4 remove a record": (lambda u: u.delete("file", "A", "192.0.2.9"), "NOERROR", BEFORE),
    "2.5.4 of the file": (lambda u: u.delete("file", "A", "192.0.2.2"), "REFUSED", BEFORE),
    "3.4.2.2 CNAME beside data": (lambda u: u.add("file", 60, "CNAME", "ns1"), "NOERROR", BEFORE),
    "3.4.2.2 SOA that is older": (_soa(6), "NOERROR", BEFORE),
    "3.4.2.2 SOA that is newer": (_soa(8), "REFUSED", BEFORE),
    "3.4.2.2 SOA elsewhere": (lambda u: u.add("x", 60, "SOA", "a. b. 9 1 1 1 1"), "NOERROR", BEFORE),
    "3.4.2.3 the SOA of the apex": (lambda u: u.delete("@", "SOA"), "NOERROR", BEFORE),
    "3.4.2.3 the NS of the apex": (lambda u: u.delete("@", "NS"), "NOERROR", BEFORE),
    "3.4.2.3 the apex": (lambda u: u.delete("@"), "NOERROR", BEFORE),
    "3.4.2.4 the last NS": (lambda u: u.delete("@", "NS", "ns1.lab.test."), "NOERROR", BEFORE),
    "RFC 4592 4: a wildcard that is a cut": (lambda u: u.add("*.x", 60, "NS", "ns1.lab.test."), "REFUSED", BEFORE),
    "what signing makes": (lambda u: u.add("x", 60, "CDS", "1 13 2 " + "00" * 32), "REFUSED", BEFORE),
    "atomic: one refused, none made": (
        each(lambda u: u.add("x", 60, "A", "192.0.2.1"), lambda u: u.delete("file")),
        "REFUSED",
        BEFORE,
    ),
    "3.4.2.7 in their order": (
        each(
            lambda u: u.add("x", 60, "A", "192.0.2.1"),
            lambda u: u.delete("x"),
            lambda u: u.add("x", 5, "A", "192.0.2.8"),
        ),
        "NOERROR",
        with_("x 5 A 192.0.2.8"),
    ),
    "file's record away and there again": (
        each(lambda u: u.delete("file"), lambda u: u.add("file", 5, "A", "192.0.2.2")),
        "NOERROR",
        BEFORE,
    ),
    "RFC 2181 8: a TTL with its highest bit": (
        lambda u: u.add("x", 2**31, "A", "192.0.2.1"),
        "NOERROR",
        with_("x 0 A 192.0.2.1"),
    ),
    "RFC 3597: a type without a name": (
        lambda u: u.add("x", 60, "TYPE65280", r"\# 2 abcd"),
        "NOERROR",
        with_(r"x 60 TYPE65280 \# 2 abcd"),
    ),
}


@pytest.mark.parametrize("case", CHANGES)
async def test_changes(case: str) -> None:
    make, rcode, after = CHANGES[case]
    primary, message = Primary(), update()
    make(message)
    assert (await primary.rcode(message), primary.lines()) == (rcode, after)
    assert (primary.zone.serial > 7) is (after != BEFORE)


SEQUENCES: dict[str, tuple[list[Change], list[str]]] = {
    "a CNAME takes the place of another": (
        [lambda u: u.add("x", 60, "CNAME", "a.lab.test."), lambda u: u.add("x", 60, "CNAME", "b.lab.test.")],
        with_("x 60 CNAME b.lab.test."),
    ),
    "data beside a CNAME are ignored": (
        [lambda u: u.add("x", 60, "CNAME", "a.lab.test."), lambda u: u.add("x", 60, "A", "192.0.2.1")],
        with_("x 60 CNAME a.lab.test."),
    ),
    "a CNAME that goes makes room": (
        [
            lambda u: u.add("x", 60, "CNAME", "a.lab.test."),
            each(lambda u: u.delete("x", "CNAME"), lambda u: u.add("x", 60, "A", "192.0.2.1")),
        ],
        with_("x 60 A 192.0.2.1"),
    ),
    "a DNAME takes the place of another": (
        [lambda u: u.add("x", 60, "DNAME", "a.test."), lambda u: u.add("x", 60, "DNAME", "b.test.")],
        with_("x 60 DNAME b.test."),
    ),
    "the last TTL is that of all": (
        [lambda u: u.add("x", 60, "A", "192.0.2.1"), lambda u: u.add("x", 90, "A", "192.0.2.2")],
        with_("x 90 A 192.0.2.1", "x 90 A 192.0.2.2"),
    ),
    "a name goes with all that was made": (
        [
            each(lambda u: u.add("x", 60, "A", "192.0.2.1"), lambda u: u.add("x", 60, "TXT", "t")),
            lambda u: u.delete("X"),
        ],
        BEFORE,
    ),
    "a record goes, whichever the letter case": (
        [lambda u: u.add("x", 60, "MX", "10 Mail.lab.test."), lambda u: u.delete("x", "MX", "10 mAIL.lab.test.")],
        BEFORE,
    ),
    "an apex keeps one NS of two": (
        [
            lambda u: u.add("@", 300, "NS", "ns2.lab.test."),
            lambda u: u.delete("@", "NS", "ns2.lab.test."),
            lambda u: u.delete("@", "NS", "ns1.lab.test."),
        ],
        BEFORE,
    ),
}


@pytest.mark.parametrize("case", SEQUENCES)
async def test_one_after_the_other(case: str) -> None:
    steps, after = SEQUENCES[case]
    primary = Primary()
    for make in steps:
        message = update()
        make(message)
        assert await primary.rcode(message) == "NOERROR"
    assert primary.lines() == after


LIMITED = key("_acme-challenge.*", types=("TXT",))
RIGHTS: dict[str, tuple[Key | None, Change, str]] = {
    "its name and type": (LIMITED, lambda u: u.add("_acme-challenge.x", 60, "TXT", "v"), "NOERROR"),
    "another type": (LIMITED, lambda u: u.add("_acme-challenge.x", 60, "A", "192.0.2.1"), "REFUSED"),
    "another name": (LIMITED, lambda u: u.add("x", 60, "TXT", "v"), "REFUSED"),
    "removing a record elsewhere": (LIMITED, lambda u: u.delete("both", "TXT"), "REFUSED"),
    "removing a name": (LIMITED, lambda u: u.delete("_acme-challenge.x"), "NOERROR"),
    "removing another name": (LIMITED, lambda u: u.delete("x"), "REFUSED"),
    "another zone": (key("*", zones=("other.test",)), lambda u: u.add("x", 60, "TXT", "v"), "REFUSED"),
    "nothing": (key(), lambda u: u.add("x", 60, "TXT", "v"), "REFUSED"),
    "no signature": (None, lambda u: u.add("x", 60, "TXT", "v"), "REFUSED"),
    "no change at all": (key(), lambda u: u.present("file"), "NOERROR"),
}


@pytest.mark.parametrize("case", RIGHTS)
async def test_what_a_key_may(case: str) -> None:
    whose, make, rcode = RIGHTS[case]
    primary, message = Primary(), update()
    make(message)
    assert await primary.rcode(message, whose) == rcode


async def test_who_may_change_some_types_cannot_remove_a_name_with_others() -> None:
    primary, message = Primary(), update()
    message.add("_acme-challenge.x", 60, "A", "192.0.2.1")
    assert await primary.rcode(message) == "NOERROR"
    message = update()
    message.delete("_acme-challenge.x")
    assert await primary.rcode(message, LIMITED) == "REFUSED"
    assert len(primary.lines()) == len(BEFORE) + 1


def _record(class_: int, type_: int, ttl: int = 0, data: bytes = b"") -> bytes:
    head = b"\1x\xc0\x0c" + type_.to_bytes(2, "big") + class_.to_bytes(2, "big") + ttl.to_bytes(4, "big")
    return head + len(data).to_bytes(2, "big") + data


HEAD = b"\0\7\x28\0\0\1"
ZONE = b"\3lab\4test\0\0\6\0\1"


def raw(prerequisites: bytes = b"", changes: bytes = b"", zone: bytes = ZONE) -> bytes:
    counts = bytes((0, bool(prerequisites), 0, bool(changes), 0, 0))
    return HEAD + counts + zone + prerequisites + changes


WRONG = {
    "3.1.1 no zone": b"\0\7\x28\0" + bytes(8),
    "3.1.1 two zones": b"\0\7\x28\0\0\2" + bytes(6) + ZONE + ZONE,
    "3.1.1 a zone by another type": raw(zone=b"\3lab\4test\0\0\1\0\1"),
    "a zone that ends early": raw(zone=b"\3lab\4test\0\0\6"),
    "bytes behind the end": raw() + b"\0",
    "3.2 prerequisite with a TTL": raw(_record(255, 1, 1)),
    "3.2 of class ANY with data": raw(_record(255, 1, 0, b"\1\2\3\4")),
    "3.2 of class NONE with data": raw(_record(254, 1, 0, b"\1\2\3\4")),
    "3.2 of another class": raw(_record(3, 1)),
    "3.2 of a meta type": raw(_record(255, 252)),
    "3.2.3 IN without data": raw(_record(1, 1)),
    "3.2.3 IN and type ANY": raw(_record(1, 255)),
    "3.4.1.2 of another class": raw(b"", _record(3, 1)),
    "3.4.1.2 add type ANY": raw(b"", _record(1, 255, 1)),
    "3.4.1.2 add type AXFR": raw(b"", _record(1, 252, 1)),
    "3.4.1.2 add type OPT": raw(b"", _record(1, 41, 1)),
    "3.4.1.2 add broken data": raw(b"", _record(1, 1, 1, b"\1\2\3")),
    "add TXT without data": raw(b"", _record(1, 16, 1)),
    "3.4.1.2 remove a set with a TTL": raw(b"", _record(255, 1, 1)),
    "3.4.1.2 remove a set with data": raw(b"", _record(255, 1, 0, b"\1\2\3\4")),
    "3.4.1.2 remove a set of a meta type": raw(b"", _record(255, 251)),
    "3.4.1.2 remove a record with a TTL": raw(b"", _record(254, 1, 1, b"\1\2\3\4")),
    "3.4.1.2 remove a record of type ANY": raw(b"", _record(254, 255)),
}


@pytest.mark.parametrize("case", WRONG)
async def test_what_is_no_update(case: str) -> None:
    primary = Primary()
    reply = await primary.send(WRONG[case])
    assert isinstance(reply, bytes)
    assert (reply[:2], reply[2] & 0xF8, reply[3] & 15) == (b"\0\7", 0xA8, dns.rcode.FORMERR)
    assert primary.lines() == BEFORE


async def test_zones_that_are_not_ours() -> None:
    primary = Primary()
    assert await primary.rcode(update("other.test")) == "NOTAUTH"
    assert await primary.rcode(update("b.lab.test")) == "NOTAUTH"
    reply = await primary.send(raw(zone=b"\3lab\4test\0\0\6\0\3"))
    assert isinstance(reply, bytes)
    assert reply[3] & 15 == dns.rcode.NOTAUTH


async def test_who_knows_edns_is_told_why() -> None:
    primary, message = Primary(), update()
    message.use_edns(0)
    message.delete("file")
    reply = await primary.answer(message)
    assert reply.rcode() == dns.rcode.REFUSED
    (option,) = reply.options
    assert isinstance(option, dns.edns.EDEOption)
    assert option.text == "file.lab.test A is in the zone file or implied, and not dynamic"
    message = update()
    message.delete("file")
    assert (await primary.answer(message)).edns < 0


async def test_a_refusal_is_in_the_log_with_its_key_and_its_reason() -> None:
    primary = Primary()
    cases: list[tuple[Key | None, str, list[str]]] = [
        (ALL, "file", ["file.lab.test A is in the zone file or implied, and not dynamic"]),
        (LIMITED, "x", ["the key may not change x.lab.test A"]),
        (None, "x", []),  # anybody could fill the log so
    ]
    for whose, name, reasons in cases:
        message = update()
        message.delete(name, "A")
        with capture_logs() as told:
            assert await primary.rcode(message, whose) == "REFUSED"
        assert [one["reason"] for one in told] == reasons
        assert all((one["key"], one["client"]) == ("host.key", "127.0.0.1:5300") for one in told)


async def test_no_more_wait_than_there_is_room_for() -> None:
    primary = Primary()
    primary.gate.clear()
    waiting = [primary.send(update().to_wire()) for _ in range(1024)]
    full = await primary.send(update().to_wire())
    assert isinstance(full, bytes)
    assert full[3] & 15 == dns.rcode.SERVFAIL
    primary.gate.set()
    assert {one[3] for one in await asyncio.gather(*waiting) if isinstance(one, bytes)} == {0}


@given(st.data())
def test_mutated_messages_are_answered_and_leave_a_zone(data: st.DataObject) -> None:
    message = update()
    message.present("file", "A", "192.0.2.2")
    message.absent("none")
    message.add("x", 60, "MX", "10 mail.lab.test.")
    message.delete("x", "TXT", "v")
    message.delete("y")
    whole = bytearray(message.to_wire())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(4, len(whole) - 1))
        whole[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(12, len(whole)))

    async def send() -> None:
        primary = Primary()
        for one in (bytes(whole), bytes(whole[:cut])):
            reply = await primary.send(one)
            assert isinstance(reply, bytes)
            assert reply[:2] == one[:2]
            assert len(reply) >= 12
        assert set(BEFORE) <= set(primary.lines()) | {"both 300 TXT"}

    asyncio.run(send())


@pytest.mark.parametrize(
    "operation",
    [
        lambda n: Operation(Kind.ADD, wire.name_from_text(f"n{n}.{ORIGIN}"), codes.A, 60, bytes(4)),
        lambda n: Operation(Kind.ADD, wire.name_from_text(f"same.{ORIGIN}"), codes.A, 60, n.to_bytes(4, "big")),
        lambda n: Operation(Kind.ADD, wire.name_from_text(f"same.{ORIGIN}"), 65_280 + n, 60, b""),
        lambda n: Operation(Kind.REMOVE_RECORD, wire.name_from_text(f"b{n}.{ORIGIN}"), codes.A, 0, bytes(4)),
    ],
)
def test_twice_the_operations_are_twice_the_work(operation: Callable[[int], Operation]) -> None:
    """An update of 64 KiB has thousands, and is worked out in one turn of the loop."""

    def steps(count: int) -> int:
        taken = 0

        def count_step(frame: FrameType, event: str, arg: object) -> Any:
            nonlocal taken
            taken += event == "line"
            return count_step

        primary = Primary()
        whole = Update(primary.zone.apex, (), {}, tuple(operation(n) for n in range(count)))
        decide = edits_of(whole, ALL.rights)
        before = sys.gettrace()
        sys.settrace(count_step)
        try:
            decide(Draft(primary.zone, primary.overlay))
        finally:
            sys.settrace(before)
        return taken

    assert steps(200) < 2.5 * steps(100)
