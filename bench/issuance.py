"""CPU of the server per certificate, beside pebble: `python -m bench.issuance`.

The whole dns-01 flow over TLS, for several numbers of clients that each keep one connection and one account.
Ours has its store on disk, takes an acme-dns update and validates through DNS; pebble keeps everything in
memory and holds every challenge for valid. The server is on core 0 and the clients are on core 1.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from bench.load import LIMIT, WARM_UP, Measure, measure, median
from bench.own_server import Running, ours
from bench.pebble import pebble, pebble_program

__all__ = ["main"]

_Serve = Callable[[Path, int], AbstractContextManager[Running]]

_FOLDER = Path(__file__).resolve().parent.parent / ".cache"


def _run(serve: _Serve, folder: Path, clients: int, certificates: int) -> Measure | None:
    """Run a fresh server under load."""
    with tempfile.TemporaryDirectory(dir=folder) as fresh, serve(Path(fresh), WARM_UP + certificates) as server:
        return measure(server, clients)


def _report(clients: int, title: str, runs: Sequence[Measure | None]) -> None:
    """Print the medians of one server's runs."""
    done = [run for run in runs if run is not None]
    head = f"{clients:2} clients  {title:9}"
    if len(done) < len(runs):
        print(f"{head}  {len(runs) - len(done)} of {len(runs)} runs did not end within {LIMIT:g} s")
    if done:
        print(
            f"{head}  {median(done, 'cpu_ms'):5.2f} ms CPU a certificate  {median(done, 'rate'):6.1f} certificates/s  "
            f"{median(done, 'requests'):5.2f} requests a certificate  {median(done, 'resident'):5.1f} MiB"
        )


def main() -> None:
    """Run all rounds and print what they cost."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--clients", default="1,4,16", help="numbers of clients at once")
    arguments.add_argument("--certificates", type=int, default=240, help="measured in one run")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--folder", type=Path, default=_FOLDER, help="on a disk: the store is in it")
    options = arguments.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    os.sched_setaffinity(0, {1})
    sides: list[tuple[str, _Serve]] = [("zonemint", ours)]
    if pebble_program() is None:
        print("pebble is not installed: measuring zonemint alone")
    else:
        sides.insert(0, ("pebble", pebble))
    for clients in map(int, options.clients.split(",")):
        rounds = [
            [_run(serve, options.folder, clients, options.certificates) for _, serve in sides]
            for _ in range(options.rounds)
        ]
        for (title, _), runs in zip(sides, zip(*rounds, strict=True), strict=True):
            _report(clients, title, runs)
        pairs = [pair for pair in rounds if len(pair) == 2 and None not in pair]
        ratios = [us.cpu_ms / them.cpu_ms for them, us in pairs if us is not None and them is not None]
        if ratios:
            spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
            print(f"{clients:2} clients  ratio      {statistics.median(ratios):5.2f} ({spread})", flush=True)


if __name__ == "__main__":
    main()
