"""Real clients at a provisioner that makes accounts only with a key of `zonemint eab create`, and orders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.program import run
from tests.interop.programs import CERTBOTS, names_of, run_program, uacme, verify
from tests.interop.site import Site, web_server
from tests.programs import require_program
from tests.server import DOMAIN, HOST

pytestmark = pytest.mark.interop


def key_for(site: Site, *words: str) -> dict[str, str]:
    done = run("eab", "create", "--provisioner", "bound", "--json", *words, "--data", site.server.folder)
    assert done.returncode == 0, done.stderr
    made: dict[str, str] = json.loads(done.stdout)
    return made


def used(site: Site, key: dict[str, str]) -> str:
    listed = json.loads(run("eab", "list", "--json", "--data", site.server.folder).stdout)
    return str(next(one["used"] for one in listed if one["kid"] == key["kid"]))


@pytest.mark.parametrize("program", CERTBOTS.values(), ids=CERTBOTS)
def test_certbot(site: Site, tmp_path: Path, program: str) -> None:
    name, pages = site.name("bound-certbot-new" if "venv" in program else "bound-certbot-old"), tmp_path / "www"
    pages.mkdir()
    server = ["--server", site.bound, "--agree-tos", "-m", "a@example.org", "-n"]
    server += [f"--{kind}-dir={tmp_path}/{kind}" for kind in ("config", "work", "logs")]
    register, env = [require_program(program), "register", *server], {"REQUESTS_CA_BUNDLE": str(site.server.root)}
    key = key_for(site)
    said = run_program(register, env, status=1)
    assert "xternal account" in said or "EAB" in said
    wrong = [*register, "--eab-kid", key["kid"], "--eab-hmac-key", "A" * 86]
    assert "there is no such key" in run_program(wrong, env, status=1)
    run_program([*register, "--eab-kid", key["kid"], "--eab-hmac-key", key["hmac_key"]], env)
    assert used(site, key) == "1 of 1"
    with web_server(pages, site.http):
        run_program([program, "certonly", *server, "--webroot", "-w", str(pages), "-d", name], env)
    verify(site.server, tmp_path / "config/live" / name / "fullchain.pem")


def test_lego(site: Site, tmp_path: Path) -> None:
    server, lego, name = site.server, require_program("lego"), site.name("bound-lego")
    key = key_for(site, "--names", name)
    words = [lego, "--server", site.bound, "--accept-tos", "--email", "a@example.org", "--path", str(tmp_path)]
    words += ["--http", "--http.port", f"{HOST}:{site.http}"]
    words += ["--eab", "--kid", key["kid"], "--hmac", key["hmac_key"]]
    env = {"LEGO_CA_CERTIFICATES": str(server.root)}
    run_program([*words, "--domains", name, "run"], env)
    verify(server, tmp_path / f"certificates/{name}.crt")
    assert names_of(tmp_path / f"certificates/{name}.crt") == [name]
    # The account goes on under the key's names alone, also when the key is revoked.
    assert run("eab", "revoke", key["kid"], "--data", server.folder).returncode == 0
    said = run_program([*words, "--domains", f"other.{DOMAIN}", "run"], env, status=1)
    assert "rejectedIdentifier" in said


def test_dehydrated(site: Site, tmp_path: Path) -> None:
    dehydrated, key, name = require_program("dehydrated"), key_for(site), site.name("bound-dehydrated")
    config, pages = tmp_path / "config", tmp_path / "www/.well-known/acme-challenge"
    pages.mkdir(parents=True)
    config.write_text(
        f'CA="{site.bound}"\nBASEDIR="{tmp_path}"\nCURL_OPTS="--cacert {site.server.root}"\n'
        f'EAB_KID="{key["kid"]}"\nEAB_HMAC_KEY="{key["hmac_key"]}"\nWELLKNOWN="{pages}"\n'
        "KEY_ALGO=prime256v1\nKEYSIZE=2048\n"
    )
    run_program([dehydrated, "--config", str(config), "--register", "--accept-terms"])
    assert used(site, key) == "1 of 1"
    with web_server(tmp_path / "www", site.http):
        run_program([dehydrated, "--config", str(config), "--cron", "--domain", name])
    verify(site.server, tmp_path / "certs" / name / "fullchain.pem")


def test_uacme(site: Site, tmp_path: Path) -> None:
    key, name = key_for(site), site.name("bound-uacme")
    pages = tmp_path / "www/.well-known/acme-challenge"
    pages.mkdir(parents=True)
    base = uacme(site.server, tmp_path / "conf", site.bound)
    run_program([*base, "--eab", f"{key['kid']}:{key['hmac_key']}", "new", "admin@example.org"])
    assert used(site, key) == "1 of 1"
    with web_server(tmp_path / "www", site.http):
        words = [*base, "--hook", "/usr/share/uacme/uacme.sh", "issue", name]
        run_program(words, {"UACME_CHALLENGE_PATH": str(pages)})
    verify(site.server, tmp_path / "conf" / name / "cert.pem")
