from __future__ import annotations

import json
import socket
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.cli.program import run
from tests.ports import free_ports
from tests.server import DOMAIN, HOST, Ports, Running, running


def looks(folder: Path, *words: str) -> tuple[int, dict[tuple[str, str], dict[str, str]]]:
    """Run it for programs; return its status and what it found by (about, what)."""
    done = run("doctor", *words, "--json", "--data", folder)
    assert done.stdout, done.stderr
    return done.returncode, {(one["about"], one["what"]): one for one in json.loads(done.stdout)}


def test_a_server_that_stands_and_answers(shared: Running) -> None:
    status, found = looks(shared.folder)
    assert status == 0, found
    assert {one["state"] for one in found.values()} == {"ok"}
    kinds = {what for _, what in found}
    assert {"the authority", f"the zone {DOMAIN}", f"DNS for {DOMAIN}", f"DNS for auth.{DOMAIN}"} <= kinds
    assert found[shared.url, f"ACME at {shared.url}"]["seen"].endswith("leads to our root")


def test_a_name_that_would_get_its_certificate(shared: Running) -> None:
    name = f"healthy.{DOMAIN}"
    assert shared.register(name).returncode == 0
    done = run("doctor", "healthy", "*.healthy", "--data", shared.folder)
    assert done.returncode == 0, done.stdout
    assert name in done.stdout.splitlines()
    assert "ok     a certificate: would be issued by dns-01" in done.stdout
    assert f"_acme-challenge.{name} leads to " in done.stdout
    listed = run("orders", "list", "--json", "--data", shared.folder)
    assert not [one for one in json.loads(listed.stdout) if name in one["names"]]


def test_a_name_that_nobody_registered(shared: Running) -> None:
    status, found = looks(shared.folder, "stranger")
    name = f"stranger.{DOMAIN}"
    assert status == 1
    assert f"zonemint register {name}" in found[name, "dns-01"]["seen"]
    assert found[name, "a certificate"]["state"] == "wrong"


def test_an_alias_that_leads_to_an_account_for_another_name(shared: Running) -> None:
    name = f"scoped.{DOMAIN}"
    assert shared.register(name).returncode == 0
    (target,) = shared.answers(f"_acme-challenge.{name}", "CNAME")
    words = ("accounts", "scope", target.rstrip("."), f"other.{DOMAIN}", "--data", shared.folder)
    assert run(*words).returncode == 0
    status, found = looks(shared.folder, name + ".")
    assert status == 1
    assert f"not for {name}" in found[name, "dns-01"]["seen"]


def test_a_place_where_no_client_can_set_a_value(shared: Running) -> None:
    name = f"byhand.{DOMAIN}"
    words = ("zone", "add", DOMAIN, f"_acme-challenge.{name}.", "60", "TXT", "by hand", "--data", shared.folder)
    assert run(*words).returncode == 0
    status, found = looks(shared.folder, name + ".")
    assert status == 1
    assert f"zonemint register {name}" in found[name, "dns-01"]["seen"]


@pytest.mark.parametrize(("name", "why"), [("www.example.com.", "lies outside"), ("192.0.2.1", "lies outside")])
def test_what_policy_refuses(shared: Running, name: str, why: str) -> None:
    status, found = looks(shared.folder, name)
    assert status == 1
    assert why in found[name.rstrip("."), "policy"]["seen"]


def test_a_provisioner_that_is_none(shared: Running) -> None:
    done = run("doctor", "--provisioner", "nobody", "--data", shared.folder)
    assert done.returncode == 1
    assert "there is no provisioner 'nobody'" in done.stderr


def test_a_server_that_does_not_run_and_a_zone_file_that_is_broken(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        pass
    (server.folder / "zones" / f"{DOMAIN}.zone").write_text("www 60 IN A 10.0.0.1\nbad 60 IN A 10.0.0.256\n")
    status, found = looks(server.folder)
    assert status == 1
    assert ".zone:2:" in found[server.url, f"the zone {DOMAIN}"]["seen"]
    for what in (f"DNS for {DOMAIN}", f"HTTP on port {server.ports.http}", f"ACME at {server.url}"):
        assert found[server.url, what]["state"] == "wrong"
        assert "zonemint up" in found[server.url, what]["advice"]


def test_another_server_on_our_port(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        pass

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer((HOST, server.ports.http), Other) as other, closing(socket.socket()) as silent:
        silent.bind((HOST, server.ports.https))
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        try:
            status, found = looks(server.folder)
        finally:
            other.shutdown()
            thread.join()
    assert status == 1
    assert "status 404" in found[server.url, f"HTTP on port {server.ports.http}"]["seen"]


def test_a_certificate_of_somebody_else(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        pass
    dns, http = free_ports(2)
    with running(tmp_path / "other", Ports(dns, server.ports.https, http)):
        status, found = looks(server.folder)
    assert status == 1
    one = found[server.url, f"ACME at {server.url}"]
    assert "its certificate is not trusted" in one["seen"]
    assert "listen.certificate" in one["advice"]
