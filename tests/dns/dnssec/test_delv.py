"""BIND's validator, given a key, believes every kind of answer: of zones signed here, and of those that came so."""

from __future__ import annotations

import asyncio
import subprocess
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.dns.asking import auth_zone, views
from tests.dns.dnssec.signed import TEXT, make
from tests.programs import require_program
from zonemint.dns import codes
from zonemint.dns.dnssec.keys import Algorithm, SigningKey
from zonemint.dns.server import DnsServer
from zonemint.dns.zones import zonefile
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.records import RRset
from zonemint.dns.zones.zone import Zone

SECURE, DENIED, INSECURE = "; fully validated", "; negative response, fully validated", "; unsigned answer"
QUESTIONS = [
    ("mail.lab.test", "A", SECURE),
    ("lab.test", "SOA", SECURE),
    ("lab.test", "MX", SECURE),
    ("srv.lab.test", "SRV", SECURE),
    ("www.lab.test", "A", SECURE),
    ("x.wild.lab.test", "TXT", SECURE),
    ("x.y.wild.lab.test", "TXT", SECURE),
    ("x.aliases.lab.test", "A", SECURE),
    ("nothing.lab.test", "A", DENIED),
    ("0.lab.test", "A", DENIED),
    ("x.mail.lab.test", "A", DENIED),
    ("mail.lab.test", "TXT", DENIED),
    ("c.lab.test", "A", DENIED),
    ("x.wild.lab.test", "A", DENIED),
    ("y.odd.lab.test", "A", DENIED),
    ("insecure.lab.test", "DS", DENIED),
    ("host.insecure.lab.test", "A", INSECURE),
    ("host.child.lab.test", "A", SECURE),
    ("nothing.child.lab.test", "A", DENIED),
    ("child.lab.test", "DS", SECURE),
    ("one.auth.lab.test", "TXT", INSECURE),
    ("_acme-challenge.lab.test", "TXT", INSECURE),
]


@asynccontextmanager
async def serving(*zones: Zone) -> AsyncIterator[int]:
    catalog = Catalog()
    for zone in zones:
        catalog.put(zone)
    server = DnsServer(views(catalog))
    await server.start(["127.0.0.1"], 0)
    try:
        yield server.port
    finally:
        await server.close()


async def delv(port: int, dnskey: bytes, folder: Path, *asked: tuple[str, str]) -> dict[tuple[str, str], list[str]]:
    """Have answers checked, with one key of lab.test as the anchor; return what is said to each question."""
    anchors = folder / "anchors.conf"
    flags, protocol, algorithm = int.from_bytes(dnskey[:2], "big"), dnskey[2], dnskey[3]
    key = f'"lab.test" static-key {flags} {protocol} {algorithm} "{b64encode(dnskey[4:]).decode()}";'
    anchors.write_text(f"trust-anchors {{ {key} }};\n")
    said = {}
    for name, type_ in asked:
        command = [
            require_program("delv"),
            "@127.0.0.1",
            "-p",
            str(port),
            "-a",
            str(anchors),
            "+root=lab.test",
            name,
            type_,
        ]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=30, check=False)
        said[name, type_] = (done.stdout + done.stderr).splitlines()
    return said


def _child() -> tuple[Zone, SigningKey]:
    return make(
        "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.3\nhost A 192.0.2.6\n",
        origin="child.lab.test",
        clock=time.time,
    )


def _insecure() -> Zone:
    text = "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.4\nhost A 192.0.2.5\n"
    return Zone.build("insecure.lab.test", zonefile.parse(text, "insecure.lab.test", file="insecure"))


_BESIDE = "auth NS ns1\n_acme-challenge CNAME one.auth\n"


@pytest.mark.parametrize("algorithm", list(Algorithm))
async def test_zones_that_are_signed_here(algorithm: Algorithm, tmp_path: Path) -> None:
    zone, key = make(TEXT + _BESIDE, algorithm=algorithm, clock=time.time)
    child, below = _child()
    ds = RRset(codes.DS, 60, below.ds(child.apex))
    zone.apply({(child.apex, codes.DS): ds}, 8)
    asked = QUESTIONS if algorithm is Algorithm.ECDSAP256SHA256 else QUESTIONS[::5]
    async with serving(zone, child, _insecure(), auth_zone({"one": ["value"]}.get)) as port:
        said = await delv(port, key.dnskey, tmp_path, *[one[:2] for one in asked])
    for name, type_, expected in asked:
        assert any(line.startswith(expected) for line in said[name, type_]), (name, type_, said[name, type_])


@pytest.mark.parametrize(
    "options", [[], ["-n", "-t", "3", "-s", "abcd"], ["-n", "-p"]], ids=["nsec", "nsec3", "opt-out"]
)
async def test_zones_that_came_signed(options: list[str], tmp_path: Path) -> None:
    child, below = _child()
    ds = below.ds(child.apex)[0]
    text = TEXT.replace("child DS", ";") + _BESIDE + f"child DS {below.tag} 13 2 {ds[4:].hex()}\n"
    file = tmp_path / "lab.test.zone"
    file.write_text("$ORIGIN lab.test.\n" + text.replace("txt\\000bin", "bin"))
    made = await asyncio.to_thread(
        subprocess.run, [require_program("ldns-keygen"), "-a", "ECDSAP256SHA256", "-k", "lab.test"],
        cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    name = made.stdout.strip()
    await asyncio.to_thread(
        subprocess.run, [require_program("ldns-signzone"), *options, "-o", "lab.test", "-f", "signed", file.name, name],
        cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    records = zonefile.parse((tmp_path / "signed").read_text(), "lab.test", file="signed")
    zone = Zone.build("lab.test", records)
    dnskey = zone.rrset(zone.apex, codes.DNSKEY)
    assert dnskey is not None
    async with serving(zone, child, _insecure(), auth_zone({"one": ["value"]}.get)) as port:
        said = await delv(port, dnskey.data[0], tmp_path, *[one[:2] for one in QUESTIONS])
    # What an opt-out span covers might be there unsigned, so its absence is not proved (RFC 5155 section 9.2).
    also = (INSECURE,) if "-p" in options else ()
    for name, type_, expected in QUESTIONS:
        assert any(line.startswith((expected, *also)) for line in said[name, type_]), (name, type_, said[name, type_])
    assert any(line.startswith(SECURE) for line in said["mail.lab.test", "A"])


async def test_a_wrong_key_is_not_believed(tmp_path: Path) -> None:
    zone, _ = make(clock=time.time)
    other = SigningKey.generate(Algorithm.ECDSAP256SHA256)
    async with serving(zone) as port:
        said = await delv(port, other.dnskey, tmp_path, ("mail.lab.test", "A"))
    assert not any("fully validated" in line for line in said["mail.lab.test", "A"])
