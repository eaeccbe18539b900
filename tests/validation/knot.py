"""Knot, an authoritative server that is not ours, on an address of loopback."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import dns.exception
import dns.message
import dns.query

from tests.programs import require_program

__all__ = ["free_port", "serving"]


def free_port(*addresses: str) -> int:
    """Find a port that nobody has on any of the addresses, for UDP and TCP."""
    while True:
        with socket.socket() as first:
            first.bind((addresses[0], 0))
            port: int = first.getsockname()[1]
            try:
                for address in addresses:
                    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                        with socket.socket(type=kind) as probe:
                            if kind is socket.SOCK_DGRAM or address != addresses[0]:
                                probe.bind((address, port))
            except OSError:
                continue
            return port


@contextmanager
def serving(folder: Path, address: str, port: int, zones: dict[str, str]) -> Iterator[None]:
    """Serve zones, each a text in master format without its SOA; the root is `.`."""
    program = require_program("knotd")
    folder.mkdir()
    config = f"server:\n  rundir: {folder}\n  listen: {address}@{port}\n  udp-workers: 1\n  tcp-workers: 1\n"
    config += f"  background-workers: 1\ndatabase:\n  storage: {folder}\nzone:\n"
    for number, (origin, text) in enumerate(zones.items()):
        file = folder / f"zone{number}"
        file.write_text(f"@ 3600 SOA ns hostmaster 1 3600 600 86400 3600\n{text}\n")
        config += f"  - domain: {origin}\n    file: {file}\n    zonefile-sync: -1\n    journal-content: none\n"
    (folder / "knot.conf").write_text(config)
    process = subprocess.Popen(
        [program, "-c", str(folder / "knot.conf")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        end = time.monotonic() + 30
        for origin in zones:
            while True:
                assert process.poll() is None, process.communicate()[0]
                assert time.monotonic() < end, "knotd does not answer"
                with suppress(OSError, dns.exception.DNSException):
                    reply = dns.query.udp(dns.message.make_query(origin, "SOA"), address, port=port, timeout=0.1)
                    if reply.answer:
                        break
                time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.communicate()
