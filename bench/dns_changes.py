"""UPDATEs at a steady rate beside queries at a steady rate: `python -m bench.dns_changes`.

`zonemint up` with its store on disk, on core 0. Each UPDATE (RFC 2136, signed) gives one of 10,000 names another
address; when it is answered, DNS is asked for that name and has to say the new one. Meanwhile dnsperf asks for others.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dns.asyncquery
import dns.message
import dns.name
import dns.tsig
import dns.update
import uvloop

from bench.cpu import cpu_seconds, pinned, running
from bench.dns_queries import NAMES, ORIGIN, answered, figure, free_port, program, zone_text
from bench.own_server import ZONEMINT
from zonemint.config import DataDir

__all__ = ["main"]

_FOLDER = Path(__file__).resolve().parent.parent / ".cache"
_KEY = "bench-key"
_TIME = re.compile(r"^> \S+ \S+ \S+ ([0-9.]+)$", re.MULTILINE)


@dataclass(slots=True)
class Seen:
    """What became of the updates and looks: milliseconds of each, and how many looks did not see the update."""

    updates: list[float] = field(default_factory=list)
    looks: list[float] = field(default_factory=list)
    stale: int = 0
    failed: int = 0


@contextmanager
def served(folder: Path, workers: int) -> Iterator[tuple[int, int, dns.tsig.Key]]:
    """Run `zonemint up` with the zone; yields pid, port and a key that may change it."""
    data, port = DataDir(folder / "data"), free_port()
    where = ["--data", str(data.path)]
    subprocess.run([*ZONEMINT, "init", *where, "--domain", ORIGIN], check=True, capture_output=True)
    text = data.config.read_text(encoding="utf-8")
    data.config.write_text(text.replace("\n[dns]\n", f"\n[dns]\nworkers = {workers}\n", 1), encoding="utf-8")
    data.zones.mkdir(exist_ok=True)
    data.zone_file(ORIGIN).write_text(zone_text(), encoding="utf-8")
    create = [*ZONEMINT, "tsig", "create", _KEY, "--allow", f"*.{ORIGIN}", "--json", *where]
    made = json.loads(subprocess.run(create, check=True, capture_output=True, text=True).stdout)
    key = dns.tsig.Key(_KEY, made["secret"], dns.tsig.HMAC_SHA256)
    listen = ["--listen", "127.0.0.1", "--dns-port", str(port), "--http-port", "0", "--https-port", "0"]
    with running(
        pinned(0, [*ZONEMINT, "up", *where, *listen]), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        assert child.stdout is not None
        if not any(line.startswith("ready") for line in child.stdout):
            raise RuntimeError("zonemint up did not become ready")
        yield child.pid, port, key


async def change(port: int, key: dns.tsig.Key, number: int, seen: Seen) -> None:
    """Make one update, and look whether the next query sees it."""
    name = f"d{number % NAMES}"
    address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    update = dns.update.UpdateMessage(ORIGIN, keyring=key)
    update.replace(name, 60, "A", address)
    began = time.perf_counter()
    try:
        reply = await dns.asyncquery.udp(update, "127.0.0.1", timeout=5, port=port)
        made = time.perf_counter()
        query = dns.message.make_query(f"{name}.{ORIGIN}", "A")
        said = await dns.asyncquery.udp(query, "127.0.0.1", timeout=5, port=port)
    except dns.exception.Timeout:
        seen.failed += 1
        return
    if reply.rcode():
        seen.failed += 1
        return
    seen.updates.append((made - began) * 1000)
    seen.looks.append((time.perf_counter() - made) * 1000)
    seen.stale += address not in {item.address for rrset in said.answer for item in rrset}


async def changes(port: int, key: dns.tsig.Key, rate: int, seconds: float) -> Seen:
    """Begin an update at each beat, whether or not those before are answered."""
    seen = Seen()
    loop = asyncio.get_running_loop()
    start = loop.time()
    tasks = []
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, start + number / rate - loop.time()))
        tasks.append(loop.create_task(change(port, key, number, seen)))
    await asyncio.gather(*tasks)
    return seen


def main() -> None:
    """Run it and print what was seen; end with 1 when a look was stale."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=5.0)
    arguments.add_argument("--updates", type=int, default=500, help="updates a second")
    arguments.add_argument("--queries", type=int, default=50_000, help="queries a second")
    arguments.add_argument("--workers", type=int, default=0)
    options = arguments.parse_args()
    _FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_FOLDER) as name:
        folder, rng = Path(name), random.Random(1)
        lines = [f"h{rng.randrange(NAMES)}.{ORIGIN} A\n" for _ in range(NAMES)]
        (folder / "queries").write_text("".join(lines), encoding="utf-8")
        with served(folder, options.workers) as (pid, port, key):
            load = ["-s", "127.0.0.1", "-p", str(port), "-d", str(folder / "queries"), "-c", "16", "-e"]
            # Each query with its time, by dnsperf's own clock.
            load += ["-l", f"{options.seconds:g}", "-Q", str(options.queries), "-v"]
            said = (folder / "said").open("w+", encoding="utf-8")
            with said, running(pinned(1, [program("dnsperf"), *load]), stdout=said) as queries:
                before = cpu_seconds(pid)
                seen = uvloop.run(changes(port, key, options.updates, options.seconds))
                spent = cpu_seconds(pid) - before
                queries.wait()
                said.seek(0)
                told = said.read()
    tails = [statistics.quantiles(one, n=100)[98] for one in (seen.updates, seen.looks)]
    times = [float(one) * 1000 for one in _TIME.findall(told)]
    print(
        f"{len(seen.updates) / options.seconds:.0f} updates a second (p99 {tails[0]:.1f} ms), each looked at "
        f"(p99 {tails[1]:.1f} ms): {seen.stale} stale, {seen.failed} failed; beside "
        f"{figure(told, 'Queries per second'):,.0f} queries a second, {int(figure(told, 'Queries lost'))} of "
        f"{answered(told):,} lost (p99 {statistics.quantiles(times, n=100)[98]:.1f} ms, median "
        f"{statistics.median(times):.2f} ms); the server's core {spent / options.seconds:.0%} busy",
        flush=True,
    )
    if seen.stale:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
