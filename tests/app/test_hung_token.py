"""A server whose CA's key is in a token that answers no more, and then does again."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from tests.app.client import Client, Prepared
from tests.cli.program import ENV, run
from tests.server import DOMAIN, running
from tests.softhsm import Hsm, hsm

__all__ = ["hsm"]


@contextmanager
def hanging(token: Hsm) -> Iterator[None]:
    """Hold the locks of the token's files, for which SoftHSM waits without an end."""
    with ExitStack() as held:
        for file in (token.folder / "tokens").rglob("*"):
            if file.is_file():
                fcntl.lockf(held.enter_context(file.open("r+b")), fcntl.LOCK_EX)
        yield


def test_a_token_that_hangs_and_comes_back(hsm: Hsm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENV, "SOFTHSM2_CONF", os.environ["SOFTHSM2_CONF"])
    data, name = tmp_path / "data", f"held.{DOMAIN}"
    made = run("init", "--domain", DOMAIN, "--key", hsm.uri("p256"), "--pin-file", hsm.pin, "--data", data)
    assert made.returncode == 0, made.stderr
    with running(data) as server:
        assert server.register("held").returncode == 0
        with closing(Client(server)) as client:

            def proved() -> Prepared:
                prepared = client.order(name)
                client.set_values(prepared)
                client.respond(prepared)
                return prepared

            stopped = proved()
            with hanging(hsm):
                with pytest.raises(AssertionError, match="serverInternal"):
                    client.finish(stopped)
                assert "the token did not answer within 5 seconds" in server.said()
                # What needs no signature goes on.
                assert server.answers(f"ca.{DOMAIN}", "A") == ["127.0.0.1"]
            assert client.finish(proved()).startswith("-----BEGIN CERTIFICATE-----")
            last = proved()
            with hanging(hsm):
                with pytest.raises(AssertionError, match="serverInternal"):
                    client.finish(last)
                # It does not wait for the token to end: `running` would fail, too.
                status, seconds = server.end()
                assert (status, seconds < 5) == (0, True), server.said()
