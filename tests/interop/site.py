"""A server for clients that prove a name on two ports of a machine, and that machine's names and pages."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cli.program import run
from tests.ports import free_ports
from tests.server import DOMAIN, HOST, Running, running

__all__ = ["Site", "site_running", "web_server"]


@dataclass(frozen=True, slots=True)
class Site:
    """A server that looks for challenges on two ports of loopback."""

    server: Running
    http: int
    https: int

    @property
    def bound(self) -> str:
        """The directory of another provisioner, which makes accounts only with a key for external accounts."""
        return f"{self.server.url}/acme/bound/directory"

    def name(self, label: str) -> str:
        """Give this machine a name."""
        words = ["zone", "add", DOMAIN, label, "60", "A", HOST, "--data", str(self.server.folder)]
        assert run(*words).returncode == 0
        return f"{label}.{DOMAIN}"

    def story(self, name: str) -> list[str]:
        """Return what the newest order for a name tells of, word by word."""
        listed = json.loads(run("orders", "list", "--json", "--data", self.server.folder).stdout)
        order = next(one for one in listed if name in one["names"])
        told = json.loads(run("orders", "explain", order["id"], "--json", "--data", self.server.folder).stdout)
        return [event["what"] for event in told["events"]]


@contextmanager
def site_running(data: Path) -> Iterator[Site]:
    """Run such a server on a new data folder."""
    data.mkdir()
    http_port, https_port = free_ports(2)
    (data / "zonemint.toml").write_text(
        f'domain = "{DOMAIN}"\n[validation]\nallow = ["127.0.0.0/8"]\nhttp_port = {http_port}\n'
        f"https_port = {https_port}\n[provisioners.bound]\nexternal_account_required = true\n"
    )
    assert run("init", "--data", data).returncode == 0
    with running(data) as server:
        yield Site(server, http_port, https_port)


@contextmanager
def web_server(folder: Path, port: int) -> Iterator[None]:
    """Serve the files of a folder, as any web server does."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer((HOST, port), functools.partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
