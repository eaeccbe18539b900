from __future__ import annotations

import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from tests.cli.program import run
from tests.programs import require_program
from tests.server import DOMAIN, HOST, Running, running
from zonemint.app.host_certificates import IssuedHere
from zonemint.app.own_certificate import OwnCertificate
from zonemint.config import DataDir
from zonemint.pki import authority, issue
from zonemint.pki.profiles import DEFAULT
from zonemint.store.sqlite import SqliteDatabase

DAY = 86400.0
NAMES = (f"ca.{DOMAIN}", f"ns1.{DOMAIN}", f"auth.{DOMAIN}", "localhost")


def presented(server: Running, name: str) -> x509.Certificate:
    """Connect as a client that trusts only the root and asks for a name; return the leaf."""
    with (
        socket.create_connection((HOST, server.ports.https), timeout=30) as raw,
        server.trust().wrap_socket(raw, server_hostname=name) as secure,
    ):
        der = secure.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der)


@pytest.mark.parametrize("name", [*NAMES, HOST])
def test_it_is_good_for_each_of_our_names(shared: Running, name: str) -> None:
    presented(shared, name)


@pytest.mark.parametrize("name", [f"www.{DOMAIN}", "10.0.0.1"])
def test_it_is_not_good_for_other_names(shared: Running, name: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="match"):
        presented(shared, name)


def test_others_verify_the_chain_too(shared: Running) -> None:
    openssl, certtool = require_program("openssl"), require_program("certtool")
    roots, own = str(shared.root), str(shared.folder / "pki/server.crt")
    strict = ["-x509_strict", "-purpose", "sslserver", "-verify_hostname", "localhost"]
    commands = [
        [openssl, "verify", *strict, "-CAfile", roots, "-untrusted", own, own],
        [certtool, "--verify", "--load-ca-certificate", roots, "--infile", own],
    ]
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_client_gets_the_chain_with_the_intermediate(shared: Running) -> None:
    openssl = require_program("openssl")
    words = [openssl, "s_client", "-connect", f"{HOST}:{shared.ports.https}", "-servername", "localhost", "-showcerts"]
    words += ["-verify_return_error", "-CAfile", str(shared.root)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("BEGIN CERTIFICATE") == 2
    assert "Verify return code: 0 (ok)" in done.stdout


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that ran once on a folder that the tests of this module then spoil."""
    with running(tmp_path_factory.mktemp("own") / "data") as server:
        server.end()
        yield server


@pytest.mark.parametrize("lack", ["the certificate", "the key", "the match of both", "its young age", "a name"])
async def test_a_certificate_that_does_not_do_is_replaced_at_the_start(stopped: Running, lack: str) -> None:
    data = DataDir(stopped.folder)
    old = data.server_certificate.read_bytes() if data.server_certificate.exists() else b""
    match lack:
        case "the certificate":
            data.server_certificate.unlink(missing_ok=True)
        case "the key":
            data.server_key.write_text("no key\n")
        case "the match of both":
            text = data.server_certificate.read_text()
            await own(data, NAMES, time.time())
            data.server_certificate.write_text(text)
        case "its young age":
            # It ends in a quarter of an hour, and began with its issuer.
            await own(data, NAMES, time.time() - 90 * DAY + 4500)
            old = data.server_certificate.read_bytes()
        case "a name":
            await own(data, ("localhost",), time.time())
            old = data.server_certificate.read_bytes()
    with running(stopped.folder) as server:
        leaf = presented(server, "localhost")
        assert data.server_certificate.read_bytes() != old
        assert leaf.not_valid_after_utc.timestamp() > time.time() + 60 * DAY
        for name in NAMES:
            presented(server, name)


async def own(data: DataDir, names: tuple[str, ...], now: float) -> None:
    """Put a certificate of our CA into the folder, made at another time or for other names."""
    data.server_certificate.unlink(missing_ok=True)
    made = authority.load(data.pki, now=time.time())
    template = issue.template(
        made.current, DEFAULT, crl_url="http://ca.lab.test/crl", issuer_url="http://ca.lab.test/i.crt"
    )
    db = SqliteDatabase(data.database)
    try:
        issuer = IssuedHere(db, lambda: template, lambda: now)
        await OwnCertificate(db, data, lambda: made, lambda: issuer, names, (HOST, "::1"), lambda: now).renew_if_due()
    finally:
        await db.close()


async def test_it_is_swapped_live_when_two_thirds_of_its_life_are_over(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    made = authority.create(data.pki, name="Lab", domains=(DOMAIN,), now=time.time() - 61 * DAY)
    template = issue.template(
        made.current, DEFAULT, crl_url="http://ca.lab.test/crl", issuer_url="http://ca.lab.test/i.crt"
    )
    now = time.time() - 61 * DAY  # what is issued then is still good for the handshakes of today
    db = SqliteDatabase(data.database)
    try:
        issuer = IssuedHere(db, lambda: template, lambda: now)
        kept = OwnCertificate(db, data, lambda: made, lambda: issuer, ("localhost",), (), lambda: now)
        await kept.renew_if_due()
        trust = ssl.create_default_context(cafile=str(data.pki / "root.crt"))
        context = kept.contexts.make()
        first = handshake(context, trust)
        now += 59 * DAY
        await kept.renew_if_due()
        assert handshake(context, trust) == first
        now += 2 * DAY
        await kept.renew_if_due()
        assert handshake(context, trust) != first
    finally:
        await db.close()


def handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> bytes:
    """Shake hands in memory, without a socket; return the server's certificate."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    other = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (one, other, one, other):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    der = one.getpeercert(binary_form=True)
    assert der is not None
    return der


def test_a_revoked_one_is_replaced_at_the_next_start(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        revoked = presented(server, "localhost").serial_number
        assert run("certs", "revoke", f"{revoked:x}", "--data", server.folder).returncode == 0
    with running(tmp_path / "data") as server:
        assert presented(server, "localhost").serial_number != revoked
