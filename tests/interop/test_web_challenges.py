"""Clients that prove a name by http-01 and tls-alpn-01: each as its own pages have it run, on other ports."""

from __future__ import annotations

import functools
import http.server
import json
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509

from tests.cli.program import run
from tests.interop.programs import names_of, run_program, uacme, verify
from tests.programs import require_program
from tests.server import DOMAIN, HOST, Running, running, until

pytestmark = pytest.mark.interop

VENV = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Site:
    """A server that looks for challenges on two ports of loopback."""

    server: Running
    http: int
    https: int

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


def free_port() -> int:
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data = tmp_path_factory.mktemp("site") / "data"
    data.mkdir()
    http, https = free_port(), free_port()
    (data / "zonemint.toml").write_text(
        f'domain = "{DOMAIN}"\n[validation]\nallow = ["127.0.0.0/8"]\nhttp_port = {http}\nhttps_port = {https}\n'
    )
    assert run("init", "--data", data).returncode == 0
    with running(data) as server:
        yield Site(server, http, https)


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


@pytest.mark.parametrize("program", [str(VENV / "certbot"), "/usr/bin/certbot"])
def test_certbot_standalone(site: Site, tmp_path: Path, program: str) -> None:
    name = site.name("certbot-new" if "venv" in program else "certbot-old")
    words = [require_program(program), "certonly", "--standalone", "--http-01-address", HOST, "--http-01-port"]
    words += [str(site.http), "-d", name, "--server", site.server.directory, "--agree-tos", "-m", "a@example.org"]
    words += [f"--{kind}-dir={tmp_path}/{kind}" for kind in ("config", "work", "logs")] + ["--non-interactive"]
    run_program(words, {"REQUESTS_CA_BUNDLE": str(site.server.root)})
    chain = tmp_path / "config/live" / name / "fullchain.pem"
    verify(site.server, chain)
    assert names_of(chain) == [name]
    assert "http-get" in site.story(name)


@pytest.mark.parametrize("kind", ["http", "tls"])
def test_lego(site: Site, tmp_path: Path, kind: str) -> None:
    name = site.name(f"lego-{kind}")
    port = site.http if kind == "http" else site.https
    words = [require_program("lego"), "--server", site.server.directory, "--accept-tos", "--email", "a@example.org"]
    words += ["--path", str(tmp_path), "--domains", name, f"--{kind}", f"--{kind}.port", f"{HOST}:{port}"]
    env = {"LEGO_CA_CERTIFICATES": str(site.server.root)}
    run_program([*words, "run"], env)
    chain = tmp_path / f"certificates/{name}.crt"
    verify(site.server, chain)
    assert names_of(chain) == [name]
    assert {"http": "http-get", "tls": "tls-alpn"}[kind] in site.story(name)
    first = chain.read_bytes()
    run_program([*words, "renew", "--days", "100", "--no-random-sleep"], env)
    assert chain.read_bytes() != first


def test_uacme_with_its_own_hook_for_a_name_and_an_address(site: Site, tmp_path: Path) -> None:
    hook = Path("/usr/share/uacme/uacme.sh")
    base = uacme(site.server, tmp_path / "conf")
    pages = tmp_path / "www/.well-known/acme-challenge"
    pages.mkdir(parents=True)
    run_program([*base, "new", "a@example.org"])
    name = site.name("uacme")
    with web_server(tmp_path / "www", site.http):
        for one in (name, HOST):
            env = {"UACME_CHALLENGE_PATH": str(pages)}
            run_program([*base, "--hook", str(hook), "issue", one], env)
            verify(site.server, tmp_path / "conf" / one / "cert.pem")
    assert names_of(tmp_path / "conf" / name / "cert.pem") == [name]
    leaf = x509.load_pem_x509_certificates((tmp_path / "conf" / HOST / "cert.pem").read_bytes())[0]
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == [HOST]
    assert not list(leaf.subject)


def test_uacme_with_its_tls_responder(site: Site, tmp_path: Path) -> None:
    ualpn, name = require_program("ualpn"), site.name("ualpn")
    base = uacme(site.server, tmp_path / "conf")
    run_program([*base, "new", "a@example.org"])
    sock, hook = tmp_path / "ualpn.sock", tmp_path / "hook"
    hook.write_text(
        '#!/bin/sh\n[ "$2" = tls-alpn-01 ] || exit 1\n[ "$1" = begin ] || exit 0\n'
        f'printf "auth %s %s\\n" "$3" "$5" | {ualpn} -s {sock} | grep -q OK\n'
    )
    hook.chmod(0o700)
    words = [ualpn, "-v", "-b", f"{HOST}@{site.https}", "-c", f"{HOST}@1", "-s", str(sock), "-n", "1"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as responder:
        try:
            until(sock.exists, "ualpn listens")
            run_program([*base, "--hook", str(hook), "issue", name])
        finally:
            responder.terminate()
    verify(site.server, tmp_path / "conf" / name / "cert.pem")
    assert "tls-alpn" in site.story(name)


def dehydrated(site: Site, folder: Path, kind: str, settings: str) -> list[str]:
    config = folder / "config"
    config.write_text(
        f'CA="{site.server.directory}"\nCHALLENGETYPE={kind}\nBASEDIR="{folder}"\n'
        f'CURL_OPTS="--cacert {site.server.root}"\n{settings}\n'
    )
    words = [require_program("dehydrated"), "--config", str(config)]
    run_program([*words, "--register", "--accept-terms"])
    return words


def test_dehydrated_with_a_web_server(site: Site, tmp_path: Path) -> None:
    name, pages = site.name("dehydrated-http"), tmp_path / "www/.well-known/acme-challenge"
    pages.mkdir(parents=True)
    words = dehydrated(site, tmp_path, "http-01", f'WELLKNOWN="{pages}"')
    with web_server(tmp_path / "www", site.http):
        run_program([*words, "--cron", "--domain", name])
    verify(site.server, tmp_path / "certs" / name / "fullchain.pem")
    assert "http-get" in site.story(name)


def test_dehydrated_with_a_tls_server(site: Site, tmp_path: Path) -> None:
    """It makes the certificate of the challenge, and OpenSSL shows it."""
    name, hook = site.name("dehydrated-tls"), tmp_path / "hook"
    show = [require_program("openssl"), "s_server", "-quiet", "-alpn", "acme-tls/1", "-accept", f"{HOST}:{site.https}"]
    show += ["-cert", f"{tmp_path}/alpn-certs/{name}.crt.pem", "-key", f"{tmp_path}/alpn-certs/{name}.key.pem"]
    hook.write_text(
        f"#!/bin/sh\ncase $1 in\ndeploy_challenge) {shlex.join(show)} >/dev/null 2>&1 </dev/null &\n"
        f'echo $! >"{tmp_path}/pid" ;;\nclean_challenge) kill "$(cat "{tmp_path}/pid")" ;;\nesac\n'
    )
    hook.chmod(0o700)
    words = dehydrated(site, tmp_path, "tls-alpn-01", f'HOOK="{hook}"')
    run_program([*words, "--cron", "--domain", name])
    verify(site.server, tmp_path / "certs" / name / "fullchain.pem")
    assert "tls-alpn" in site.story(name)


@pytest.mark.parametrize("kind", ["http", "tlsalpn"])
def test_caddy(site: Site, tmp_path: Path, kind: str) -> None:
    name = site.name(f"caddy-{kind}")
    other = "tlsalpn" if kind == "http" else "http"
    config = tmp_path / "Caddyfile"
    config.write_text(
        f"{{\n\tadmin off\n\thttp_port {site.http}\n\thttps_port {site.https}\n\temail a@example.org\n"
        f"\tstorage file_system {tmp_path}/storage\n}}\n"
        f"{name} {{\n\tbind {HOST}\n\ttls {{\n\t\tissuer acme {{\n\t\t\tdir {site.server.directory}\n"
        f"\t\t\ttrusted_roots {site.server.root}\n\t\t\tdisable_{other}_challenge\n\t\t}}\n\t}}\n\trespond hello\n}}\n"
    )
    words = [require_program("caddy"), "run", "--adapter", "caddyfile", "--config", str(config)]
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    chain = tmp_path / f"chain-{kind}.pem"

    def issued() -> bool:
        found = list((tmp_path / "storage").rglob(f"{name}.crt"))
        if found:
            chain.write_bytes(found[0].read_bytes())
        return bool(found)

    with (tmp_path / "log").open("w") as said, subprocess.Popen(words, stdout=said, stderr=said, env=env) as caddy:
        try:
            until(issued, "Caddy has its certificate")
        finally:
            caddy.terminate()
    verify(site.server, chain)
    assert names_of(chain) == [name]
    assert {"http": "http-get", "tlsalpn": "tls-alpn"}[kind] in site.story(name)
