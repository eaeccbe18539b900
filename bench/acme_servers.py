"""The two sides of the issuance benchmark: `zonemint up` on a fresh folder, and Debian's pebble."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from bench.acme_client import Job, certificate_request
from bench.cpu import pinned, running
from zonemint.acmedns import accounts
from zonemint.app.dynamic import change
from zonemint.app.zones import auth_of
from zonemint.config import DataDir, load
from zonemint.store import txt
from zonemint.store.database import Steps
from zonemint.store.records import DynamicRecord
from zonemint.store.sqlite import SqliteDatabase

__all__ = ["Running", "ours", "pebble", "pebble_program"]

DOMAIN = "bench.test"
_START = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers, and what its clients need."""

    pid: int
    port: int
    directory: str
    context: ssl.SSLContext
    jobs: Sequence[Job]


@contextmanager
def ours(folder: Path, certificates: int) -> Iterator[Running]:
    """Run `zonemint up` on a new folder in which the names have their accounts and aliases."""
    data, port = DataDir(folder / "zonemint"), _free_port()
    zonemint = str(Path(sys.executable).with_name("zonemint"))
    where = ["--data", str(data.path), "--domain", DOMAIN]
    subprocess.run([zonemint, "init", *where], check=True, capture_output=True, timeout=_START)
    jobs = asyncio.run(_registered(data, certificates))
    listen = ["--listen", "127.0.0.1", "--dns-port", "0", "--http-port", "0", "--https-port", str(port)]
    command = [zonemint, "up", *where, *listen, "--external-url", f"https://localhost:{port}"]
    with running(pinned(0, command), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdout is not None
        if not any(line.startswith("ready") for line in child.stdout):
            raise RuntimeError("zonemint up did not become ready")
        context = ssl.create_default_context(cafile=str(data.pki / "root.crt"))
        yield Running(child.pid, port, "/acme/acme/directory", context, jobs)


async def _registered(data: DataDir, certificates: int) -> list[Job]:
    """Do for all names at once what `zonemint register` does for one, and return what is to be ordered."""
    config = load(data.config)
    zone, now_ms = config.domain, int(time.time() * 1000)
    names = [f"h{number}.{zone}" for number in range(certificates)]
    made = [accounts.new(auth_of(config), (), "bench", now_ms=now_ms) for _ in names]

    def alias(name: str, target: str) -> DynamicRecord:
        return DynamicRecord(zone, f"_acme-challenge.{name}", "CNAME", f"{target}.", 300, now_ms, "bench")

    def insert() -> Steps[None]:
        for account, _ in made:
            yield from txt.insert(account)

    db = SqliteDatabase(data.database)
    try:
        aliases = [alias(name, account.fulldomain) for name, (account, _) in zip(names, made, strict=True)]
        await change(db, config, data, zone, actor="bench", add=aliases, also=insert)
    finally:
        await db.close()
    return [
        Job(name, certificate_request(name), {"X-Api-User": one.username, "X-Api-Key": one.password}, one.subdomain)
        for name, (_, one) in zip(names, made, strict=True)
    ]


def pebble_program() -> str | None:
    """Find pebble, if it is installed."""
    return shutil.which("pebble", path="/usr/bin:/usr/local/bin")


@contextmanager
def pebble(folder: Path, certificates: int) -> Iterator[Running]:
    """Run pebble at its fastest: every challenge holds at once, no nonce is refused, nothing is looked for to reuse."""
    program = pebble_program()
    assert program is not None
    port = _free_port()
    certificate, key = _localhost_certificate(folder)
    config = {
        "listenAddress": f"127.0.0.1:{port}",
        "managementListenAddress": f"127.0.0.1:{_free_port()}",
        "certificate": str(certificate),
        "privateKey": str(key),
        "httpPort": 5002,
        "tlsPort": 5001,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": False,
    }
    settings = folder / "pebble.json"
    settings.write_text(json.dumps({"pebble": config}))
    fast = {
        "PEBBLE_VA_ALWAYS_VALID": "1",
        "PEBBLE_VA_NOSLEEP": "1",
        "PEBBLE_WFE_NONCEREJECT": "0",
        "PEBBLE_AUTHZREUSE": "0",
    }
    names = [f"h{number}.{DOMAIN}" for number in range(certificates)]
    jobs = [Job(name, certificate_request(name)) for name in names]
    command = pinned(0, [program, "-config", str(settings), "-strict=false"])
    silent = subprocess.DEVNULL
    with running(command, stdout=silent, stderr=silent, env={**os.environ, **fast}) as child:
        _wait_for(port)
        yield Running(child.pid, port, "/dir", ssl.create_default_context(cafile=str(certificate)), jobs)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + _START
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _localhost_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a P-256 key, as our own listener has one, and a certificate that it signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    hosts = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    usage = x509.KeyUsage(True, False, False, False, False, True, False, False, False)
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(hosts, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    certificate_file, key_file = folder / "pebble.crt", folder / "pebble.key"
    certificate_file.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate_file, key_file
