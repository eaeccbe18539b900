"""With a token of ours, clients on other machines need no step by hand: the server makes the CNAME."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.cli.program import run
from tests.interop.programs import names_of, run_program, verify
from tests.server import DOMAIN, HOST, Running

pytestmark = pytest.mark.interop

CERTBOT = str(Path(sys.executable).with_name("certbot"))


def token_for(server: Running, *names: str) -> str:
    words = [word for name in names for word in ("--name", name)]
    done = run("tokens", "create", "--right", "register", "--right", "storage", *words, "--data", server.folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_certbot_plugin_with_a_token(shared: Running, tmp_path: Path) -> None:
    name = f"plugged-token.{DOMAIN}"
    settings = tmp_path / "zonemint.ini"
    settings.write_text(f"dns_zonemint_token = {token_for(shared, name)}\n")
    settings.chmod(0o600)
    folders = [f"--{kind}-dir={tmp_path}/{kind}" for kind in ("config", "work", "logs")]
    words = [CERTBOT, "certonly", "-a", "dns-zonemint", "--dns-zonemint-credentials", str(settings)]
    words += ["--dns-zonemint-resolver", f"{HOST}:{shared.ports.dns}", "--server", shared.directory]
    words += ["-d", f"*.{name}", "-d", name, "--agree-tos", "-m", "admin@example.org", "--non-interactive", *folders]
    env = {"REQUESTS_CA_BUNDLE": str(shared.root)}
    assert "IN CNAME" not in run_program(words, env)
    chain = tmp_path / "config/live" / name / "fullchain.pem"
    verify(shared, chain)
    assert sorted(names_of(chain)) == [f"*.{name}", name]
    account = json.loads((tmp_path / "config/acmedns.json").read_text())[name]
    assert shared.answers(f"_acme-challenge.{name}", "CNAME") == [f"{account['fulldomain']}."]
    run_program([CERTBOT, "renew", "--force-renewal", "--no-random-sleep-on-renew", *folders], env)
    verify(shared, chain)


def test_the_certbot_plugin_with_a_token_for_another_name(shared: Running, tmp_path: Path) -> None:
    """The right to one name makes no CNAME of another, and the person is told what to do."""
    name = f"plugged-other.{DOMAIN}"
    settings = tmp_path / "zonemint.ini"
    settings.write_text(f"dns_zonemint_token = {token_for(shared, f'mine.{DOMAIN}')}\n")
    settings.chmod(0o600)
    words = [CERTBOT, "certonly", "-a", "dns-zonemint", "--dns-zonemint-credentials", str(settings)]
    words += ["--dns-zonemint-resolver", f"{HOST}:{shared.ports.dns}", "--server", shared.directory]
    words += ["-d", name, "--agree-tos", "-m", "admin@example.org", "--non-interactive"]
    words += [f"--{kind}-dir={tmp_path}/{kind}" for kind in ("config", "work", "logs")]
    said = run_program(words, {"REQUESTS_CA_BUNDLE": str(shared.root)}, status=1)
    assert "answered 403: forbidden" in said
    assert f"_acme-challenge.{name}. IN CNAME " in said
    assert shared.answers(f"_acme-challenge.{name}", "CNAME") == []


def test_lego_with_our_storage(shared: Running, tmp_path: Path, lego_library: str) -> None:
    """A name that nobody prepared, in one run: 201 lets it go on."""
    name = f"library-storage.{DOMAIN}"
    base = shared.url.replace("https://", f"https://zonemint:{token_for(shared, name)}@")
    env = {"ACME_DNS_API_BASE": base, "ACME_DNS_STORAGE_BASE_URL": f"{base}/storage"}
    env |= {"LEGO_CA_CERTIFICATES": str(shared.root), "SSL_CERT_FILE": str(shared.root)}
    chain = tmp_path / "chain.pem"
    for _ in range(2):
        run_program([lego_library, shared.directory, f"{HOST}:{shared.ports.dns}", str(chain), f"*.{name},{name}"], env)
        verify(shared, chain)
        assert sorted(names_of(chain)) == [f"*.{name}", name]
