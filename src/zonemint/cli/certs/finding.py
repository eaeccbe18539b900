"""The certificate that a command line names, and what is told about one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zonemint.cli.session import Session
    from zonemint.store.certificates import Certificate
    from zonemint.store.inventory import Listed

__all__ = ["by_serial", "find", "in_file", "row", "the_very_same"]

_HEX = re.compile(r"(?:0x)?([0-9a-f:]+)")


async def find(session: Session, which: str) -> Certificate:
    """Find the certificate of a serial, else the newest one of a name; raises ConfigError."""
    from zonemint.core.errors import BadName
    from zonemint.core.names import absolute
    from zonemint.store import certificates

    found = await by_serial(session, which)
    if found is None:
        wildcard = "*." if which.startswith("*.") else ""
        try:
            name = absolute(which.removeprefix("*."), session.config.domain)
        except BadName:
            name = which
        for one in dict.fromkeys((wildcard + name, which)):
            found = found or await session.db.read(certificates.newest_of_name(one))
    if found is None:
        raise _none(which)
    return found


async def by_serial(session: Session, text: str) -> Certificate | None:
    """Find a certificate by its serial as people and other programs write it."""
    from zonemint.store import certificates

    match = _HEX.fullmatch(text.lower())
    if match is None:
        return None
    found = await session.db.read(certificates.by_serial(match[1].replace(":", "").lstrip("0")))
    return None if found is None or found.der is None else found


def in_file(file: Path) -> tuple[str, bytes]:
    """Return serial and DER of the first certificate of a PEM file; raises ConfigError."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    from zonemint.core.errors import ConfigError

    try:
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=file) from None
    except ValueError:
        raise ConfigError("there is no certificate in PEM in this file", file=file) from None
    return f"{certificate.serial_number:x}", certificate.public_bytes(Encoding.DER)


async def the_very_same(session: Session, serial: str, der: bytes) -> Certificate:
    """Find a certificate in the store; raises ConfigError when it is not the same, octet by octet."""
    from zonemint.core.errors import ConfigError

    found = await by_serial(session, serial)
    if found is None or found.der != der:
        raise ConfigError(f"the certificate in this file, with the serial {serial}, was not issued here")
    return found


def _none(text: str) -> Exception:
    from zonemint.core.errors import ConfigError

    return ConfigError(f"there is no certificate '{text}'; `zonemint certs list` shows them")


def row(certificate: Certificate | Listed) -> dict[str, object]:
    """Return the facts that lists and `show` tell, times in RFC 3339."""
    import time

    from zonemint.core.clock import rfc3339
    from zonemint.pki.crl import REASONS

    ended = certificate.status == "valid" and certificate.not_after < time.time()
    revoked_at = certificate.revoked_at
    return {
        "serial": certificate.serial,
        "status": "expired" if ended else certificate.status,
        "names": certificate.names,
        "not_before": rfc3339(certificate.not_before),
        "not_after": rfc3339(certificate.not_after),
        "issued": rfc3339(certificate.created_at),
        "key": certificate.key_hash,
        "issuer_key": certificate.issuer,
        "order": certificate.order_id,
        "account": certificate.account_id,
        "revoked": None if revoked_at is None else rfc3339(revoked_at),
        "reason": None if revoked_at is None else REASONS.get(certificate.revocation_reason or 0, "unspecified"),
        "replaced_by": certificate.replaced_by,
        **({} if (profile := getattr(certificate, "profile", None)) is None else {"profile": profile}),
    }
