"""What is remembered is true after every change, and what no change touched is still there."""

from __future__ import annotations

import dns.message
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.dns.asking import UDP, answer, ask, lab_catalog, question, zone
from tests.thorough import examples
from zonemint.core.errors import ConfigError
from zonemint.dns import codes, rdata, wire
from zonemint.dns.answers.memo import _Kept
from zonemint.dns.answers.responder import Responder
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.records import RRset
from zonemint.dns.zones.zone import Zone

_ORIGINS = ("lab.test", "b.lab.test", "other.test")
_START = "@ 60 SOA a b 1 1 1 1 1\n@ 60 NS ns\nns 60 A 192.0.2.1\n"
_OWNERS = ("lab.test", "a.lab.test", "b.lab.test", "*.lab.test", "x.a.lab.test", "x.b.lab.test", "*.b.lab.test")
_NAMES = (*_OWNERS, "other.test", "a.other.test", "x.a.other.test", "*.a.other.test")
_ASKED = (*(name for name in _NAMES if not name.startswith("*")), "q.lab.test", "q.b.lab.test", "y.a.other.test")
_BESIDE = tuple(
    f"{label}.{parent}" for parent in ("lab.test", "a.lab.test", "b.lab.test", "q.lab.test") for label in "bxyz"
)
_DATA = {
    "A": ("192.0.2.7", "192.0.2.8"),
    "MX": tuple(f"1 {name}." for name in _ASKED),
    "CNAME": tuple(f"{name}." for name in _ASKED),
    "DNAME": tuple(f"{name}." for name in _ASKED),
    "NS": tuple(f"{name}." for name in _ASKED),
}

_Change = tuple[str, str, tuple[str, ...]]

changes = st.one_of(
    *[
        st.tuples(
            st.sampled_from(_NAMES),
            st.just(type_),
            st.lists(st.sampled_from(data), max_size=1 if type_ in {"CNAME", "DNAME"} else 2, unique=True).map(tuple),
        )
        for type_, data in _DATA.items()
    ],
    st.tuples(st.sampled_from(_ORIGINS), st.sampled_from(("serve", "remove", "reload")), st.just(())),
)


def make(catalog: Catalog, change: _Change, serial: int) -> None:
    """Make a change, unless it is one that no zone could be served with."""
    name, what, data = change
    if what == "remove":
        catalog.remove(name)
    elif what == "reload" and (old := catalog.get(name)) is not None:
        catalog.put(Zone.build(name, list(old.records()), serial=serial))
    elif what in {"serve", "reload"}:
        catalog.put(zone(_START, name))
    else:
        home = max((one for one in catalog.zones() if f".{name}".endswith(f".{one.origin}")), key=_length, default=None)
        if home is None:
            return
        type_ = codes.type_from_text(what)
        rrset = RRset(type_, 60, tuple([rdata.from_text(type_, one) for one in data])) if data else None
        try:
            home.apply({(wire.name_from_text(name), type_): rrset}, serial)
        except ConfigError:
            return


def _length(one: Zone) -> int:
    return len(one.origin)


@example([("a.lab.test", "A", ("192.0.2.7", "192.0.2.8")), ("a.lab.test", "A", ("192.0.2.8", "192.0.2.7"))])
@settings(max_examples=examples(60))
@given(st.lists(changes, min_size=1, max_size=12))
def test_after_every_change_it_is_as_if_nothing_had_been_remembered(made: list[_Change]) -> None:
    catalog = Catalog()
    for origin in _ORIGINS:
        catalog.put(zone(_START, origin))
    server = Responder(catalog)
    asked = (*_ASKED, *_BESIDE)
    messages = [question(f"{name}.", type_).to_wire() for name in asked for type_ in ("A", "MX", "NS", "SOA", "DS")]
    for serial, change in enumerate(made, 2):
        make(catalog, change, serial)
        fresh = Responder(catalog)
        for tcp in (False, True):
            for message in messages:
                # Twice: what is remembered now, and what this answer has put there.
                expected = answer(fresh, message, tcp=tcp)
                alike = server.absent(message[2:], message[2:], UDP.slot)
                assert alike is None or tcp or message[:2] + alike == expected
                assert answer(server, message, tcp=tcp) == expected
                assert answer(server, message, tcp=tcp) == expected


def test_names_that_are_not_there_are_told_what_the_first_was_told() -> None:
    catalog = lab_catalog()
    server = Responder(catalog)
    for payload in (None, 1232):
        for name in ("000000", "000001"):
            answer(server, question(f"{name}.lab.test.", payload=payload).to_wire())
        for name in ("100000", "AbCdEf", "a\\000b\\.cd"):
            message = question(f"{name}.lab.test.", payload=payload).to_wire()
            folded = dns.message.from_wire(message)
            folded.question[0].name = folded.question[0].name.canonicalize()
            alike = server.absent(message[2:], folded.to_wire()[2:], UDP.slot)
            assert alike is not None
            assert message[:2] + alike == answer(Responder(catalog), message)
        # A name that is there, one of another length, below a wildcard, a cut, an alias, or asked for otherwise.
        for name, type_ in (
            ("auth.lab.test.", "A"),
            ("1000000.lab.test.", "A"),
            ("100000.wild.lab.test.", "A"),
            ("100000.child.lab.test.", "A"),
            ("100000.moved.lab.test.", "A"),
            ("100000.lab.test.", "MX"),
        ):
            message = question(name, type_, payload=payload).to_wire()
            assert server.absent(message[2:], message[2:], UDP.slot) is None
    # A zone that begins among them is asked itself.
    catalog.put(zone(_START, "200000.lab.test"))
    for name in ("100000.lab.test.", "200000.lab.test."):
        message = question(name).to_wire()
        for _ in range(2):
            answer(server, message)
            assert server.absent(message[2:], message[2:], UDP.slot) is None
    for short in (b"", b"\1\0\0\1\0\0\0\0\0\0", b"\1\0\0\1\0\0\0\0\0\0\xff\0\0\0\0\0"):
        assert server.absent(short, short, UDP.slot) is None


def test_what_a_change_does_not_touch_is_kept() -> None:
    catalog = lab_catalog()
    server = Responder(catalog)
    lab = catalog.get("lab.test")
    assert lab is not None
    names = ("www", "alias", "chain", "mail", "ns1", "svc", "known.wild", "lost")
    for name in names:
        ask(server, f"{name}.lab.test.")
    ask(server, "lab.test.", "MX")
    assert len(server.lasting) == len(names)
    lab.put("www.lab.test", "A", 60, ["192.0.2.99"], serial=8)
    left = {bytes(question[10:]).split(b"\3lab")[0] for question in server.lasting}
    assert left == {b"\4mail", b"\3ns1", b"\3svc", b"\5known\4wild"}
    ask(server, "lab.test.", "MX")
    lab.put("mail.lab.test", "A", 60, ["192.0.2.99"], serial=9)
    assert "192.0.2.99" in str(ask(server, "lab.test.", "MX").additional)
    ask(server, "nothing.lab.test.")
    assert server.passing
    lab.put("new.lab.test", "TXT", 60, ["x"], serial=10)
    assert not server.passing
    lab.put("sub.lab.test", "NS", 60, ["ns1.lab.test."], serial=11)
    assert not server.lasting


def test_other_zones_keep_what_was_said_of_them() -> None:
    catalog = lab_catalog()
    catalog.put(zone(_START, "other.test"))
    server = Responder(catalog)
    ask(server, "ns.other.test.")
    ask(server, "nothing.other.test.")
    lab = catalog.get("lab.test")
    assert lab is not None
    for serial in range(8, 20):
        lab.put("www.lab.test", "A", 60, [f"192.0.2.{serial}"], serial=serial)
    assert (len(server.lasting), len(server.passing)) == (1, 1)
    catalog.put(zone())
    assert len(server.lasting) == 1


def test_a_popular_host_does_not_make_the_memo_grow() -> None:
    """It is named by answers that come and go, and each time it is written down that they name it."""
    kept: _Kept[int, str] = _Kept(100)
    for number in range(5000):
        kept.keep(number, "answer", (b"\4mail\0", bytes((1, number % 256, 0))))
        kept.forget(bytes((1, number % 256, 0)))
    assert sum(map(len, kept._made_of.values())) == kept._links <= 402
