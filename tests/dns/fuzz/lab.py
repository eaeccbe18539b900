"""The server that is attacked, with everything on that reads messages of strangers."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cli.program import run
from tests.ports import free_ports
from tests.server import DOMAIN, Ports, Running, running

__all__ = ["Target", "attacked", "faults"]

_ZONE = """\
fuzz 60 TXT "still here"
www 60 A 192.0.2.10
www 60 AAAA 2001:db8::10
*.wild 60 A 192.0.2.11
alias 60 CNAME www
child 60 NS ns.child
ns.child 60 A 127.0.0.1
moved 60 DNAME wild
svc 60 HTTPS 1 . alpn=h2
@ 60 MX 10 www
"""
_TABLES = f"""
[zones."{DOMAIN}"]
allow_transfer = ["127.0.0.0/8"]
"""


@dataclass(frozen=True, slots=True)
class Target:
    """A server, and the secret of the key `key.lab.test`, which may change and transfer its zones."""

    running: Running
    secret: bytes


@contextmanager
def attacked(folder: Path, *, workers: int = 0) -> Iterator[Target]:
    """Run a server with a zone that has something of each kind, and forwarding to nobody."""
    assert run("init", "--domain", DOMAIN, "--data", folder).returncode == 0
    made = run("tsig", "create", f"key.{DOMAIN}", "--allow", "*", "--transfer", "--json", "--data", folder)
    (folder / "zones").mkdir(exist_ok=True)
    (folder / f"zones/{DOMAIN}.zone").write_text(_ZONE)
    file = folder / "zonemint.toml"
    text = file.read_text()
    nobody = f'["127.0.0.1:{free_ports(1)[0]}"]'
    settings = {
        "nsid": '"fuzzed"',
        "version": '"zonemint"',
        "servers": nobody,
        "timeout": '"1s"',
        "workers": str(workers),
    }
    for key, value in settings.items():
        text, count = re.subn(rf"^# {key} = .*$", f"{key} = {value}", text, count=1, flags=re.MULTILINE)
        assert count == 1, key
    file.write_text(text + _TABLES)
    with running(folder, Ports.free()) as server:
        yield Target(server, base64.b64decode(json.loads(made.stdout)["secret"]))


def faults(target: Target) -> list[str]:
    """Return the lines of its log that tell of a mistake."""
    return [line for line in target.running.said().splitlines() if "mistake of ours" in line or "Traceback" in line]
