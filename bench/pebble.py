"""The other side of the issuance benchmark: Debian's pebble."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
from bench.own_server import DOMAIN, Running, free_port

__all__ = ["pebble", "pebble_program"]

_START = 10.0  # seconds


def pebble_program() -> str | None:
    """Find pebble, if it is installed."""
    return shutil.which("pebble", path="/usr/bin:/usr/local/bin")


@contextmanager
def pebble(folder: Path, certificates: int) -> Iterator[Running]:
    """Run pebble at its fastest: every challenge holds at once, no nonce is refused, nothing is looked for to reuse."""
    program = pebble_program()
    assert program is not None
    port = free_port()
    certificate, key = _localhost_certificate(folder)
    config = {
        "listenAddress": f"127.0.0.1:{port}",
        "managementListenAddress": f"127.0.0.1:{free_port()}",
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
    names = [f"h{number:06}.{DOMAIN}" for number in range(certificates)]
    jobs = [Job(name, certificate_request(name)) for name in names]
    command = pinned(0, [program, "-config", str(settings), "-strict=false"])
    silent = subprocess.DEVNULL
    with running(command, stdout=silent, stderr=silent, env={**os.environ, **fast}) as child:
        _wait_for(port)
        yield Running(child.pid, port, "/dir", ssl.create_default_context(cafile=str(certificate)), jobs)


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
