"""How the interop tests run other people's programs, and check what they got."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from cryptography import x509

from tests.programs import require_program
from tests.server import Running

__all__ = ["names_of", "run_program", "uacme", "verify"]


def run_program(words: list[str], env: Mapping[str, str] | None = None, *, status: int = 0) -> str:
    """Run a program that must end with a status; return what it said, stderr after stdout."""
    base = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
    done = subprocess.run(
        words, env={**base, **(env or {})}, capture_output=True, text=True, timeout=90, stdin=subprocess.DEVNULL
    )
    assert done.returncode == status, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def uacme(server: Running, folder: Path) -> list[str]:
    """Return the command line of uacme with an account in a folder.

    It trusts the system's roots only, so it gets a view of the file system in which ours is their file.
    """
    program, private = require_program("uacme"), [require_program("unshare"), "--map-root-user", "--mount"]
    if subprocess.run([*private, "true"], capture_output=True, timeout=30).returncode and not os.environ.get(
        "ZONEMINT_REQUIRE_ALL"
    ):
        pytest.skip("mount namespaces are not allowed here")
    mount = f"mount --bind {shlex.quote(str(server.root))} /etc/ssl/certs/ca-certificates.crt"
    words = [*private, "sh", "-ec", f'{mount}; exec "$0" "$@"', program, "--yes"]
    return [*words, "--confdir", str(folder), "--acme-url", server.directory, "--type", "EC"]


def verify(server: Running, chain: Path) -> None:
    """Have OpenSSL and GnuTLS accept a file with a leaf and its intermediate, knowing only the root."""
    root, file = str(server.root), str(chain)
    strict = ["-x509_strict", "-purpose", "sslserver", "-CAfile", root, "-untrusted", file]
    run_program([require_program("openssl"), "verify", *strict, file])
    run_program([require_program("certtool"), "--verify", "--load-ca-certificate", root, "--infile", file])


def names_of(chain: Path) -> list[str]:
    """Return the DNS names of the first certificate in a file."""
    leaf = x509.load_pem_x509_certificates(chain.read_bytes())[0]
    return leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
