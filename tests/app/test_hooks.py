"""Hooks of a real server, which tells a real receiver of real certificates."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.app.client import Client
from tests.cli.program import run
from tests.server import DOMAIN, launch, running, until

NAME = f"told.{DOMAIN}"


class Receiver(ThreadingHTTPServer):
    """Keeps what is POSTed; holds each reply back while `held` is set, and answers with `status`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.got: list[dict[str, Any]] = []
        self.signed: list[str] = []
        self.status = 204
        self.let_go = threading.Event()
        self.let_go.set()

    def subjects(self, type_: str) -> list[str]:
        return [one["subject"] for one in list(self.got) if one["type"] == f"zonemint.{type_}"]


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.signed.append(self.headers.get("webhook-signature", ""))
        self.server.got.append(json.loads(body))
        self.server.let_go.wait(60)
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def receiver() -> Iterator[Receiver]:
    with Receiver() as one:
        thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield one
        one.let_go.set()
        one.shutdown()
        thread.join()


def configure(folder: Path, one: Receiver, *more: str) -> None:
    secret = folder / "hook.secret"
    secret.write_text("0123456789abcdef0123456789abcdef\n")
    secret.chmod(0o600)
    with (folder / "zonemint.toml").open("a") as file:
        file.write(
            f'\n[hooks.web]\nurl = "http://127.0.0.1:{one.server_port}/told"\nsecret_file = "hook.secret"\n'
            + "\n".join(more)
        )


def issue(client: Client) -> str:

    return f"{client.issue(NAME).serial_number:x}"


def test_what_happens_to_certificates_is_told(folder: Path, tmp_path: Path) -> None:
    told = tmp_path / "told"
    told.write_text(f"#!/bin/sh\ncat >> {tmp_path}/lines\n")
    told.chmod(0o755)
    with receiver() as one:
        configure(folder, one, "[hooks.program]", f'command = ["{told}"]', 'events = ["revoked"]')
        with running(folder) as server, closing(Client(server)) as client:
            assert server.register(NAME).returncode == 0
            serial = issue(client)
            assert run("certs", "revoke", serial, "--data", folder).returncode == 0
            until(lambda: serial in one.subjects("certificate.revoked"), "the revocation is told of")
            until(lambda: (tmp_path / "lines").exists() and serial in (tmp_path / "lines").read_text(), "twice")
            assert one.subjects("certificate.issued")[-1] == serial
            assert all(signature.startswith("v1,") for signature in one.signed)
            data = next(event for event in one.got if event["subject"] == serial)["data"]
            assert (data["names"], data["profile"]) == ([NAME], "default")
            assert json.loads((tmp_path / "lines").read_text())["type"] == "zonemint.certificate.revoked"
            line = b'zonemint_hook_deliveries_total{hook="program",result="told"} 1.0'
            until(lambda: line in server.fetch("/metrics"), "it is counted when the program has ended")
        shown = json.loads(run("hooks", "show", "--json", "--data", folder).stdout)
        web = next(row for row in shown if row["hook"] == "web" and row["source"] == "audit")
        assert (web["waiting"], web["told"], web["error"]) == (0, len(one.got), None)
        assert {row["source"] for row in shown if row["hook"] == "program"} == {"audit"}


def test_a_server_that_is_killed_loses_no_event(folder: Path) -> None:
    with receiver() as one:
        configure(folder, one)
        server = launch(folder)
        with server.process, closing(Client(server)) as client:
            assert server.register(NAME).returncode == 0
            # The receiver has the event, and the server does not know it yet.
            one.let_go.clear()
            serials = [issue(client), issue(client)]
            until(lambda: len(one.got) > 0, "the first is on its way")
            server.process.kill()
        seen = [event["id"] for event in one.got]
        one.let_go.set()
        with running(folder):
            until(lambda: set(serials) <= set(one.subjects("certificate.issued")), "all are told of")
            assert seen[-1] in [event["id"] for event in one.got[len(seen) :]], "and that one once more"


def test_a_hook_is_tried(folder: Path) -> None:
    with receiver() as one:
        configure(folder, one, '[hooks.none]\ncommand = ["/nonexistent/program"]')
        done = run("hooks", "test", "web", "--json", "--data", folder)
        assert done.returncode == 0, done.stderr
        (row,) = json.loads(done.stdout)
        assert (row["result"], row["answer"]) == ("delivered", "204")
        assert one.got[0]["type"] == "zonemint.hook.test"
        done = run("hooks", "test", "--data", folder)
        assert done.returncode == 1
        assert "No such file" in done.stdout
        assert run("hooks", "test", "other", "--data", folder).returncode == 1
    shown = json.loads(run("hooks", "show", "--json", "--data", folder).stdout)
    assert "next start" in shown[0]["error"]


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ("", "a url or a command"),
        ('url = "http://a"\ncommand = ["/x"]', "not both"),
        ('url = "ftp://a"', "http or https URL"),
        ('command = ["told"]', "whole path"),
        ('url = "http://a"\nevents = ["new"]', "'new' is not one of issued"),
        ('url = "http://a"\ntimeout = "2m"', "too long"),
        ('command = ["/x"]\nsecret_file = "f"', "only what is sent"),
        ('url = "http://a"\nexpiring = ["30"]', "30d"),
    ],
)
def test_a_hook_that_makes_no_sense_is_told(folder: Path, table: str, why: str) -> None:
    with (folder / "zonemint.toml").open("a") as file:
        file.write(f"\n[hooks.web]\n{table}\n")
    done = run("config", "check", "--data", folder)
    assert done.returncode == 1
    assert "zonemint.toml:" in done.stderr
    assert why.replace("30d", "length of time") in done.stderr


def test_a_url_is_shown_up_to_its_host(folder: Path) -> None:
    with (folder / "zonemint.toml").open("a") as file:
        file.write('\n[hooks.web]\nurl = "https://hooks.test:444/secret?and=more"\n')
    done = run("config", "show", "--data", folder)
    assert 'url = "https://hooks.test:444"' in done.stdout
    assert "secret?" not in done.stdout


def test_a_secret_that_others_may_read_stops_the_start(folder: Path) -> None:
    with receiver() as one:
        configure(folder, one)
    (folder / "hook.secret").chmod(0o644)
    done = run(
        "up", "--data", folder, "--listen", "127.0.0.1", "--dns-port", "0", "--https-port", "0", "--http-port", "0"
    )
    assert done.returncode == 1
    assert "chmod 600" in done.stderr
