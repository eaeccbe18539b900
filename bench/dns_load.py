"""A zone of a million records: seconds of CPU to load it, and memory for each record, beside Knot.

`python -m bench.dns_load`. Ours is `zonemint up` on a folder with the zone's file; what the same server needs with an
empty zone is subtracted, on both sides.
"""

from __future__ import annotations

import argparse
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.cpu import cpu_seconds, pinned, resident_mib, running
from bench.dns_queries import ORIGIN, free_port, knot
from bench.own_server import ZONEMINT
from zonemint.config import DataDir

__all__ = ["main"]

_FOLDER = Path(__file__).resolve().parent.parent / ".cache"
_PATIENCE = 300.0  # seconds


def zone_text(records: int) -> str:
    """Write a zone with that many addresses, each of a name of its own."""
    lines = ["$TTL 300", "@ SOA ns1 hostmaster 1 3600 600 86400 60", "@ NS ns1", "ns1 A 127.0.0.1"]
    lines += [f"h{n} A 10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in range(records)]
    return "\n".join(lines) + "\n"


@contextmanager
def ours(folder: Path) -> Iterator[tuple[int, int]]:
    """Run `zonemint up` with the zone of a folder; yields its pid and port."""
    data, port = DataDir(folder / "data"), free_port()
    subprocess.run([*ZONEMINT, "init", "--data", str(data.path), "--domain", ORIGIN], check=True, capture_output=True)
    data.zones.mkdir(exist_ok=True)
    data.zone_file(ORIGIN).write_bytes((folder / "zone").read_bytes())
    listen = ["--listen", "127.0.0.1", "--dns-port", str(port), "--http-port", "0", "--https-port", "0"]
    command = [*ZONEMINT, "up", "--data", str(data.path), *listen]
    with running(pinned(0, command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        yield child.pid, port


def loaded(port: int) -> None:
    """Wait until a name of the zone is answered."""
    query = b"\0\1\0\0\0\1\0\0\0\0\0\0\3ns1\5bench\4test\0\0\1\0\1"
    end = time.monotonic() + _PATIENCE
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        sock.settimeout(0.2)
        while time.monotonic() < end:
            try:
                sock.send(query)
                if sock.recv(512)[3] & 15 == 0:
                    return
            except OSError:
                time.sleep(0.05)
    raise RuntimeError("the zone is not answered")


def measure(who: str, records: int) -> tuple[float, float, float]:
    """Return CPU seconds, seconds, and MiB of a server with a zone of so many records."""
    with tempfile.TemporaryDirectory(dir=_FOLDER) as name:
        folder = Path(name)
        (folder / "zone").write_text(zone_text(records))
        began = time.perf_counter()
        with ours(folder) if who == "zonemint" else knot(folder) as (pid, port):
            loaded(port)
            return cpu_seconds(pid), time.perf_counter() - began, resident_mib(pid)


def main() -> None:
    """Load both zones with both servers and print the differences."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--records", type=int, default=1_000_000)
    options = arguments.parse_args()
    _FOLDER.mkdir(exist_ok=True)
    for who in ("zonemint", "knotd"):
        empty, full = measure(who, 0), measure(who, options.records)
        cpu, seconds, mib = (after - before for before, after in zip(empty, full, strict=True))
        each = mib * 1024 * 1024 / options.records
        print(f"{who:9} {cpu:6.2f} s CPU  {seconds:6.2f} s  {each:5.0f} bytes a record", flush=True)


if __name__ == "__main__":
    main()
