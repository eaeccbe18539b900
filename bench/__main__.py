"""Run every benchmark, one after the other: `python -m bench`."""

from __future__ import annotations

import shutil
import subprocess
import sys

from bench.dns_queries import PATH

__all__ = ["main"]

# What a benchmark cannot do without; pebble is not here, since issuance without it still measures our own side.
_PROGRAMS = {
    "bench.issuance": ("taskset",),
    "bench.store": ("taskset",),
    "bench.flatness": ("taskset",),
    "bench.updates": ("taskset",),
    "bench.dns_queries": ("taskset", "knotd", "named", "dnsperf"),
    "bench.dns_workers": ("dnsperf",),
    "bench.dns_load": ("taskset", "knotd"),
    "bench.dns_changes": ("taskset", "dnsperf"),
}


def main() -> int:
    """Run them as they are run alone; return 1 when one failed."""
    failed = False
    for module, programs in _PROGRAMS.items():
        missing = [name for name in programs if shutil.which(name, path=PATH) is None]
        if missing:
            print(f"{module} is skipped: {', '.join(missing)} not installed", flush=True)
            continue
        print(f"{module}:", flush=True)
        failed |= subprocess.run([sys.executable, "-m", module], check=False).returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
