from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import ZONEMINT
from zonemint.cli.demo.lab import Lab, Ports, Programs
from zonemint.core.errors import NotHeld


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    path = os.pathsep.join([str(Path(ZONEMINT).parent), os.environ["PATH"]])
    return Lab(tmp_path, "lab.test", Programs(path, "certbot"))


def test_ports_are_free_for_both_transports_and_differ() -> None:
    ports = Ports.pick()
    with (
        socket.create_server(("127.0.0.1", ports.https)),
        socket.create_server(("127.0.0.1", ports.http)),
        socket.create_server(("127.0.0.1", ports.dns)),
        socket.socket(type=socket.SOCK_DGRAM) as udp,
    ):
        udp.bind(("127.0.0.1", ports.dns))


def test_nothing_leads_out_of_the_laboratory(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACMEDNS_URL", "ACMEDNS_CA", "ZONEMINT_DATA", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "https://elsewhere.test")
    done = lab.run([sys.executable, "-c", "import os; print(os.environ, os.getcwd())"])
    assert "elsewhere.test" not in done.stdout
    assert f"'ACMEDNS_RESOLVER': '127.0.0.1:{lab.ports.dns}'" in done.stdout
    assert done.stdout.endswith(f"{lab.folder}\n")


def test_a_server_that_cannot_start_says_why(lab: Lab) -> None:
    with (
        socket.create_server(("127.0.0.1", lab.ports.http)),
        pytest.raises(NotHeld, match=rf"^the server did not start: .*{lab.ports.http}.* another program"),
        lab.serving(lab.first_up()),
    ):
        pass


def test_a_server_that_ends_too_early_is_told(lab: Lab) -> None:
    os.mkfifo(lab.folder / "told")
    program = "print('ready', flush=True); open('told').read(); print('so long'); raise SystemExit(3)"

    def serve() -> None:
        with lab.serving([sys.executable, "-c", program]) as ready:
            assert ready == "ready"
            (lab.folder / "told").write_text("end")
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)

    with pytest.raises(NotHeld, match=r"^the server ended with status 3: so long$"):
        serve()


def test_an_interruption_while_a_program_starts_ends_it(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[str]] = []

    class Interrupted(subprocess.Popen[str]):
        def __init__(self, *words: Any, **options: Any) -> None:
            super().__init__(*words, **options)
            started.append(self)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        lab.run([sys.executable, "-c", "import time; time.sleep(60)"])
    assert [process.returncode for process in started] == [-signal.SIGKILL]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
