from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import sqlite3
import subprocess
import time
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.cli.program import ENV, ZONEMINT, run
from tests.postgres import Postgres
from tests.server import DOMAIN, HOST, Ports, Running, running, until, words_of


def files(folder: Path) -> dict[str, bytes]:
    """Every file that is the user's or the authority's, with its bytes."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and not file.name.startswith("zonemint.db")
    }


def rows(folder: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{folder}/zonemint.db?mode=ro", uri=True)) as db:
        return list(db.iterdump())


@pytest.mark.alone
def test_an_empty_folder_is_ready_in_two_seconds(tmp_path: Path) -> None:
    walls, printed = [], []
    for number in range(3):
        began = time.perf_counter()
        with running(tmp_path / f"data-{number}") as server:
            walls.append(time.perf_counter() - began)
            printed.append(server.ready)
    assert min(walls) < 2
    assert min(printed) <= min(walls)


def test_the_screen_says_what_to_do_next(shared: Running) -> None:
    assert f"  ACME directory    {shared.directory}\n" in shared.screen
    assert f"  DNS               {HOST} port {shared.ports.dns} (UDP and TCP)\n" in shared.screen
    sha256 = shared.screen.partition("root SHA-256")[2].split()[0]
    assert f"zonemint trust install --url http://{HOST}:{shared.ports.http} --fingerprint {sha256}\n" in shared.screen
    assert f"zonemint register server-1.{DOMAIN} --for certbot --data {shared.folder}\n" in shared.screen
    line = shared.screen.splitlines()[-1]
    assert re.fullmatch(r"ready in \d+\.\d\d s: https://localhost:\d+/acme/acme/directory", line)


def test_the_screen_says_what_may_surprise(tmp_path: Path) -> None:
    with running(tmp_path / "data") as first:
        pass
    assert "note:" not in first.screen
    with running(first.folder, Ports(first.ports.dns, Ports.free().https, first.ports.http)) as again:
        pass
    assert f'note: for this run only: external_url = "{again.url}", listen.https_port = ' in again.screen
    for file in first.folder.glob("zonemint.db*"):
        file.unlink()
    with running(first.folder, first.ports) as anew:
        pass
    assert f"note: {first.folder}/zonemint.db is gone" in anew.screen


def test_the_trust_lines_of_the_screen_work(shared: Running, tmp_path: Path) -> None:
    lines = [line.strip() for line in shared.screen.splitlines()]
    commands = [line for line in lines if line.startswith(("curl ", "openssl "))]
    assert len(commands) == 2
    done = subprocess.run(["sh", "-ec", "\n".join(commands)], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    fingerprint = done.stdout.split()[0]
    assert f"  root SHA-256      {fingerprint}\n" in shared.screen
    assert (tmp_path / "zonemint-root.crt").read_bytes() == shared.root.read_bytes()


def test_every_listener_answers_at_ready(shared: Running) -> None:
    assert json.loads(shared.get("/acme/acme/directory"))["newNonce"] == f"{shared.url}/acme/acme/new-nonce"
    assert shared.get("/health") == b""
    assert shared.fetch("/ready") == b"OK"
    assert shared.fetch("/roots.pem") == shared.root.read_bytes()
    for name in (f"ns1.{DOMAIN}", f"ca.{DOMAIN}", f"auth.{DOMAIN}"):
        assert shared.answers(name, "A") == [HOST]
        assert shared.ask(name, "A", tcp=True).answer


def test_a_second_up_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with running(folder) as first:
        first.register("server-1")
        ports = first.ports
        serial = first.answers(DOMAIN, "SOA")
    before = files(folder), rows(folder)
    with running(folder, ports) as again:
        assert again.answers(DOMAIN, "SOA") == serial
        assert again.answers(f"_acme-challenge.server-1.{DOMAIN}", "CNAME")
    assert (files(folder), rows(folder)) == before


def test_the_idle_server_is_small(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        server.get("/acme/acme/directory")
        server.answers(DOMAIN, "SOA")
        time.sleep(1)
        status = Path(f"/proc/{server.process.pid}/status").read_text()
    kilobytes = int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0])
    assert kilobytes <= 80 * 1024


@pytest.mark.alone
def test_help_comes_at_once() -> None:
    took = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([ZONEMINT, "--help"], capture_output=True, check=True, env=ENV, timeout=30)
        took.append(time.perf_counter() - began)
    assert min(took) <= 0.2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_quietly_with_connections_open(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path / "data") as server, ExitStack() as open_ones:
        idle = http.client.HTTPSConnection("localhost", server.ports.https, timeout=30, context=server.trust())
        plain = http.client.HTTPConnection(HOST, server.ports.http, timeout=30)
        for connection in (idle, plain):
            open_ones.enter_context(closing(connection))
            connection.request("GET", "/roots.pem")
            assert connection.getresponse().read()
        silent = {
            port: open_ones.enter_context(socket.create_connection((HOST, port), timeout=30))
            for port in (server.ports.dns, server.ports.https, server.ports.http)
        }
        silent[server.ports.dns].sendall(b"\0")
        secure = open_ones.enter_context(
            server.trust().wrap_socket(
                socket.create_connection((HOST, server.ports.https), timeout=30), server_hostname="localhost"
            )
        )
        secure.sendall(b"POST /update HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\nhalf of it")
        assert server.answers(DOMAIN, "SOA")
        logged = server.said()
        status, seconds = server.end(number)
        assert status == 0
        assert seconds < 5
        assert server.said() == logged


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_node_that_waits_for_another_with_the_key_can_be_stopped(
    tmp_path: Path, postgres: Postgres, number: signal.Signals
) -> None:
    url = postgres.database()
    assert run("init", "--domain", DOMAIN, "--database", url, "--data", tmp_path / "first").returncode == 0
    log = tmp_path / "log"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [*words_of(tmp_path / "joins", Ports.free()), "--database", url], stderr=errors, stdout=errors, env=ENV
        ) as node,
    ):
        try:
            until(lambda: "waiting for a node with the CA's key" in log.read_text(), "it waits")
            node.send_signal(number)
            assert node.wait(10) == 0, log.read_text()
        finally:
            node.kill()
    assert "Traceback" not in log.read_text()
