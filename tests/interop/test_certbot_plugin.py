"""The plugin dns-zonemint in the certbot of the venv: registers, makes the CNAME, sets the value, renews."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop.programs import names_of, run_program, verify
from tests.server import DOMAIN, HOST, Running, until

pytestmark = pytest.mark.interop

CERTBOT = str(Path(sys.executable).with_name("certbot"))
Certbot = Callable[..., str]


@pytest.fixture
def certbot(shared: Running, tmp_path: Path) -> Certbot:
    """Run certbot without questions and with folders of its own; nothing of ours is in its environment or PATH."""

    def call(*words: str, status: int = 0) -> str:
        folders = [f"--{kind}-dir={tmp_path}/{kind}" for kind in ("config", "work", "logs")]
        env = {"REQUESTS_CA_BUNDLE": str(shared.root)}
        return run_program([CERTBOT, *words, *folders, "--non-interactive"], env, status=status)

    return call


def certonly(server: Running, *names: str) -> list[str]:
    words = ["certonly", "-a", "dns-zonemint", "--server", server.directory, "--agree-tos", "-m", "admin@example.org"]
    words += ["--dns-zonemint-resolver", f"{HOST}:{server.ports.dns}"]
    return words + [word for name in names for word in ("-d", name)]


def lineage(tmp_path: Path, name: str) -> Path:
    return tmp_path / "config/live" / name / "fullchain.pem"


def test_certbot_lists_it(certbot: Certbot) -> None:
    said = certbot("plugins")
    assert "* dns-zonemint" in said
    assert "Interfaces: Authenticator, Plugin" in said


def test_on_the_servers_machine_a_wildcard_its_base_and_a_renewal_need_no_step(
    shared: Running, certbot: Certbot, tmp_path: Path
) -> None:
    name, data = f"plugged.{DOMAIN}", ["--dns-zonemint-data", str(shared.folder)]
    said = certbot(*certonly(shared, f"*.{name}", name), *data)
    assert "IN CNAME" not in said
    chain = lineage(tmp_path, name)
    verify(shared, chain)
    assert sorted(names_of(chain)) == [f"*.{name}", name]
    account = json.loads((tmp_path / "config/acmedns.json").read_text())[name]
    assert shared.answers(f"_acme-challenge.{name}", "CNAME") == [f"{account['fulldomain']}."]
    first = chain.read_bytes()
    certbot("renew", "--force-renewal", "--no-random-sleep-on-renew")
    verify(shared, chain)
    assert chain.read_bytes() != first
    assert list(json.loads((tmp_path / "config/acmedns.json").read_text())) == [name]


def test_over_the_network_it_registers_and_shows_the_line_that_lacks(
    shared: Running, certbot: Certbot, tmp_path: Path
) -> None:
    """Neither token nor folder: somebody else has to make the CNAME, once."""
    name = f"plugged-afar.{DOMAIN}"
    said = certbot(*certonly(shared, name), status=1)
    line = re.search(rf"^_acme-challenge\.{re.escape(name)}\. IN CNAME (\S+)\.$", said, re.MULTILINE)
    assert line is not None, said
    assert json.loads((tmp_path / "config/acmedns.json").read_text())[name]["fulldomain"] == line[1]
    file = shared.folder / f"zones/{DOMAIN}.zone"
    before = file.read_text()
    file.write_text(f"{before}{line[0]}\n")
    try:
        until(lambda: bool(shared.answers(f"_acme-challenge.{name}", "CNAME")), "the record of the hint")
        said = certbot(*certonly(shared, name))
    finally:
        file.write_text(before)
    assert "IN CNAME" not in said
    verify(shared, lineage(tmp_path, name))


def test_an_account_that_is_at_hand_is_used(shared: Running, certbot: Certbot, tmp_path: Path) -> None:
    name = f"plugged-known.{DOMAIN}"
    assert shared.register(name, "--storage", tmp_path / "known.json").returncode == 0
    before = (tmp_path / "known.json").read_bytes()
    certbot(*certonly(shared, name), "--dns-zonemint-storage", str(tmp_path / "known.json"))
    verify(shared, lineage(tmp_path, name))
    assert (tmp_path / "known.json").read_bytes() == before


def test_a_folder_that_is_none_and_a_relative_path_are_told(shared: Running, certbot: Certbot, tmp_path: Path) -> None:
    words = certonly(shared, f"plugged-wrong.{DOMAIN}")
    said = re.sub(r"\s+", " ", certbot(*words, "--dns-zonemint-data", str(tmp_path / "none"), status=1))
    assert f"{tmp_path}/none: zonemint: " in said
    said = re.sub(r"\s+", " ", certbot(*words, "--dns-zonemint-storage", "acmedns.json", status=1))
    assert "dns-zonemint-storage: write the whole path" in said
