"""Real clients at a provisioner that makes accounts only with a key of `zonemint eab create`."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.program import run
from tests.interop.programs import names_of, run_program, uacme, verify
from tests.interop.test_clients import write_hook
from tests.programs import require_program
from tests.server import DOMAIN, HOST, Ports, Running, running

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def bound(initialised: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = shutil.copytree(initialised, tmp_path_factory.mktemp("bound") / "data")
    ports, file = Ports.free(), folder / "zonemint.toml"
    url = f'\nexternal_url = "https://localhost:{ports.https}"'
    text = file.read_text().replace(f'\n# external_url = "https://ca.{DOMAIN}"', url)
    file.write_text(f"{text}\n[provisioners.acme]\nexternal_account_required = true\n")
    with running(folder, ports) as server:
        yield server


def key_for(server: Running, *words: str) -> dict[str, str]:
    done = run("eab", "create", "--json", *words, "--data", server.folder)
    assert done.returncode == 0, done.stderr
    made: dict[str, str] = json.loads(done.stdout)
    return made


def used(server: Running, key: dict[str, str]) -> str:
    listed = json.loads(run("eab", "list", "--json", "--data", server.folder).stdout)
    return str(next(one["used"] for one in listed if one["kid"] == key["kid"]))


@pytest.mark.parametrize("program", ["of the venv", "of the system"])
def test_certbot(bound: Running, tmp_path: Path, program: str) -> None:
    path = (
        str(Path(sys.executable).with_name("certbot"))
        if program == "of the venv"
        else require_program("/usr/bin/certbot")
    )
    folders = [f"--{kind}-dir={tmp_path}/{kind}" for kind in ("config", "work", "logs")]
    words = [path, "register", "--server", bound.directory, "--agree-tos", "-m", "a@example.org", "-n", *folders]
    env = {"REQUESTS_CA_BUNDLE": str(bound.root)}
    key = key_for(bound)
    said = run_program(words, env, status=1)
    assert "xternal account" in said or "EAB" in said
    wrong = [*words, "--eab-kid", key["kid"], "--eab-hmac-key", "A" * 86]
    assert "there is no such key" in run_program(wrong, env, status=1)
    run_program([*words, "--eab-kid", key["kid"], "--eab-hmac-key", key["hmac_key"]], env)
    assert used(bound, key) == "1 of 1"


def test_lego(bound: Running, tmp_path: Path) -> None:
    lego, name = require_program("lego"), f"bound-lego.{DOMAIN}"
    assert bound.register(name).returncode == 0
    hook = write_hook(bound, tmp_path / "hook", name, when='[ "$1" = present ]', value="$3")
    key = key_for(bound, "--names", name)
    words = [lego, "--server", bound.directory, "--accept-tos", "--email", "a@example.org", "--path", str(tmp_path)]
    words += ["--dns", "exec", "--dns.resolvers", f"{HOST}:{bound.ports.dns}", "--dns.disable-cp"]
    words += ["--eab", "--kid", key["kid"], "--hmac", key["hmac_key"]]
    env = {"LEGO_CA_CERTIFICATES": str(bound.root), "EXEC_PATH": str(hook), "EXEC_SEQUENCE_INTERVAL": "1"}
    run_program([*words, "--domains", name, "run"], env)
    verify(bound, tmp_path / f"certificates/{name}.crt")
    assert names_of(tmp_path / f"certificates/{name}.crt") == [name]
    # The account goes on under the key's names alone, also when the key is revoked.
    assert run("eab", "revoke", key["kid"], "--data", bound.folder).returncode == 0
    said = run_program([*words, "--domains", f"other.{DOMAIN}", "run"], env, status=1)
    assert "rejectedIdentifier" in said


def test_dehydrated(bound: Running, tmp_path: Path) -> None:
    dehydrated, key = require_program("dehydrated"), key_for(bound)
    config = tmp_path / "config"
    config.write_text(
        f'CA="{bound.directory}"\nBASEDIR="{tmp_path}"\nCURL_OPTS="--cacert {bound.root}"\n'
        f'EAB_KID="{key["kid"]}"\nEAB_HMAC_KEY="{key["hmac_key"]}"\n'
    )
    run_program([dehydrated, "--config", str(config), "--register", "--accept-terms"])
    assert used(bound, key) == "1 of 1"


def test_uacme(bound: Running, tmp_path: Path) -> None:
    key = key_for(bound)
    base = uacme(bound, tmp_path / "conf")
    run_program([*base, "--eab", f"{key['kid']}:{key['hmac_key']}", "new", "admin@example.org"])
    assert used(bound, key) == "1 of 1"
