"""Every command on the pages holds: it is run as it stands, in order, beside a real server and real clients.

README.md starts the server; the pages of docs/how-to go on with it. A reader's ports become free ones here, and the URL
of a database that of an empty one; nothing else is changed. What needs root or another machine is marked with
`<!-- not run: reason -->`.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, Block, blocks
from tests.ports import free_ports
from tests.postgres import Postgres
from tests.programs import require_program

README = ROOT / "README.md"
WITH_COMMANDS = [page for page in PAGES if page != README and any(one.reason is None for one in blocks(page))]
PORT = re.compile(r"\b[1-9](?:053|080|081|443|444|853)\b")  # as they stand on the pages, a first digit for each server
DATABASE = "postgresql://zonemint@db.zufar.io/zonemint"
PATIENCE = 60.0  # seconds for one block


class Terminal:
    """A folder and an environment in which blocks are run, as a reader would have them."""

    def __init__(self, folder: Path, postgres: Postgres) -> None:
        self._folder = folder
        self._database = postgres.database()
        self._ports: dict[str, str] = {}
        home = folder / "home"
        home.mkdir()
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self._env = {"PATH": path, "HOME": str(home), "LANG": "C.UTF-8"}
        self._servers: list[subprocess.Popen[bytes]] = []
        self.ran: list[Block] = []

    def run(self, block: Block) -> None:
        """Run a block; what does not end by itself goes on in the background until `close`."""
        text = PORT.sub(self._port, block.text)
        text = text.replace(DATABASE, self._database)
        if text.startswith("zonemint up "):
            self._start(text, block.place)
        elif block.console:
            for command, expected in _expectations(text):
                printed = self._shell(command, block.place)
                assert re.fullmatch(expected, printed.strip()), f"{block.place}: {command}\n{printed}"
        else:
            self._shell(text, block.place)
        self.ran.append(block)

    def _port(self, written: re.Match[str]) -> str:
        if written[0] not in self._ports:
            (self._ports[written[0]],) = map(str, free_ports(1))
        return self._ports[written[0]]

    def close(self) -> None:
        """Stop the servers as Ctrl-C does; raises AssertionError when one does not end well."""
        with ExitStack() as stack:
            for server in self._servers:
                stack.callback(server.kill)
                server.send_signal(signal.SIGINT)
            for server in self._servers:
                assert server.wait(PATIENCE) == 0

    def _shell(self, text: str, place: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=self._folder,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, f"{place}: exit status {done.returncode}\n{text}\n{done.stdout}"
        return done.stdout

    def _start(self, text: str, place: str) -> None:
        screen = self._folder / f"screen-{len(self._servers)}"
        with screen.open("wb") as out:
            command = ["bash", "-c", f"exec {text}"]
            server = subprocess.Popen(command, cwd=self._folder, env=self._env, stdout=out, stderr=out)
        self._servers.append(server)
        deadline = time.monotonic() + PATIENCE
        while not re.search(r"^ready ", screen.read_text(), re.MULTILINE):
            assert server.poll() is None, f"{place}: the server ended\n{screen.read_text()}"
            assert time.monotonic() < deadline, f"{place}: the server is not ready\n{screen.read_text()}"
            time.sleep(0.02)


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Terminal]:
    """A terminal in which the README's blocks were run; its server still serves."""
    for program in ("bash", "curl", "dig", "nsupdate", "openssl"):
        require_program(program)
    if not Path(sys.executable).with_name("certbot").exists():
        require_program("certbot")
    one = Terminal(tmp_path_factory.mktemp("reader"), postgres)
    with ExitStack() as stack:
        stack.callback(one.close)
        _run(README, one)
        yield one


def test_readme(terminal: Terminal) -> None:
    wanted = [one for one in blocks(README) if one.reason is None]
    assert terminal.ran[: len(wanted)] == wanted
    assert any("certbot certonly" in one.text for one in wanted)


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.stem)
def test_page(page: Path, terminal: Terminal) -> None:
    _run(page, terminal)
    assert {one for one in blocks(page) if one.reason is None} <= set(terminal.ran)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_block_is_overlooked(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(blocks(page)) == len(re.findall(r"^ *```(?:sh|console)$", text, re.MULTILINE))
    assert sum(one.reason is not None for one in blocks(page)) == text.count("<!-- not run: ")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        assert "://" in target or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_of_the_program_are_where_the_page_says(page: Path) -> None:
    for name in re.findall(r"`((?:\w+/)+\w+\.(?:py|sql))`", page.read_text(encoding="utf-8")):
        assert (ROOT / "src/zonemint" / name).exists() or (ROOT / name).exists(), name


def _run(page: Path, terminal: Terminal) -> None:
    for block in blocks(page):
        if block.reason is None:
            terminal.run(block)


def _expectations(text: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a console block with a pattern of what it prints; `...` stands for anything."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, printed = part.partition("\n")
        yield command, ".*".join(map(re.escape, printed.strip().split("...")))
