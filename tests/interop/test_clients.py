"""Clients that know nothing of us: lego, dehydrated and uacme, each with a hook of a few lines around curl."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest

from tests.interop.programs import account_of, leaf_of, names_of, reason_listed, run_program, uacme, verify
from tests.programs import require_program
from tests.server import DOMAIN, HOST, Running

pytestmark = pytest.mark.interop


def write_hook(server: Running, file: Path, name: str, *, when: str, value: str) -> Path:
    """Write a script that posts a value to the account of a name; `when` and `value` are words of sh(1)."""
    account = json.loads((server.folder / "acmedns.json").read_text())[name]
    curl = [require_program("curl"), "-fsS", "--cacert", str(server.root), f"{account['server_url']}/update"]
    curl += ["-H", f"X-Api-User: {account['username']}", "-H", f"X-Api-Key: {account['password']}"]
    body = f'{{\\"subdomain\\":\\"{account["subdomain"]}\\",\\"txt\\":\\"{value}\\"}}'
    file.write_text(f'#!/bin/sh\nset -eu\n{when} || exit 0\n{shlex.join(curl)} -d "{body}" >&2\n')
    file.chmod(0o700)
    return file


def test_lego(shared: Running, tmp_path: Path) -> None:
    lego, name = require_program("lego"), f"lego.{DOMAIN}"
    assert shared.register(name).returncode == 0
    hook = write_hook(shared, tmp_path / "hook", name, when='[ "$1" = present ]', value="$3")
    words = [
        lego,
        "--server",
        shared.directory,
        "--accept-tos",
        "--email",
        "admin@example.org",
        "--path",
        str(tmp_path),
    ]
    words += ["--domains", f"*.{name}", "--domains", name, "--dns", "exec"]
    # Its own check wants the name servers on port 53.
    words += ["--dns.resolvers", f"{HOST}:{shared.ports.dns}", "--dns.disable-cp"]
    env = {"LEGO_CA_CERTIFICATES": str(shared.root), "EXEC_PATH": str(hook), "EXEC_SEQUENCE_INTERVAL": "1"}
    run_program([*words, "run"], env)
    chain = tmp_path / f"certificates/_.{name}.crt"
    verify(shared, chain)
    assert sorted(names_of(chain)) == [f"*.{name}", name]
    first = chain.read_bytes()
    run_program([*words, "renew", "--days", "100", "--no-random-sleep"], env)
    verify(shared, chain)
    assert chain.read_bytes() != first
    run_program([*words, "revoke", "--keep", "--reason", "4"], env)
    assert reason_listed(shared, leaf_of(chain)) == "superseded"


def test_dehydrated(shared: Running, tmp_path: Path) -> None:
    dehydrated, name = require_program("dehydrated"), f"dehydrated.{DOMAIN}"
    assert shared.register(name).returncode == 0
    hook = write_hook(shared, tmp_path / "hook", name, when='[ "$1" = deploy_challenge ]', value="$4")
    config = tmp_path / "config"
    config.write_text(
        f'CA="{shared.directory}"\nCHALLENGETYPE=dns-01\nHOOK="{hook}"\nBASEDIR="{tmp_path}"\n'
        f'CURL_OPTS="--cacert {shared.root}"\nKEY_ALGO=secp384r1\nKEYSIZE=3072\n'
    )
    base = [dehydrated, "--config", str(config)]
    run_program([*base, "--register", "--accept-terms"])
    run_program([*base, "--cron", "--domain", f"{name} *.{name}"])
    chain = tmp_path / "certs" / name / "fullchain.pem"
    verify(shared, chain)
    assert sorted(names_of(chain)) == [f"*.{name}", name]
    first = leaf_of(chain)
    run_program([*base, "--cron", "--force", "--domain", f"{name} *.{name}"])
    verify(shared, chain)
    assert leaf_of(chain) != first
    # It revokes with the account's key alone, and says no reason.
    cert, second = chain.with_name("cert.pem"), leaf_of(chain)
    run_program([*base, "--revoke", str(cert.resolve())])
    assert reason_listed(shared, second) == "unspecified"
    run_program([*base, "--account"])
    (key,) = tmp_path.rglob("account_key.pem")
    known = account_of(shared, key)
    assert known is not None
    run_program([*base, "--deactivate"])
    assert account_of(shared, key) == (known[0], "deactivated")


def test_uacme(shared: Running, tmp_path: Path) -> None:
    base, name = uacme(shared, tmp_path / "conf"), f"uacme.{DOMAIN}"
    assert shared.register(name).returncode == 0
    hook = write_hook(shared, tmp_path / "hook", name, when='[ "$1" = begin ]', value="$5")
    run_program([*base, "new", "admin@example.org"])
    run_program([*base, "--hook", str(hook), "issue", name, f"*.{name}"])
    chain = tmp_path / "conf" / name / "cert.pem"
    verify(shared, chain)
    assert sorted(names_of(chain)) == [f"*.{name}", name]
    run_program([*base, "update", "other@example.org"])
    key, first = tmp_path / "conf/private/key.pem", leaf_of(chain)
    known = account_of(shared, key)
    old = Path(shutil.copy(key, tmp_path / "old.pem"))
    run_program([*base, "newkey"])
    assert known is not None
    assert (account_of(shared, key), account_of(shared, old)) == (known, None)
    # The new key renews, revokes with the old one's certificate, and gives the account up.
    run_program([*base, "--hook", str(hook), "--force", "issue", name, f"*.{name}"])
    verify(shared, chain)
    second = leaf_of(chain)
    (before,) = chain.parent.glob("cert-*.pem")
    run_program([*base, "--reason", "4", "revoke", str(before)])
    assert reason_listed(shared, first) == "superseded"
    run_program([*base, "revoke", str(chain), str(tmp_path / "conf/private" / name / "key.pem")])
    assert reason_listed(shared, second) == "keyCompromise"
    run_program([*base, "deactivate"])
    assert account_of(shared, key) == (known[0], "deactivated")


@pytest.mark.parametrize("name", ["told", "*.told-wildcard"])
def test_dehydrated_as_register_tells_it(shared: Running, tmp_path: Path, name: str) -> None:
    """What is printed is pasted into a shell, and once more, as for a renewal that is not due."""
    require_program("dehydrated")
    require_program("curl")
    done = shared.register(name, "--for", "dehydrated")
    assert done.returncode == 0
    shell = ["sh", "-euc", f"cd {shlex.quote(str(tmp_path))}\n{done.stdout}"]
    run_program(shell)
    domain = f"{name}.{DOMAIN}".removeprefix("*.")
    chain = tmp_path / f"dehydrated-{domain}/certs/{domain}/fullchain.pem"
    verify(shared, chain)
    assert names_of(chain) == [f"{name}.{DOMAIN}"]
    assert "Skipping renew" in run_program(shell)
