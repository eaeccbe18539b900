"""Attack a server for longer: `python -m tests.dns.fuzz --packets 1000000`."""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path
from time import perf_counter

from tests.dns.fuzz.attack import Attack
from tests.dns.fuzz.lab import attacked, faults

_ROUND = 20_000
_TCP_PART = 5
"""One of how many messages goes by TCP."""


def main() -> None:
    """Run it once, and print its figures."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--packets", type=int, default=1_000_000)
    arguments.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="of what is chosen at random")
    arguments.add_argument("--workers", type=int, default=0, help="of the server")
    options = arguments.parse_args()
    print(f"seed {options.seed}", flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="zonemint-fuzz-") as folder,
        attacked(Path(folder) / "data", workers=options.workers) as server,
    ):
        attack = Attack(server, random.Random(options.seed))
        began = perf_counter()
        while (done := attack.sent.total()) < options.packets:
            attack.tcp(_ROUND // _TCP_PART)
            attack.udp(_ROUND - _ROUND // _TCP_PART)
            rate = attack.sent.total() / (perf_counter() - began)
            print(f"{done + _ROUND:9} messages, {rate:6.0f} a second, {attack.memory():6.1f} MB", flush=True)
        print(f"sent {dict(attack.sent)}, answered {dict(attack.answered)}")
        found = faults(server)
        print("\n".join(found) or "no mistake, no answer to an answer, and the server still answers")
    raise SystemExit(bool(found))


if __name__ == "__main__":
    main()
