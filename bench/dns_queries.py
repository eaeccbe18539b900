"""CPU of the server per DNS query, beside Knot and BIND: `python -m bench.dns_queries`.

One zone of 10,000 names, the server on core 0, dnsperf on core 1, all servers in turn in every round.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.cpu import cpu_seconds, pinned, running

ORIGIN = "bench.test"
NAMES = 10_000
QUERIES = 50_000
FLOOD = 400_000
PATH = "/usr/bin:/bin:/usr/sbin:/usr/local/bin:/usr/local/sbin"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of traffic: dnsperf's input and its flags."""

    title: str
    queries: Sequence[str]
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Measure:
    """One run: CPU microseconds of the server per query, answers per second, queries without answer."""

    micros: float
    rate: float
    lost: int


def zone_text() -> str:
    """Write the zone: nine names of ten are addresses, every tenth an alias of one."""
    lines = ["$TTL 300", "@ SOA ns1 hostmaster 1 3600 600 86400 60", "@ NS ns1", "ns1 A 127.0.0.1"]
    lines += [f"h{n} A 10.0.{n >> 8}.{n & 255}" if n % 10 < 9 else f"h{n} CNAME h{n - 1}" for n in range(NAMES)]
    return "\n".join(lines) + "\n"


def scenarios(rng: random.Random) -> list[Scenario]:
    """Make the traffic: 80% addresses, 10% aliases, 10% names that are not there."""
    mixed = []
    for _ in range(QUERIES):
        n = rng.randrange(NAMES // 10) * 10
        kind = rng.random()
        name = f"h{n + rng.randrange(9)}" if kind < 0.8 else f"h{n + 9}" if kind < 0.9 else f"x{n}"
        mixed.append(f"{name}.{ORIGIN} A")
    flood = [f"{rng.getrandbits(48):012x}.{ORIGIN} A" for _ in range(FLOOD)]
    cased = ["".join(rng.choice((c.lower(), c.upper())) for c in line[:-2]) + " A" for line in mixed]
    return [
        Scenario("mixed", mixed),
        Scenario("mixed, EDNS", mixed, ("-e",)),
        Scenario("mixed, EDNS cookies", mixed, ("-E", "10:0123456789abcdef")),
        Scenario("mixed, random case", cased),
        Scenario("NXDOMAIN flood", flood),
        Scenario("mixed, TCP", mixed, ("-m", "tcp", "-c", "8")),
    ]


def program(name: str) -> str:
    """Find a foreign program or end the benchmark."""
    path = shutil.which(name, path=PATH)
    if path is None:
        sys.exit(f"this benchmark needs {name}")
    return path


@contextmanager
def ours(folder: Path) -> Iterator[tuple[int, int]]:
    """Run our server; yields its pid and port."""
    command = [sys.executable, "-m", "bench.dns_server", ORIGIN, str(folder / "zone")]
    with running(pinned(0, command), stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        yield child.pid, int(child.stdout.readline())


@contextmanager
def knot(folder: Path) -> Iterator[tuple[int, int]]:
    """Run Knot with one worker; yields its pid and port."""
    port = free_port()
    config = folder / "knot.conf"
    config.write_text(
        f"server:\n  rundir: {folder}\n  listen: 127.0.0.1@{port}\n"
        "  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n"
        f"database:\n  storage: {folder}\n"
        f"zone:\n  - domain: {ORIGIN}\n    file: {folder / 'zone'}\n"
        "    zonefile-sync: -1\n    journal-content: none\n"
    )
    with running(pinned(0, [program("knotd"), "-c", str(config)]), stdout=subprocess.DEVNULL) as child:
        wait_for_answer(port)
        yield child.pid, port


@contextmanager
def named(folder: Path) -> Iterator[tuple[int, int]]:
    """Run BIND with one worker; yields its pid and port."""
    port = free_port()
    config = folder / "named.conf"
    config.write_text(
        f'options {{ directory "{folder}"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};\n'
        "  recursion no; pid-file none; session-keyfile none; dnssec-validation no; empty-zones-enable no; };\n"
        "controls { };\n"
        f'zone "{ORIGIN}" {{ type primary; file "{folder / "zone"}"; }};\n'
    )
    command = [program("named"), "-f", "-n", "1", "-c", str(config)]
    with running(pinned(0, command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        wait_for_answer(port)
        yield child.pid, port


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody has now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_answer(port: int) -> None:
    """Wait until the zone's SOA is answered, ten seconds at most."""
    soa = b"\0\1\0\0\0\1\0\0\0\0\0\0\5bench\4test\0\0\6\0\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        sock.settimeout(0.2)
        for _ in range(50):
            try:
                sock.send(soa)
                if sock.recv(512)[3] & 15 == 0:
                    return
            except OSError:
                time.sleep(0.05)
            time.sleep(0.1)
    sys.exit("the other server does not answer")


def measure(pid: int, port: int, queries: Path, flags: Sequence[str], seconds: float) -> Measure:
    """Load the server for some seconds."""
    load = ["-s", "127.0.0.1", "-p", str(port), "-d", str(queries), "-l", f"{seconds:g}", *flags]
    before = cpu_seconds(pid)
    done = subprocess.run(
        pinned(1, [program("dnsperf"), *load]), capture_output=True, text=True, check=True, timeout=seconds + 30
    )
    spent = cpu_seconds(pid) - before

    count = answered(done.stdout)
    lost = int(figure(done.stdout, "Queries lost"))
    return Measure(spent / count * 1e6, figure(done.stdout, "Queries per second"), lost)


def answered(told: str) -> int:
    """Return how many queries dnsperf says were answered."""
    return int(figure(told, "Queries completed"))


def figure(told: str, label: str) -> float:
    """Return a number of dnsperf's report."""
    match = re.search(rf"{label}:\s+([\d.]+)", told)
    assert match is not None, told
    return float(match[1])


def main() -> None:
    """Run all scenarios and print what they cost."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=5.0, help="length of one run")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--only", default="", help="scenarios whose title has this text")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "zone").write_text(zone_text())
        with ours(folder) as us, knot(folder) as them, named(folder) as third:
            for scenario in scenarios(random.Random(1)):
                if options.only not in scenario.title:
                    continue
                (folder / "queries").write_text("\n".join(scenario.queries) + "\n")
                rounds = [
                    [
                        measure(pid, port, folder / "queries", scenario.flags, options.seconds)
                        for pid, port in (us, them, third)
                    ]
                    for _ in range(options.rounds)
                ]
                report(scenario.title, rounds)


def report(title: str, rounds: Sequence[Sequence[Measure]]) -> None:
    """Print the medians of each, and the medians of the ratios."""
    for who, runs in zip(("zonemint", "knotd", "named"), zip(*rounds, strict=True), strict=True):
        micros = statistics.median(run.micros for run in runs)
        rate = statistics.median(run.rate for run in runs)
        lost = sum(run.lost for run in runs)
        print(f"{title:22} {who:9} {micros:6.2f} us CPU a query  {rate:9,.0f} queries/s  {lost} lost")
    for at, who in enumerate(("knotd", "named"), 1):
        ratios = [runs[0].micros / runs[at].micros for runs in rounds]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"{title:22} ratio to {who:6} {statistics.median(ratios):6.2f} ({spread})", flush=True)


if __name__ == "__main__":
    main()
