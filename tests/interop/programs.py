"""How the interop tests run other people's programs, and check what they got."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from cryptography import x509
from josepy.b64 import b64encode
from josepy.jwk import JWK

from tests.programs import require_program
from tests.server import Running, until
from zonemint.config import DataDir, load
from zonemint.store import accounts
from zonemint.store.opening import open_store

__all__ = ["CERTBOTS", "account_of", "leaf_of", "names_of", "reason_listed", "run_program", "uacme", "verify"]

CERTBOTS = {"of the venv": str(Path(sys.executable).with_name("certbot")), "of the system": "/usr/bin/certbot"}
"""The certbot of PyPI, and the distribution's."""


def run_program(words: list[str], env: Mapping[str, str] | None = None, *, status: int = 0) -> str:
    """Run a program that must end with a status; return what it said, stderr after stdout."""
    base = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
    done = subprocess.run(
        words, env={**base, **(env or {})}, capture_output=True, text=True, timeout=90, stdin=subprocess.DEVNULL
    )
    assert done.returncode == status, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def uacme(server: Running, folder: Path, directory: str = "") -> list[str]:
    """Return the command line of uacme with an account in a folder, at the server's first directory or another one.

    It trusts the system's roots only, so it gets a view of the file system in which ours is their file.
    """
    program, private = require_program("uacme"), [require_program("unshare"), "--map-root-user", "--mount"]
    if subprocess.run([*private, "true"], capture_output=True, timeout=30).returncode and not os.environ.get(
        "ZONEMINT_REQUIRE_ALL"
    ):
        pytest.skip("mount namespaces are not allowed here")
    mount = f"mount --bind {shlex.quote(str(server.root))} /etc/ssl/certs/ca-certificates.crt"
    words = [*private, "sh", "-ec", f'{mount}; exec "$0" "$@"', program, "--yes"]
    return [*words, "--confdir", str(folder), "--acme-url", directory or server.directory, "--type", "EC"]


def verify(server: Running, chain: Path) -> None:
    """Have OpenSSL and GnuTLS accept a file with a leaf and its intermediate, knowing only the root."""
    root, file = str(server.root), str(chain)
    strict = ["-x509_strict", "-purpose", "sslserver", "-CAfile", root, "-untrusted", file]
    run_program([require_program("openssl"), "verify", *strict, file])
    run_program([require_program("certtool"), "--verify", "--load-ca-certificate", root, "--infile", file])


def names_of(chain: Path) -> list[str]:
    """Return the DNS names of the first certificate in a file."""
    names = leaf_of(chain).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return names.value.get_values_for_type(x509.DNSName)


def leaf_of(chain: Path) -> x509.Certificate:
    """Return the first certificate in a file."""
    return x509.load_pem_x509_certificates(chain.read_bytes())[0]


def reason_listed(server: Running, leaf: x509.Certificate) -> str:
    """Wait until a certificate is on the server's revocation list; return the reason there."""

    def entry() -> x509.RevokedCertificate | None:
        listed = x509.load_der_x509_crl(server.fetch("/crl"))
        return listed.get_revoked_certificate_by_serial_number(leaf.serial_number)

    until(lambda: entry() is not None, "the serial is on the list", seconds=10)
    found = entry()
    assert found is not None
    if not list(found.extensions):
        return "unspecified"
    return str(found.extensions.get_extension_for_class(x509.CRLReason).value.reason.value)


def account_of(server: Running, key: Path) -> tuple[str, str] | None:
    """Return id and status of the account that a server knows by the private key in a file."""
    # OpenSSL also reads keys that uacme wrote without their leading zeros.
    pem = run_program([require_program("openssl"), "pkey", "-in", str(key), "-pubout"])
    thumbprint = b64encode(JWK.load(pem.encode()).thumbprint()).decode()

    async def look() -> tuple[str, str] | None:
        data = DataDir(server.folder)
        db = await open_store(load(data.config).store.database, data.database)
        try:
            every = await db.read(accounts.listing())
        finally:
            await db.close()
        return next(((one.id, one.status) for one in every if one.thumbprint == thumbprint), None)

    return asyncio.run(look())
