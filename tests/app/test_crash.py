"""kill -9 at every moment of an order: after the next start the client finishes, and nothing waits for ever."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
import requests
from acme import errors

from tests.app.client import Client
from tests.cli.program import run
from tests.server import DOMAIN, Ports, Running, running, until

NAME = f"server-1.{DOMAIN}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that knows one name and tries challenges often."""
    data = tmp_path_factory.mktemp("made") / "data"
    data.mkdir()
    (data / "zonemint.toml").write_text(f'domain = "{DOMAIN}"\n[validation]\nattempts = 6\ninterval = "1s"\n')
    assert run("init", "--data", data).returncode == 0
    with running(data):
        assert run("register", NAME, "--data", data).returncode == 0
    return data


class Life:
    """A server that is killed and started again on the same folder and ports."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._ports = Ports.free()
        self._stack = stack
        self.server = self._start()

    def _start(self) -> Running:
        return self._stack.enter_context(running(self._folder, self._ports))

    def kill(self) -> None:
        """End the server as a power cut would."""
        self.server.process.kill()
        self.server.process.wait(30)

    def begin_again(self) -> None:
        """Start the next server."""
        self.server = self._start()

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """Ask the store."""
        with closing(sqlite3.connect(f"file:{self._folder}/zonemint.db?mode=ro", uri=True)) as db:
            return db.execute(sql).fetchall()

    def settled(self) -> bool:
        """Whether nothing is under way."""
        return not self.rows("SELECT id FROM orders WHERE status IN ('pending', 'processing', 'ready')") and not (
            self.rows("SELECT * FROM validations")
        )


@pytest.fixture
def life(made: Path, tmp_path: Path) -> Iterator[Life]:
    folder = shutil.copytree(made, tmp_path / "data")
    with ExitStack() as stack:
        yield Life(folder, stack)
    verified = run("audit", "verify", "--data", folder)
    assert verified.returncode == 0, verified.stderr


@pytest.fixture
def client(life: Life) -> Iterator[Client]:
    with closing(Client(life.server)) as one:
        yield one


def certificates(life: Life) -> list[tuple[object, ...]]:
    """The serials that were signed for clients."""
    return life.rows("SELECT serial FROM certificates WHERE order_id IS NOT NULL AND der IS NOT NULL")


def test_after_the_order_was_made(life: Life, client: Client) -> None:
    prepared = client.order(NAME)
    life.kill()
    life.begin_again()
    client.set_values(prepared)
    client.respond(prepared)
    assert client.finish(prepared)
    assert life.settled()


def test_after_the_txt_value_was_set(life: Life, client: Client) -> None:
    prepared = client.order(NAME)
    client.set_values(prepared)
    life.kill()
    life.begin_again()
    client.respond(prepared)
    assert client.finish(prepared)
    assert life.settled()


def test_while_the_validation_retries(life: Life, client: Client) -> None:
    """The client has been told that the challenge is being looked at: it will not ask for that again."""
    prepared = client.order(NAME)
    client.respond(prepared)
    assert life.rows("SELECT 1 FROM validations") == [(1,)]
    life.kill()
    life.begin_again()
    assert "took up work of the last run" in life.server.said()
    client.set_values(prepared)
    assert client.finish(prepared)
    assert life.settled()


def test_while_the_validation_retries_and_the_value_never_comes(life: Life, client: Client) -> None:
    prepared = client.order(NAME)
    client.respond(prepared)
    life.kill()
    life.begin_again()
    until(lambda: client.status(prepared) == "invalid", "the order ends")
    assert life.settled()


def test_after_the_order_was_ready(life: Life, client: Client) -> None:
    prepared = client.order(NAME)
    client.set_values(prepared)
    client.respond(prepared)
    until(lambda: client.status(prepared) == "ready", "the order is ready")
    life.kill()
    life.begin_again()
    assert client.finish(prepared).count("BEGIN CERTIFICATE") == 2
    assert life.settled()
    assert len(certificates(life)) == 1


def test_after_the_certificate_was_issued(life: Life, client: Client) -> None:
    prepared = client.order(NAME)
    client.set_values(prepared)
    client.respond(prepared)
    first = client.finish(prepared)
    life.kill()
    life.begin_again()
    assert client.finish(prepared) == first


def test_while_the_key_signs(life: Life, client: Client) -> None:
    """What a crash leaves there: a ready order with its serial on disk, which no other signature may share."""
    prepared = client.order(NAME)
    client.set_values(prepared)
    client.respond(prepared)
    until(lambda: client.status(prepared) == "ready", "the order is ready")
    life.kill()
    ((reserved,),) = life.rows("SELECT serial FROM orders")
    life.begin_again()
    assert client.finish(prepared)
    assert life.settled()
    ((serial,),) = life.rows("SELECT serial FROM orders")
    assert serial != reserved
    assert certificates(life) == [(serial,)]


@pytest.mark.parametrize("delay", [0.0, 0.002, 0.004, 0.007])
def test_while_finalize_is_under_way(life: Life, client: Client, delay: float) -> None:
    """Whatever the instant: the certificate is there afterwards, and there is one."""
    prepared = client.order(NAME)
    client.set_values(prepared)
    client.respond(prepared)
    until(lambda: client.status(prepared) == "ready", "the order is ready")

    def finalize() -> None:
        # The answer may be lost, which is the client's lot here.
        with suppress(requests.RequestException, errors.Error):
            client.acme.begin_finalization(prepared.order)

    thread = threading.Thread(target=finalize)
    thread.start()
    time.sleep(delay)
    life.kill()
    thread.join(30)
    life.begin_again()
    assert client.finish(prepared)
    assert life.settled()
    assert len(certificates(life)) == 1
