"""The server that is attacked, with everything on that reads messages of strangers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cli.program import run
from tests.server import DOMAIN, Ports, Running, running

__all__ = ["attacked", "faults"]

_ZONE = """\
fuzz 60 TXT "still here"
www A 192.0.2.10
www AAAA 2001:db8::10
*.wild A 192.0.2.11
alias CNAME www
child NS ns.child
ns.child A 192.0.2.12
moved DNAME wild
svc HTTPS 1 . alpn=h2
@ MX 10 www
"""
_SETTINGS = {"nsid": '"fuzzed"', "version": '"zonemint"'}


@contextmanager
def attacked(folder: Path) -> Iterator[Running]:
    """Run a server with a zone that has something of each kind."""
    assert run("init", "--domain", DOMAIN, "--data", folder).returncode == 0
    (folder / "zones").mkdir(exist_ok=True)
    (folder / f"zones/{DOMAIN}.zone").write_text(_ZONE)
    file = folder / "zonemint.toml"
    text = file.read_text()
    for key, value in _SETTINGS.items():
        text, count = re.subn(rf"^# {key} = .*$", f"{key} = {value}", text, flags=re.MULTILINE)
        assert count == 1, key
    file.write_text(text)
    with running(folder, Ports.free()) as server:
        yield server


def faults(server: Running) -> list[str]:
    """Return the lines of its log that tell of a mistake."""
    return [line for line in server.said().splitlines() if "mistake of ours" in line or "Traceback" in line]
