"""Compare for longer: `python -m tests.dns.differential --seeds 1-20 --questions 20000`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.dns.differential.compare import compare


def main() -> int:
    parser = argparse.ArgumentParser(description="Ask random questions about random zones of us, NSD, Knot and BIND.")
    parser.add_argument("--seeds", default="1-5", help="first and last, each with zones of its own")
    parser.add_argument("--worlds", type=int, default=20, help="trees of zones for each seed")
    parser.add_argument("--signed", type=int, default=6, help="how many of them are signed")
    parser.add_argument("--questions", type=int, default=20_000, help="for each seed")
    given = parser.parse_args()
    first, _, last = given.seeds.partition("-")
    explained: Counter[str] = Counter()
    asked = 0
    for seed in range(int(first), int(last or first) + 1):
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            findings = compare(
                Path(folder), seed=seed, worlds=given.worlds, signed=given.signed, questions=given.questions
            )
        asked += findings.asked
        explained += findings.explained
        print(f"seed {seed}: {findings.asked} questions in {time.monotonic() - began:.0f} s", flush=True)
        if findings.unexplained:
            print("\n".join(findings.unexplained))
            return 1
    print(f"{asked} questions, no unexplained difference; explained:")
    for name, count in explained.most_common():
        print(f"{count:8} {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
