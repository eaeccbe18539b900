"""Random updates, to BIND's named and to us: the same answers, and the same zone in the end."""

from __future__ import annotations

import asyncio
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.update
import dns.zone
import pytest

from tests.dns.update.updating import ORIGIN, Primary, update
from tests.ports import free_ports
from tests.programs import require_program
from tests.thorough import examples

FILE = """\
$TTL 300
@   SOA ns1 hostmaster 7 3600 600 86400 60
@   NS  ns1
ns1 A   192.0.2.1
"""
NAMES = ["a", "b", "B", "x.a", "*.w", "y.x.a"]
DATA = {
    "A": ["192.0.2.1", "192.0.2.2", "192.0.2.3"],
    "TXT": ["one", '"two" "strings"'],
    "CNAME": ["a.lab.test.", "elsewhere.example."],
    "DNAME": ["p.example.", "q.example."],
    "MX": ["10 mail.lab.test.", "10 MAIL.lab.test.", "20 mail.lab.test."],
    "SRV": ["0 0 443 a.lab.test."],
    "CAA": ['0 issue "ca.lab.test"'],
}


def choose(chance: random.Random) -> dns.update.UpdateMessage:
    message = update()
    for _ in range(chance.choice([0, 0, 0, 1, 2])):
        name, type_ = chance.choice(NAMES), chance.choice(list(DATA))
        match chance.randrange(5):
            case 0:
                message.present(name)
            case 1:
                message.absent(name)
            case 2:
                message.present(name, type_)
            case 3:
                message.absent(name, type_)
            case _:
                some = {one.lower(): one for one in chance.sample(DATA[type_], chance.randint(1, len(DATA[type_])))}
                message.present(name, type_, *some.values())
    for _ in range(chance.randint(1, 4)):
        name, type_ = chance.choice(NAMES), chance.choice(list(DATA))
        if name.startswith("*") and type_ == "DNAME":
            continue  # which we refuse (RFC 4592 section 4.4 discourages it), and BIND takes
        data = chance.choice(DATA[type_])
        match chance.randrange(8):
            case 0:
                message.delete(name)
            case 1:
                message.delete(name, type_)
            case 2:
                message.delete(name, type_, data)
            case 3:
                message.add("@", chance.choice([60, 300]), "TXT", data if type_ == "TXT" else "apex")
            case 4:
                message.delete("@", chance.choice(["SOA", "TXT"]))
            case _:
                message.add(name, chance.choice([60, 300]), type_, data)
    return message


@contextmanager
def named(folder: Path) -> Iterator[int]:
    """Run BIND with a zone that everybody may update; yields its port."""
    (port,) = free_ports(1)
    (folder / "zone").write_text(FILE)
    (folder / "named.conf").write_text(
        f'options {{ directory "{folder}"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};\n'
        f'pid-file "{folder}/pid"; session-keyfile "{folder}/key"; lock-file none; recursion no; notify no;\n'
        "allow-transfer { any; }; dnssec-validation no; check-names primary ignore;\n"
        "check-integrity no; check-mx ignore; check-mx-cname ignore; check-srv-cname ignore; }; controls { };\n"
        f'zone "{ORIGIN}" {{ type primary; file "zone"; allow-update {{ any; }}; }};\n'
    )
    words = [require_program("named"), "-g", "-n", "1", "-c", str(folder / "named.conf")]
    with (folder / "log").open("w") as log, subprocess.Popen(words, stdout=log, stderr=log) as child:
        try:
            deadline = time.monotonic() + 30
            while True:
                is_late = child.poll() is not None or time.monotonic() > deadline
                assert not is_late, (folder / "log").read_text()
                try:
                    if dns.query.udp(dns.message.make_query(ORIGIN, "SOA"), "127.0.0.1", 0.5, port).answer:
                        break
                except (OSError, dns.exception.Timeout):
                    time.sleep(0.05)
            yield port
        finally:
            child.terminate()
            child.wait(20)


def theirs(port: int) -> list[str]:
    zone = dns.zone.from_xfr(dns.query.xfr("127.0.0.1", ORIGIN, port=port, relativize=False), relativize=False)
    found = []
    for name, ttl, rdata in zone.iterate_rdatas():
        owner = name.to_text(omit_final_dot=True).lower().removesuffix(f".{ORIGIN}")
        text = rdata.to_text().lower() if rdata.rdtype in (15, 33) else rdata.to_text()
        if rdata.rdtype != 6:
            found.append(f"{owner} {ttl} {dns.rdatatype.to_text(rdata.rdtype)} {text}")
    return sorted(found)


def ours(primary: Primary) -> list[str]:
    return sorted(" ".join(words) for words in map(_lower, primary.lines()))


def _lower(line: str) -> list[str]:
    owner, ttl, type_, data = line.split(" ", 3)
    return [owner, ttl, type_, data.lower() if type_ in ("MX", "SRV") else data]


@pytest.mark.interop
async def test_named_makes_the_same_of_updates(tmp_path: Path) -> None:
    chance = random.Random(7)
    rcodes: dict[str, int] = {}
    with named(tmp_path) as port:
        primary = Primary(FILE)
        history: list[str] = []
        for _ in range(examples(400)):
            message = choose(chance)
            history.append(message.to_text())
            said = dns.rcode.to_text((await asyncio.to_thread(dns.query.tcp, message, "127.0.0.1", 10, port)).rcode())
            assert await primary.rcode(message) == said, history[-1]
            assert ours(primary) == theirs(port), "\n".join(history[-3:])
            rcodes[said] = rcodes.get(said, 0) + 1
    assert set(rcodes) >= {"NOERROR", "NXDOMAIN", "YXDOMAIN", "NXRRSET", "YXRRSET"}
    assert rcodes["NOERROR"] > sum(rcodes.values()) // 3
