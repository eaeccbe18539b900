"""Caddy, which proves names by the two ports it serves on anyway: both ways, bound to an external account, renewing."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509

from tests.cli.program import run
from tests.interop.programs import leaf_of, names_of, verify
from tests.interop.site import Site
from tests.programs import require_program
from tests.server import HOST, until

pytestmark = pytest.mark.interop


class Caddy:
    """A folder with Caddy's configuration and storage for one site."""

    def __init__(self, site: Site, folder: Path, name: str, *lines: str) -> None:
        self.folder, self.name = folder, name
        self._program = require_program("caddy")
        self._env = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
        issuer = "\n".join(f"\t\t\t{line}" for line in (f"trusted_roots {site.server.root}", *lines))
        text = (
            f"{{\n\tadmin off\n\thttp_port {site.http}\n\thttps_port {site.https}\n\temail a@example.org\n"
            f"\trenew_interval 200ms\n\tstorage file_system {folder}/storage\n}}\n"
            f"{name} {{\n\tbind {HOST}\n\ttls {{\n\t\tissuer acme {{\n{issuer}\n\t\t}}\n\t}}\n\trespond hello\n}}\n"
        )
        (folder / "Caddyfile").write_text(text)
        adapt = [self._program, "adapt", "--config", str(folder / "Caddyfile")]
        done = subprocess.run(adapt, capture_output=True, text=True, timeout=30, check=True, env=self._env)
        self.config = json.loads(done.stdout)

    @property
    def chain(self) -> Path | None:
        """The file with its certificate, if it has one."""
        return next((self.folder / "storage").rglob(f"{self.name}.crt"), None)

    @contextmanager
    def running(self) -> Iterator[None]:
        (self.folder / "caddy.json").write_text(json.dumps(self.config))
        words = [self._program, "run", "--config", str(self.folder / "caddy.json")]
        with (
            (self.folder / "log").open("w") as said,
            subprocess.Popen(words, stdout=said, stderr=said, env=self._env) as process,
        ):
            try:
                yield
            finally:
                process.terminate()

    def issued(self) -> Path:
        """Wait for its certificate, and for the key beside it; return the file."""
        until(lambda: self.chain is not None, f"Caddy has its certificate; see {self.folder}/log")
        assert self.chain is not None
        return self.chain


@pytest.mark.parametrize(("kind", "event"), [("http", "http-get"), ("tlsalpn", "tls-alpn")])
def test_each_challenge(site: Site, tmp_path: Path, kind: str, event: str) -> None:
    other = "tlsalpn" if kind == "http" else "http"
    lines = [f"dir {site.server.directory}", f"disable_{other}_challenge"]
    caddy = Caddy(site, tmp_path, site.name(f"caddy-{kind}"), *lines)
    with caddy.running():
        chain = caddy.issued()
    verify(site.server, chain)
    assert names_of(chain) == [caddy.name]
    assert event in site.story(caddy.name)


def test_an_address(site: Site, tmp_path: Path) -> None:
    """By http-01: for tls-alpn-01 this version writes the address as a DNS name, which RFC 8738 section 6 forbids."""
    caddy = Caddy(site, tmp_path, HOST, f"dir {site.server.directory}", "disable_tlsalpn_challenge")
    with caddy.running():
        chain = caddy.issued()
    verify(site.server, chain)
    names = leaf_of(chain).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(one.value) for one in names] == [HOST]
    assert names.get_values_for_type(x509.IPAddress)


def test_an_external_account(site: Site, tmp_path: Path) -> None:
    folder = site.server.folder
    made = run("eab", "create", "--provisioner", "bound", "--json", "--data", folder)
    assert made.returncode == 0, made.stderr
    key = json.loads(made.stdout)
    lines = [f"dir {site.bound}", f"eab {key['kid']} {key['hmac_key']}"]
    caddy = Caddy(site, tmp_path, site.name("caddy-bound"), *lines)
    with caddy.running():
        verify(site.server, caddy.issued())
    listed = json.loads(run("eab", "list", "--json", "--data", folder).stdout)
    assert [one["used"] for one in listed if one["kid"] == key["kid"]] == ["1 of 1"]


def test_renewal(site: Site, tmp_path: Path) -> None:
    """It renews when a part of the lifetime is left; here that is all of it."""
    caddy = Caddy(site, tmp_path, site.name("caddy-renewal"), f"dir {site.server.directory}")
    for policy in caddy.config["apps"]["tls"]["automation"]["policies"]:
        policy["renewal_window_ratio"] = 0.9999999
    with caddy.running():
        first = caddy.issued().read_bytes()
        until(lambda: caddy.issued().read_bytes() not in (b"", first), f"it has another one; see {tmp_path}/log")
    chain = caddy.issued()
    verify(site.server, chain)
    assert names_of(chain) == [caddy.name]
