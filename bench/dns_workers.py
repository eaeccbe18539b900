"""What a second DNS worker adds, by CPU: `python -m bench.dns_workers`.

Where the load takes one of two cores, queries a second cannot say what more cores would do. So all workers share core
0, which the load from core 1 keeps busy, and what is compared is the CPU time of the busiest worker for each query that
any of them answered: on cores of their own, that one would be full first. That two processes take turns on a core is in
it, and would not be there; what two cores do to each other's caches is not.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.cpu import cpu_seconds, pinned, running
from bench.dns_queries import ORIGIN, answered, program, scenarios, zone_text

__all__ = ["main"]

_SENDERS = 250


@contextmanager
def serving(folder: Path, workers: int) -> Iterator[tuple[int, list[int]]]:
    """Run our server; yields its port and the ids of the workers."""
    command = [sys.executable, "-m", "bench.dns_server", ORIGIN, str(folder / "zone"), str(workers)]
    with running(pinned(0, command), stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        port, *pids = map(int, child.stdout.readline().split())
        yield port, pids


def busiest(folder: Path, workers: int, seconds: float) -> tuple[float, float]:
    """Return the busiest worker's CPU, and that of all, in microseconds for each query that was answered."""
    with serving(folder, workers) as (port, pids):
        load = [
            "-s",
            "127.0.0.1",
            "-p",
            str(port),
            "-d",
            str(folder / "queries"),
            "-c",
            str(_SENDERS),
            "-q",
            "2000",
            "-e",
        ]
        queries = 0
        spent: list[float] = []
        for length in (1.0, seconds):  # the first fills the memos
            before = [cpu_seconds(pid) for pid in pids]
            done = subprocess.run(
                pinned(1, [program("dnsperf"), *load, "-l", f"{length:g}"]),
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
            )
            queries = answered(done.stdout)
            spent = [cpu_seconds(pid) - was for pid, was in zip(pids, before, strict=True)]
        return max(spent) / queries * 1e6, sum(spent) / queries * 1e6


def main() -> None:
    """Measure one and two workers in turns and print what the second adds."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=4.0, help="length of one run")
    arguments.add_argument("--rounds", type=int, default=3)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "zone").write_text(zone_text())
        (folder / "queries").write_text("\n".join(scenarios(random.Random(1))[0].queries) + "\n")
        rounds = [[busiest(folder, workers, options.seconds) for workers in (1, 2)] for _ in range(options.rounds)]
    for at, workers in enumerate((1, 2)):
        top = statistics.median(runs[at][0] for runs in rounds)
        total = statistics.median(runs[at][1] for runs in rounds)
        print(f"{workers} workers: {top:5.2f} us CPU a query of the busiest, {total:5.2f} of all")
    gain = statistics.median(one[0] / two[0] for one, two in rounds)
    print(f"with two, the busiest has 1/{gain:.2f} of the work", flush=True)


if __name__ == "__main__":
    main()
