"""What the store costs: `python -m bench.store`.

First, how many certificates a second a durable store allows, beside the same server that does not wait for the disk.
Then, what a certificate costs when a million are stored, beside the same server whose store was empty: CPU, memory,
disk. The flow and the processors are those of `bench.issuance`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.acme_client import Job
from bench.fill import fill
from bench.load import LIMIT, WARM_UP, Measure, measure, median
from bench.own_server import UNSYNCED, ZONEMINT, prepare, serve
from zonemint.config import DataDir

__all__ = ["main"]

_FOLDER = Path(__file__).resolve().parent.parent / ".cache"
_SIZE_CLIENTS = 16


def _durability(folder: Path, clients: int, certificates: int, rounds: int) -> None:
    """Compare a server that syncs with one that does not, in turns."""
    sides: dict[str, list[Measure]] = {"durable": [], "unsynced": []}
    for _ in range(rounds):
        for title, program in (("durable", ZONEMINT), ("unsynced", UNSYNCED)):
            with tempfile.TemporaryDirectory(dir=folder) as fresh:
                data = DataDir(Path(fresh) / "zonemint")
                if (run := _run(data, prepare(data, WARM_UP + certificates), clients, program)) is not None:
                    sides[title].append(run)
    for title, runs in sides.items():
        _report(f"{clients:2} clients  {title:9}", runs)
    ratios = [one.rate / other.rate for one, other in zip(*sides.values(), strict=False)]
    if ratios:
        print(f"{clients:2} clients  durable/unsynced {statistics.median(ratios):.2f}", flush=True)


def _size(folder: Path, stored: int, certificates: int, rounds: int) -> None:
    """Compare a server with so many stored certificates with one that has none, in turns."""
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        empty, full = DataDir(Path(fresh) / "empty"), DataDir(Path(fresh) / "full")
        each = WARM_UP + certificates
        jobs = prepare(empty, 1 + WARM_UP + rounds * each)
        _run(empty, jobs[: 1 + WARM_UP], 1, ZONEMINT)
        shutil.copytree(empty.path, full.path)
        began, before = time.perf_counter(), _octets(full)
        fill(full.database, stored)
        octets = (_octets(full) - before) / stored
        print(f"filled with {stored} certificates in {time.perf_counter() - began:.0f} s, {octets:.0f} octets each")
        before = _octets(empty)
        runs: dict[str, list[Measure]] = {"empty": [], "full": []}
        for number in range(rounds):
            first = 1 + WARM_UP + number * each
            for title, data in (("empty", empty), ("full", full)):
                if (run := _run(data, jobs[first : first + each], _SIZE_CLIENTS, ZONEMINT)) is not None:
                    runs[title].append(run)
        for title, measures in runs.items():
            _report(f"{_SIZE_CLIENTS} clients  {title:9}", measures)
        ratios = [full.cpu_ms / empty.cpu_ms for empty, full in zip(*runs.values(), strict=True)]
        print(f"CPU full/empty {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
        print(f"disk: {(_octets(empty) - before) / (rounds * each):.0f} octets a certificate, with its TXT value")


def _run(data: DataDir, jobs: Sequence[Job], clients: int, program: Sequence[str]) -> Measure | None:
    with serve(data, jobs, program) as server:
        return measure(server, clients)


def _octets(data: DataDir) -> int:
    """Return the size of a store that nobody has open: its log was written back."""
    return data.database.stat().st_size


def _report(head: str, runs: Sequence[Measure]) -> None:
    if not runs:
        print(f"{head}  no run ended within {LIMIT:g} s")
        return
    print(
        f"{head}  {median(runs, 'rate'):6.1f} certificates/s  {median(runs, 'cpu_ms'):5.2f} ms CPU each  "
        f"server busy {median(runs, 'busy'):4.0%}, clients {median(runs, 'load_busy'):4.0%}  "
        f"{median(runs, 'resident'):5.1f} MiB ({median(runs, 'grown'):+.1f})"
    )


def main() -> None:
    """Run all rounds and print what they cost."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--clients", default="1,16,64", help="numbers of clients at once")
    arguments.add_argument("--certificates", type=int, default=480, help="measured in one run")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--stored", type=int, default=1_000_000, help="certificates in the full store")
    arguments.add_argument("--folder", type=Path, default=_FOLDER, help="on a disk: the store is in it")
    options = arguments.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    os.sched_setaffinity(0, {1})
    for clients in map(int, filter(None, options.clients.split(","))):
        _durability(options.folder, clients, options.certificates, options.rounds)
    if options.stored:
        _size(options.folder, options.stored, options.certificates, options.rounds)


if __name__ == "__main__":
    main()
