"""Chain verifiers that are not our issuer; each says whether a TLS client that trusts only the root takes a chain."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.x509 import verification

from tests.pki.conftest import Ca
from tests.programs import require_program
from zonemint.pki import issue
from zonemint.pki.issue import Issued

__all__ = ["VERIFIERS", "Verifier"]

Verifier = Callable[[Ca, Issued, str, Path], str | None]
"""Returns None for an accepted chain, else what the verifier said."""


def _openssl(ca: Ca, leaf: Issued, name: str, folder: Path) -> str | None:
    (folder / "leaf.pem").write_bytes(issue.pem(leaf.der))
    return _failure(
        require_program("openssl"),
        "verify",
        "-x509_strict",
        *("-purpose", "sslserver"),
        *("-verify_ip" if _is_ip(name) else "-verify_hostname", name),
        *("-CAfile", str(ca.folder / "root.crt")),
        *("-untrusted", str(ca.folder / "intermediate.crt")),
        str(folder / "leaf.pem"),
    )


def _gnutls(ca: Ca, leaf: Issued, name: str, folder: Path) -> str | None:
    (folder / "chain.pem").write_bytes(issue.pem(leaf.der) + ca.authority.current.chain_pem())
    return _failure(
        require_program("certtool"),
        "--verify",
        *("--verify-purpose", "1.3.6.1.5.5.7.3.1"),
        *("--verify-hostname", name),
        *("--load-ca-certificate", str(ca.folder / "root.crt")),
        *("--infile", str(folder / "chain.pem")),
    )


def _cryptography(ca: Ca, leaf: Issued, name: str, _folder: Path) -> str | None:
    subject = x509.IPAddress(ip_address(name)) if _is_ip(name) else x509.DNSName(name)
    verifier = (
        verification.PolicyBuilder()
        .store(verification.Store([ca.authority.root]))
        .time(datetime.fromtimestamp(ca.now, UTC))
        .build_server_verifier(subject)
    )
    try:
        verifier.verify(x509.load_der_x509_certificate(leaf.der), [ca.authority.intermediate])
    except verification.VerificationError as error:
        return str(error)
    return None


VERIFIERS: dict[str, Verifier] = {"openssl": _openssl, "gnutls": _gnutls, "cryptography": _cryptography}


def _is_ip(name: str) -> bool:
    return ":" in name or name.rsplit(".", 1)[-1].isdigit()


def _failure(*command: str) -> str | None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    return None if done.returncode == 0 else done.stdout + done.stderr
