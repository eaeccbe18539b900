"""Whether a certificate costs the same whatever is stored: `python -m bench.flatness`.

The flow of `bench.issuance` with one client, in turns: on an empty store, on a store of 200,000 orders with their
certificates, and by an account that has 1,000 orders open.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
from pathlib import Path

from bench.fill import fill
from bench.load import WARM_UP, Measure, measure, median
from bench.own_server import prepare, serve
from zonemint.config import DataDir

__all__ = ["main"]

_FOLDER = Path(__file__).resolve().parent.parent / ".cache"


def main() -> None:
    """Run all rounds and print what a certificate costs, and the ratios to the empty store."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--certificates", type=int, default=240, help="measured in one run")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--stored", type=int, default=200_000, help="orders in the full store")
    arguments.add_argument("--open", type=int, default=1000, help="open orders of the third account")
    arguments.add_argument("--folder", type=Path, default=_FOLDER, help="on a disk: the stores are in it")
    options = arguments.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    os.sched_setaffinity(0, {1})
    each = WARM_UP + options.certificates
    stored, open_ = f"{options.stored} stored", f"{options.open} open"
    with tempfile.TemporaryDirectory(dir=options.folder) as fresh:
        folders = {title: DataDir(Path(fresh) / title) for title in ("empty", stored, open_)}
        jobs = prepare(folders["empty"], 1 + WARM_UP + options.rounds * each)
        with serve(folders["empty"], jobs[: 1 + WARM_UP]) as server:
            measure(server, 1)
        for title in (stored, open_):
            shutil.copytree(folders["empty"].path, folders[title].path)
        fill(folders[stored].database, options.stored)
        runs: dict[str, list[Measure]] = {title: [] for title in folders}
        for number in range(options.rounds):
            first = 1 + WARM_UP + number * each
            for title, data in folders.items():
                with serve(data, jobs[first : first + each]) as server:
                    run = measure(server, 1, open_orders=options.open if title == open_ else 0)
                if run is None:
                    raise RuntimeError(f"a run on '{title}' did not end in time")
                runs[title].append(run)
    for title, measures in runs.items():
        ratios = [one.cpu_ms / empty.cpu_ms for one, empty in zip(measures, runs["empty"], strict=True)]
        print(
            f"{title:14}  {median(measures, 'cpu_ms'):5.2f} ms CPU a certificate  "
            f"{statistics.median(ratios):.2f} of empty ({min(ratios):.2f} to {max(ratios):.2f})"
        )


if __name__ == "__main__":
    main()
