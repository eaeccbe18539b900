"""Clients that prove a name by http-01 and tls-alpn-01: each as its own pages have it run, on other ports."""

from __future__ import annotations

import shlex
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from tests.interop.programs import CERTBOTS, leaf_of, names_of, reason_listed, run_program, uacme, verify
from tests.interop.site import Site, web_server
from tests.programs import require_program
from tests.server import HOST, until

pytestmark = pytest.mark.interop


def certbot(site: Site, folder: Path, program: str, *words: str) -> str:
    base = [require_program(program), *words, "--non-interactive"]
    base += [f"--{kind}-dir={folder}/{kind}" for kind in ("config", "work", "logs")]
    return run_program(base, {"REQUESTS_CA_BUNDLE": str(site.server.root)})


def certonly(site: Site) -> list[str]:
    return ["certonly", "--server", site.server.directory, "--agree-tos", "-m", "a@example.org"]


@pytest.mark.parametrize("program", CERTBOTS.values(), ids=CERTBOTS)
def test_certbot_standalone(site: Site, tmp_path: Path, program: str) -> None:
    """Renewed, and then revoked with the certificate's own key by a certbot that has no account."""
    name, config = site.name("certbot-new" if "venv" in program else "certbot-old"), tmp_path / "config/live"
    words = ["--standalone", "--http-01-address", HOST, "--http-01-port", str(site.http), "-d", name]
    certbot(site, tmp_path, program, *certonly(site), *words)
    chain = config / name / "fullchain.pem"
    verify(site.server, chain)
    assert names_of(chain) == [name]
    assert "http-get" in site.story(name)
    first = chain.read_bytes()
    certbot(site, tmp_path, program, "renew", "--force-renewal", "--no-random-sleep-on-renew")
    verify(site.server, chain)
    assert chain.read_bytes() != first
    key = ["--cert-path", str(chain.with_name("cert.pem")), "--key-path", str(chain.with_name("privkey.pem"))]
    revoke = ["revoke", "--server", site.server.directory, *key, "--reason", "keycompromise"]
    certbot(site, tmp_path / "other", program, *revoke, "--no-delete-after-revoke")
    assert reason_listed(site.server, leaf_of(chain)) == "keyCompromise"


@pytest.mark.parametrize("program", CERTBOTS.values(), ids=CERTBOTS)
def test_certbot_webroot(site: Site, tmp_path: Path, program: str) -> None:
    name, pages = site.name("webroot-new" if "venv" in program else "webroot-old"), tmp_path / "www"
    pages.mkdir()
    chain = tmp_path / "config/live" / name / "fullchain.pem"
    with web_server(pages, site.http):
        certbot(site, tmp_path, program, *certonly(site), "--webroot", "-w", str(pages), "-d", name)
        verify(site.server, chain)
        first = chain.read_bytes()
        certbot(site, tmp_path, program, "renew", "--force-renewal", "--no-random-sleep-on-renew")
    verify(site.server, chain)
    assert chain.read_bytes() != first
    assert names_of(chain) == [name]


@pytest.mark.parametrize(("option", "hours"), [("required", 160), ("preferred", 160), ("none", 90 * 24)])
def test_certbot_5_with_a_profile_for_a_name_and_an_address(
    site: Site, tmp_path: Path, option: str, hours: int
) -> None:
    """A profile that is preferred and not there is none (draft-ietf-acme-profiles)."""
    name, pages = site.name(f"certbot-{option}"), tmp_path / "www"
    pages.mkdir()
    profile = {"none": ["--preferred-profile", "nowhere"]}.get(option, [f"--{option}-profile", "shortlived"])
    words = ["--webroot", "-w", str(pages), "-d", name, "--ip-address", HOST, "--cert-name", name, *profile]
    with web_server(pages, site.http):
        certbot(site, tmp_path, CERTBOTS["of the venv"], *certonly(site), *words)
    chain = tmp_path / "config/live" / name / "fullchain.pem"
    verify(site.server, chain)
    leaf = leaf_of(chain)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names_of(chain) == [name]
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == [HOST]
    # Both ends belong to it (RFC 5280 section 4.1.2.5).
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == timedelta(hours=hours, seconds=-1)


@pytest.mark.parametrize("kind", ["http", "tls"])
def test_lego(site: Site, tmp_path: Path, kind: str) -> None:
    name = site.name(f"lego-{kind}")
    port = site.http if kind == "http" else site.https
    words = [require_program("lego"), "--server", site.server.directory, "--accept-tos", "--email", "a@example.org"]
    words += ["--path", str(tmp_path), "--domains", name, f"--{kind}", f"--{kind}.port", f"{HOST}:{port}"]
    env = {"LEGO_CA_CERTIFICATES": str(site.server.root)}
    run_program([*words, "run"], env)
    chain = tmp_path / f"certificates/{name}.crt"
    verify(site.server, chain)
    assert names_of(chain) == [name]
    assert {"http": "http-get", "tls": "tls-alpn"}[kind] in site.story(name)
    first = chain.read_bytes()
    run_program([*words, "renew", "--days", "100", "--no-random-sleep"], env)
    verify(site.server, chain)
    assert chain.read_bytes() != first
    run_program([*words, "revoke", "--keep", "--reason", "4"], env)
    assert reason_listed(site.server, leaf_of(chain)) == "superseded"


def test_lego_with_a_web_server_for_a_request_of_another_program(site: Site, tmp_path: Path) -> None:
    name, pages = site.name("lego-webroot"), tmp_path / "www"
    pages.mkdir()
    request = [require_program("openssl"), "req", "-new", "-newkey", "rsa:3072", "-nodes", "-subj", "/"]
    request += [
        "-keyout",
        f"{tmp_path}/key.pem",
        "-out",
        f"{tmp_path}/csr.pem",
        "-addext",
        f"subjectAltName=DNS:{name}",
    ]
    run_program(request)
    words = [require_program("lego"), "--server", site.server.directory, "--accept-tos", "--email", "a@example.org"]
    words += ["--path", str(tmp_path), "--csr", f"{tmp_path}/csr.pem", "--http", "--http.webroot", str(pages)]
    with web_server(pages, site.http):
        run_program([*words, "run"], {"LEGO_CA_CERTIFICATES": str(site.server.root)})
    chain = tmp_path / f"certificates/{name}.crt"
    verify(site.server, chain)
    assert names_of(chain) == [name]


def test_uacme_with_its_own_hook_for_a_name_and_an_address(site: Site, tmp_path: Path) -> None:
    hook = Path("/usr/share/uacme/uacme.sh")
    base = uacme(site.server, tmp_path / "conf")
    pages = tmp_path / "www/.well-known/acme-challenge"
    pages.mkdir(parents=True)
    run_program([*base, "new", "a@example.org"])
    name = site.name("uacme")
    with web_server(tmp_path / "www", site.http):
        for one in (name, HOST):
            env = {"UACME_CHALLENGE_PATH": str(pages)}
            chain = tmp_path / "conf" / one / "cert.pem"
            run_program([*base, "--hook", str(hook), "issue", one], env)
            verify(site.server, chain)
            first = chain.read_bytes()
            run_program([*base, "--hook", str(hook), "--force", "issue", one], env)
            verify(site.server, chain)
            assert chain.read_bytes() != first
    assert names_of(tmp_path / "conf" / name / "cert.pem") == [name]
    leaf = leaf_of(tmp_path / "conf" / HOST / "cert.pem")
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == [HOST]
    assert not list(leaf.subject)


def test_uacme_with_its_tls_responder(site: Site, tmp_path: Path) -> None:
    ualpn, name = require_program("ualpn"), site.name("ualpn")
    base = uacme(site.server, tmp_path / "conf")
    run_program([*base, "new", "a@example.org"])
    sock, hook = tmp_path / "ualpn.sock", tmp_path / "hook"
    hook.write_text(
        '#!/bin/sh\n[ "$2" = tls-alpn-01 ] || exit 1\n[ "$1" = begin ] || exit 0\n'
        f'printf "auth %s %s\\n" "$3" "$5" | {ualpn} -s {sock} | grep -q OK\n'
    )
    hook.chmod(0o700)
    words = [ualpn, "-v", "-b", f"{HOST}@{site.https}", "-c", f"{HOST}@1", "-s", str(sock), "-n", "1"]
    chain = tmp_path / "conf" / name / "cert.pem"
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as responder:
        try:
            until(sock.exists, "ualpn listens")
            run_program([*base, "--hook", str(hook), "issue", name])
            first = chain.read_bytes()
            run_program([*base, "--hook", str(hook), "--force", "issue", name])
        finally:
            responder.terminate()
    verify(site.server, chain)
    assert chain.read_bytes() != first
    assert "tls-alpn" in site.story(name)


def dehydrated(site: Site, folder: Path, kind: str, settings: str) -> list[str]:
    config = folder / "config"
    config.write_text(
        f'CA="{site.server.directory}"\nCHALLENGETYPE={kind}\nBASEDIR="{folder}"\n'
        f'CURL_OPTS="--cacert {site.server.root}"\nKEY_ALGO=prime256v1\nKEYSIZE=2048\n{settings}\n'
    )
    words = [require_program("dehydrated"), "--config", str(config)]
    run_program([*words, "--register", "--accept-terms"])
    return words


def test_dehydrated_with_a_web_server(site: Site, tmp_path: Path) -> None:
    name, pages = site.name("dehydrated-http"), tmp_path / "www/.well-known/acme-challenge"
    pages.mkdir(parents=True)
    words = dehydrated(site, tmp_path, "http-01", f'WELLKNOWN="{pages}"')
    chain = tmp_path / "certs" / name / "fullchain.pem"
    with web_server(tmp_path / "www", site.http):
        run_program([*words, "--cron", "--domain", name])
        verify(site.server, chain)
        first = chain.read_bytes()
        run_program([*words, "--cron", "--force", "--domain", name])
    verify(site.server, chain)
    assert chain.read_bytes() != first
    assert "http-get" in site.story(name)


def test_dehydrated_with_a_tls_server(site: Site, tmp_path: Path) -> None:
    """It makes the certificate of the challenge, and OpenSSL shows it."""
    name, hook = site.name("dehydrated-tls"), tmp_path / "hook"
    show = [require_program("openssl"), "s_server", "-quiet", "-alpn", "acme-tls/1", "-accept", f"{HOST}:{site.https}"]
    show += ["-cert", f"{tmp_path}/alpn-certs/{name}.crt.pem", "-key", f"{tmp_path}/alpn-certs/{name}.key.pem"]
    hook.write_text(
        f"#!/bin/sh\ncase $1 in\ndeploy_challenge) {shlex.join(show)} >/dev/null 2>&1 </dev/null &\n"
        f'echo $! >"{tmp_path}/pid" ;;\nclean_challenge) kill "$(cat "{tmp_path}/pid")" ;;\nesac\n'
    )
    hook.chmod(0o700)
    words = dehydrated(site, tmp_path, "tls-alpn-01", f'HOOK="{hook}"')
    run_program([*words, "--cron", "--domain", name])
    chain = tmp_path / "certs" / name / "fullchain.pem"
    first = chain.read_bytes()
    run_program([*words, "--cron", "--force", "--domain", name])
    verify(site.server, chain)
    assert chain.read_bytes() != first
    assert "tls-alpn" in site.story(name)
