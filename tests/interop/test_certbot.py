"""certbot, ours from PyPI and the distribution's, with our hook."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.program import run
from tests.interop.programs import CERTBOTS, leaf_of, names_of, reason_listed, run_program, verify
from tests.programs import require_program
from tests.server import DOMAIN, HOST, Running
from zonemint.clients import certbot_hook

pytestmark = pytest.mark.interop

VENV = Path(sys.executable).parent
Certbot = Callable[..., str]


@pytest.fixture(params=CERTBOTS)
def certbot(request: pytest.FixtureRequest, shared: Running, tmp_path: Path) -> Certbot:
    """Run certbot without questions, with folders of its own and what `register` says in its environment."""
    program = require_program(CERTBOTS[request.param])

    def call(*words: str, status: int = 0) -> str:
        folders = [f"--{kind}-dir={tmp_path}/{kind}" for kind in ("config", "work", "logs")]
        env = {
            "PATH": f"{VENV}:/usr/bin:/bin",
            "ACMEDNS_STORAGE": str(shared.folder / "acmedns.json"),
            "ACMEDNS_RESOLVER": f"{HOST}:{shared.ports.dns}",
            "REQUESTS_CA_BUNDLE": str(shared.root),
        }
        return run_program([program, *words, *folders, "--non-interactive"], env, status=status)

    return call


def certonly(server: Running, *names: str) -> list[str]:
    """The command line of the how-to, for names."""
    words = ["certonly", "--manual", "--manual-auth-hook", "zonemint-certbot-hook", "--preferred-challenges", "dns"]
    words += ["--debug-challenges", "--server", server.directory, "--agree-tos", "-m", "admin@example.org"]
    return words + [word for name in names for word in ("-d", name)]


def lineage(tmp_path: Path, name: str) -> Path:
    return tmp_path / "config/live" / name / "fullchain.pem"


def test_a_certificate_its_renewal_and_its_revocation(shared: Running, certbot: Certbot, tmp_path: Path) -> None:
    name = f"server-1.{DOMAIN}"
    assert shared.register(name).returncode == 0
    said = certbot(*certonly(shared, name))
    assert "IN CNAME" not in said
    chain = lineage(tmp_path, name)
    verify(shared, chain)
    assert names_of(chain) == [name]
    first = chain.read_bytes()
    certbot("renew", "--force-renewal", "--no-random-sleep-on-renew")
    verify(shared, chain)
    assert chain.read_bytes() != first
    certbot("revoke", "--cert-name", name, "--reason", "superseded", "--no-delete-after-revoke")
    assert reason_listed(shared, leaf_of(chain)) == "superseded"


def test_a_wildcard_and_its_base_in_one_certificate(shared: Running, certbot: Certbot, tmp_path: Path) -> None:
    name = f"apps.{DOMAIN}"
    assert shared.register(name).returncode == 0
    certbot(*certonly(shared, f"*.{name}", name))
    chain = lineage(tmp_path, name)
    verify(shared, chain)
    assert sorted(names_of(chain)) == [f"*.{name}", name]


def test_an_account_is_changed_and_given_up(shared: Running, certbot: Certbot) -> None:
    server = ["--server", shared.directory]
    certbot("register", *server, "--agree-tos", "-m", "one@example.org")
    certbot("update_account", *server, "-m", "two@example.org")
    assert "two@example.org" in certbot("show_account", *server)
    certbot("unregister", *server)
    certbot("show_account", *server, status=1)


def test_the_line_that_register_prints_works_as_it_is(shared: Running, tmp_path: Path) -> None:
    """Word for word, but for what keeps it from asking, and from the system's folders."""
    name = f"pasted.{DOMAIN}"
    line = shlex.split(shared.register(name).stdout)
    line += [f"--{kind}-dir={tmp_path}/{kind}" for kind in ("config", "work", "logs")]
    line += ["--non-interactive", "--agree-tos", "-m", "admin@example.org"]
    run_program(line, {"PATH": f"{VENV}:/usr/bin:/bin", "ACMEDNS_RESOLVER": f"{HOST}:{shared.ports.dns}"})
    verify(shared, lineage(tmp_path, name))


@pytest.mark.parametrize("certbot", ["of the venv"], indirect=True)
def test_a_revoked_certificate_is_renewed_at_the_next_look(shared: Running, certbot: Certbot, tmp_path: Path) -> None:
    """certbot 5 asks when to renew (RFC 9773), and is told: now."""
    name = f"told-to-renew.{DOMAIN}"
    assert shared.register(name).returncode == 0
    certbot(*certonly(shared, name))
    chain = lineage(tmp_path, name)
    first = chain.read_bytes()
    serial = leaf_of(chain).serial_number
    done = run("certs", "revoke", f"{serial:x}", "--data", shared.folder)
    assert done.returncode == 0, done.stderr
    certbot("renew", "--no-random-sleep-on-renew")
    assert "ari_retry_after" in (tmp_path / f"config/renewal/{name}.conf").read_text()
    assert "errors occurred" not in (tmp_path / "logs/letsencrypt.log").read_text()
    assert chain.read_bytes() != first
    verify(shared, chain)
    # Of the new one it is told that there is time.
    second = chain.read_bytes()
    certbot("renew", "--no-random-sleep-on-renew")
    assert chain.read_bytes() == second


@pytest.mark.parametrize("certbot", ["of the venv"], indirect=True)
def test_a_failing_order_says_why(shared: Running, certbot: Certbot) -> None:
    """The hook sets the value of an account that the alias does not lead to."""
    name = f"astray.{DOMAIN}"
    assert shared.register(name).returncode == 0
    file = shared.folder / "acmedns.json"
    accounts = json.loads(file.read_text())
    accounts[name] = {**json.loads(shared.get("/register", body=b"")), "server_url": shared.url}
    file.write_text(json.dumps(accounts))
    said = certbot(*certonly(shared, name), status=1)
    assert f"_acme-challenge.{name}" in said
    assert f"{HOST}" in said
    listed = json.loads(run("orders", "list", "--json", "--data", shared.folder).stdout)
    (order,) = [one for one in listed if one["names"] == [name]]
    story = run("orders", "explain", order["id"], "--data", shared.folder).stdout
    first, why, *events = story.splitlines()
    assert first == f"order {order['id']} for {name}: invalid"
    assert why.startswith("why: ")
    assert why.removeprefix("why: ") in re.sub(r"\s+", " ", said)
    assert any("CNAME" in event for event in events)


def test_the_plugin_of_pypi_reads_what_register_keeps(shared: Running, tmp_path: Path) -> None:
    """certbot-dns-acmedns. The other one there, certbot-acme-dns, wants a function that certbot 5 no longer has."""
    name = f"pypi.{DOMAIN}"
    assert shared.register(name, "--storage", tmp_path / "acmedns.json").returncode == 0
    settings = tmp_path / "acmedns.ini"
    settings.write_text(
        f"dns_acmedns_api_url = {shared.url}\ndns_acmedns_registration_file = {tmp_path}/acmedns.json\n"
    )
    settings.chmod(0o600)
    words = [str(VENV / "certbot"), "certonly", "-a", "dns-acmedns", "--dns-acmedns-credentials", str(settings)]
    words += ["--dns-acmedns-propagation-seconds", "0", "--server", shared.directory]
    words += ["-d", f"*.{name}", "-d", name, "--non-interactive", "--agree-tos", "-m", "admin@example.org"]
    words += [f"--{kind}-dir={tmp_path}/{kind}" for kind in ("config", "work", "logs")]
    run_program(words, {"REQUESTS_CA_BUNDLE": str(shared.root)})
    verify(shared, lineage(tmp_path, name))
    assert sorted(names_of(lineage(tmp_path, name))) == [f"*.{name}", name]


def test_the_command_of_the_seed_as_it_stands(shared: Running, tmp_path: Path) -> None:
    """Its words in their order, and certbot's prompts as a person has them; the rest is configuration."""
    name = f"server-1.seed.{DOMAIN}"
    assert shared.register(name).returncode == 0
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    (bin_ / "acme-dns-auth.py").write_text(Path(certbot_hook.__file__).read_text())
    (bin_ / "acme-dns-auth.py").chmod(0o755)
    line = (
        "certbot certonly --manual --manual-auth-hook acme-dns-auth.py --preferred-challenges dns --debug-challenges "
        f"-d {name} --server {shared.directory}"
    )
    etc = tmp_path / "etc/letsencrypt"
    etc.mkdir(parents=True)
    folders = "".join(f"{kind}-dir = {tmp_path}/{kind}\n" for kind in ("config", "work", "logs"))
    (etc / "cli.ini").write_text(f"{folders}agree-tos = true\nemail = admin@example.org\nno-eff-email = true\n")
    env = {
        "PATH": f"{bin_}:{VENV}:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "XDG_CONFIG_HOME": str(etc.parent),
        "ACMEDNS_STORAGE": str(shared.folder / "acmedns.json"),
        "ACMEDNS_RESOLVER": f"{HOST}:{shared.ports.dns}",
        "REQUESTS_CA_BUNDLE": str(shared.root),
    }
    done = subprocess.run(
        shlex.split(line), env=env, input="\n\n\n", capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Challenges loaded. Press continue to submit to CA." in done.stdout
    verify(shared, lineage(tmp_path, name))
