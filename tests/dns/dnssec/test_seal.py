"""Zones that are signed here: complete for other programs, and after each change as if they were signed anew."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import dns.dnssec
import dns.dnssectypes
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dns.dnssec.signed import LIFETIME, NOW, TEXT, make, seal
from tests.programs import require_program
from zonemint.core.errors import ConfigError
from zonemint.dns import codes, rdata, wire
from zonemint.dns.dnssec.keys import Algorithm, SigningKey
from zonemint.dns.dnssec.seal import MADE, Keys
from zonemint.dns.dnssec.signing import Lifetimes
from zonemint.dns.zones.records import Node, RRset, of_type
from zonemint.dns.zones.zone import Zone
from zonemint.dns.zones.zonefile import write

KEY = SigningKey.generate(Algorithm.ECDSAP256SHA256)
A, B = (RRset(codes.A, 300, (bytes((192, 0, 2, last)),)) for last in (9, 10))
NS = RRset(codes.NS, 300, (wire.name_from_text("ns.elsewhere.test"),))
DNAME = RRset(codes.DNAME, 300, (wire.name_from_text("elsewhere.test"),))
CNAME = RRset(codes.CNAME, 300, (wire.name_from_text("elsewhere.test"),))


@pytest.mark.parametrize("algorithm", list(Algorithm))
@pytest.mark.parametrize(
    "command",
    [["ldns-verify-zone", "{file}"], ["dnssec-verify", "-z", "-o", "lab.test", "{file}"], ["kzonecheck", "{file}"]],
)
def test_other_programs_find_the_zone_complete(algorithm: Algorithm, command: list[str], tmp_path: Path) -> None:
    zone, _ = make(algorithm=algorithm, clock=time.time)
    file = tmp_path / "lab.test.zone"
    file.write_text(write(zone.records()))
    done = subprocess.run(
        [require_program(command[0]), *(part.format(file=file) for part in command[1:])],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_keys_are_called_as_dnspython_calls_them(algorithm: Algorithm) -> None:
    key = SigningKey.load(SigningKey.generate(algorithm).private_bytes())
    dnskey = dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.DNSKEY, key.dnskey, 0, len(key.dnskey))
    assert isinstance(dnskey, DNSKEY)
    assert dns.dnssec.key_id(dnskey) == key.tag
    made = [dns.dnssec.make_ds("lab.test.", dnskey, digest).to_wire() for digest in ("SHA256", "SHA384")]
    assert tuple(made) == key.ds(wire.name_from_text("lab.test"))


def test_bytes_that_are_no_key_are_told() -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        SigningKey.load(b"no key")


def _told(node: Node) -> dict[int, tuple[int, frozenset[bytes]]]:
    return {rrset.type: (rrset.ttl, frozenset(rrset.data)) for rrset in node}


def _plain(zone: Zone) -> Zone:
    """Return the same zone without what was made for it."""
    return Zone.build(zone.origin, [one for one in zone.records() if codes.type_from_text(one.type) not in MADE])


_NAMES = ["a", "b.a", "c.b.a", "*.a", "x.*.a", "b", "child", "ns.child", "moved", "z.moved", "www", "mail", "zz"]
_SETS = [None, A, B, NS, DNAME, CNAME]


@given(
    st.lists(
        st.dictionaries(st.sampled_from(_NAMES), st.sampled_from(_SETS), min_size=1, max_size=4), min_size=1, max_size=5
    )
)
@settings(max_examples=40, deadline=None)
def test_after_changes_a_zone_is_as_if_it_were_signed_anew(rounds: list[dict[str, RRset | None]]) -> None:
    zone, _ = make()
    zone = _plain(zone)
    seal(zone, KEY)
    for number, edits in enumerate(rounds):
        changes: dict[tuple[bytes, int], RRset | None] = {}
        for name, rrset in edits.items():
            owner = wire.name_from_text(f"{name}.lab.test")
            for one in zone.nodes.get(owner, ()):
                if one.type not in MADE:
                    changes[owner, one.type] = None
            if rrset is not None:
                changes[owner, rrset.type] = rrset
        try:
            zone.apply(changes, 100 + number)
        except ConfigError:
            continue  # such as a wildcard with NS
        other = _plain(zone)
        seal(other, KEY)
        assert {owner: _told(node) for owner, node in zone.nodes.items()} == {
            owner: _told(node) for owner, node in other.nodes.items()
        }


def test_a_change_tells_those_who_follow_all_that_it_was() -> None:
    zone, _ = make()
    copy = Zone.build(zone.origin, zone.records())
    delta = zone.apply({(wire.name_from_text("new.lab.test"), codes.A): A}, 8)
    copy.follow(delta)
    assert {o: _told(n) for o, n in copy.nodes.items()} == {o: _told(n) for o, n in zone.nodes.items()}
    assert len(delta.touched) < 10


def test_what_is_due_is_signed_anew_a_part_at_a_time_and_long_before_its_end() -> None:
    now = float(NOW)
    zone, _ = make(clock=lambda: now)
    anew = 0
    for number in range(40):
        assert zone.sealer is not None
        now = zone.sealer.due  # type: ignore[attr-defined]
        delta = zone.apply({}, 100 + number)
        anew += sum(len(rrset.data) for _, rrset in delta.added)
        for node in zone.nodes.values():
            rrsig = of_type(node, codes.RRSIG)
            for data in rrsig.data if rrsig else ():
                start, end = int.from_bytes(data[12:16], "big"), int.from_bytes(data[8:12], "big")
                assert start <= now - 3600
                assert end - now >= LIFETIME / 2 - 16
    every = sum(len(rrsig.data) for node in zone.nodes.values() if (rrsig := of_type(node, codes.RRSIG)))
    assert 2 * every <= anew <= 3 * every + 40


def test_a_zone_read_anew_keeps_the_signatures_that_still_hold() -> None:
    zone, key = make(algorithm=Algorithm.ECDSAP256SHA256)
    again = _plain(zone)
    signed = []
    plain_sign = key.sign

    def sign(data: bytes) -> bytes:
        signed.append(data)
        return plain_sign(data)

    key.sign = sign  # type: ignore[method-assign]
    sealed = seal(again, key)
    assert len(signed) > 20
    del signed[:]
    once_more = _plain(zone)
    sealed = type(sealed)(once_more, Keys((key,), (key,)), Lifetimes.of(LIFETIME), 300, lambda: NOW)
    for _ in sealed.begin(zone):
        pass
    assert not signed
    assert once_more.nodes == again.nodes


def test_records_that_are_made_here_cannot_be_given() -> None:
    zone, _ = make()
    with pytest.raises(ConfigError, match="signed already"):
        seal(Zone.build(zone.origin, zone.records()), KEY)
    assert zone.sealer is not None
    with pytest.raises(ConfigError, match="alone makes NSEC records"):
        zone.sealer.check(codes.NSEC)


def test_two_keys_sign_everything_and_a_zone_that_leaves_says_so() -> None:
    zone, first = make(TEXT)
    plain = _plain(zone)
    one = seal(plain, KEY, first)
    node = plain.nodes[plain.apex]
    rrsig = of_type(node, codes.RRSIG)
    dnskey = of_type(node, codes.DNSKEY)
    assert rrsig is not None
    assert dnskey is not None
    assert len(rrsig.data) == 2 * (len(node) - 1)
    assert len(dnskey.data) == 2
    one.keys = Keys((first,), is_leaving=True)
    plain.apply({}, 50)
    cds, cdnskey = plain.rrset(plain.apex, codes.CDS), plain.rrset(plain.apex, codes.CDNSKEY)
    assert cds is not None
    assert cdnskey is not None
    assert [rdata.to_text(codes.CDS, data, 0, len(data)) for data in cds.data] == ["0 0 0 00"]
    assert [rdata.to_text(codes.CDNSKEY, data, 0, len(data)) for data in cdnskey.data] == ["0 3 0 AA=="]
