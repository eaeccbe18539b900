"""Random zones, asked of us and of Knot: both say the same."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from tests.dns.asking import answer, question
from tests.ports import free_ports
from tests.programs import require_program
from zonemint.dns.answers.responder import Responder
from zonemint.dns.zones import zonefile
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.zone import Zone

ZONES = 6
QUERIES = 400
LABELS = ["a", "b", "c", "*", "d-e"]
TYPES = ["A", "TXT", "CNAME", "NS", "DS", "MX", "DNAME", "SOA", "AAAA", "TYPE65400"]


def random_zone(rng: random.Random, origin: str) -> str:
    """Write a zone that is legal but odd: wildcards, cuts, aliases and empty names wherever chance puts them."""
    lines = [f"@ 300 SOA ns hostmaster 1 3600 600 86400 {rng.choice([30, 600])}", "@ 300 NS ns", "ns 300 A 192.0.2.1"]
    owners: dict[str, str] = {"@": "apex", "ns": "data"}
    for _ in range(rng.randrange(8, 30)):
        depth = rng.randrange(1, 4)
        name = ".".join(rng.choice(LABELS if level == 0 else LABELS[:3]) for level in range(depth))
        if name in owners:
            continue
        above = [owners.get(name.split(".", level)[-1]) for level in range(1, depth)]
        if any(kind in {"cut", "dname"} for kind in above):
            continue
        target = rng.choice([*owners, "nothing", "x.a", "b.b"])
        target = origin + "." if target == "@" else target
        kind = rng.choice(["data", "data", "alias", "alias", "cut", "dname"])
        if kind in {"cut", "dname"} and (name.startswith("*") or any(o.endswith("." + name) for o in owners)):
            kind = "data"
        owners[name] = kind
        if kind == "alias":
            lines.append(f"{name} 60 CNAME {target}")
        elif kind == "cut":
            lines += [f"{name} 60 NS ns.{name}", f"ns.{name} 60 A 192.0.2.9"]
            if rng.random() < 0.5:
                lines.append(f"{name} 60 DS 1 13 2 {'ab' * 32}")
        elif kind == "dname":
            lines.append(f"{name} 60 DNAME {target}")
        else:
            lines.append(f"{name} 60 A 192.0.2.{rng.randrange(9)}")
            if rng.random() < 0.5:
                lines.append(f'{name} 60 TXT "{name}"')
            if rng.random() < 0.3:
                lines.append(f"{name} 60 MX 10 {target}")
    return "\n".join(lines) + "\n"


@contextmanager
def knot(folder: Path, zones: dict[str, str]) -> Iterator[int]:
    """Serve zones by Knot; yields the port."""
    (port,) = free_ports(1)
    config = f"server:\n  rundir: {folder}\n  listen: 127.0.0.1@{port}\n  udp-workers: 1\n  tcp-workers: 1\n"
    config += f"  background-workers: 1\ndatabase:\n  storage: {folder}\nzone:\n"
    for origin, text in zones.items():
        (folder / origin).write_text(text)
        config += (
            f"  - domain: {origin}\n    file: {folder / origin}\n    zonefile-sync: -1\n    journal-content: none\n"
        )
    (folder / "knot.conf").write_text(config)
    with subprocess.Popen(
        [require_program("knotd"), "-c", str(folder / "knot.conf")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as child:
        try:
            wait_for(port, list(zones))
            yield port
        finally:
            child.terminate()
            child.wait(10)


def wait_for(port: int, origins: list[str]) -> None:
    deadline = time.monotonic() + 20
    while origins:
        assert time.monotonic() < deadline, f"knotd does not serve {origins}"
        try:
            reply = dns.query.udp(question(origins[-1], "SOA"), "127.0.0.1", 0.5, port)
        except (OSError, dns.exception.Timeout):
            time.sleep(0.05)
            continue
        if reply.answer:
            origins.pop()
        else:
            time.sleep(0.05)


def said(reply: dns.message.Message) -> tuple[object, ...]:
    """What must be equal, in a form that can be compared; additional records are each server's own choice."""
    return (
        dns.rcode.to_text(reply.rcode()),
        bool(reply.flags & dns.flags.AA),
        sorted(map(text, reply.answer)),
        sorted(map(text, reply.authority)),
    )


def text(rrset: dns.rrset.RRset) -> str:
    return f"{str(rrset.name).lower()} {rrset.ttl} {rrset.rdtype} {sorted(str(item).lower() for item in rrset)}"


@pytest.mark.interop
def test_we_say_what_knot_says(tmp_path: Path) -> None:
    rng = random.Random(20)
    zones = {f"z{n}.test": random_zone(rng, f"z{n}.test") for n in range(ZONES)}
    catalog = Catalog()
    for origin, content in zones.items():
        catalog.put(Zone.build(origin, zonefile.parse(content, origin, file=origin)))
    server = Responder(catalog)
    seen = set()
    with knot(tmp_path, zones) as port:
        for _ in range(QUERIES):
            origin = rng.choice(list(zones))
            name = ".".join([*[rng.choice(LABELS) for _ in range(rng.randrange(5))], origin])
            query = question(name, rng.choice(TYPES[: rng.randrange(1, len(TYPES) + 1)]), payload=1232)
            theirs = said(dns.query.udp(query, "127.0.0.1", 2, port))
            reply = answer(server, query.to_wire())
            assert reply is not None
            ours = said(dns.message.from_wire(reply))
            assert ours == theirs, f"{query.question[0]} in\n{zones[origin]}"
            seen.add((theirs[0], theirs[1], bool(theirs[2]), bool(theirs[3])))
    # Chance must have tried matches, NODATA, NXDOMAIN, referrals and aliases into them.
    assert len(seen) >= 6, seen
