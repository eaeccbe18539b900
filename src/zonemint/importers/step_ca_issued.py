"""What step-ca issued and revoked: rows of its SQL store, and lists of revoked serials, each checked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from cryptography import x509

from zonemint.core.errors import ForeignDataError
from zonemint.core.text import shown
from zonemint.core.unreadable import UNREADABLE
from zonemint.importers.findings import Refused
from zonemint.pki.keys import spki_sha256

__all__ = ["NOTHING", "Account", "Content", "Issued", "Revocation", "accounts", "certificate", "revoked_in", "unknown"]

_LARGEST = 1 << 26  # octets of a list of revoked certificates
_SERIAL = re.compile(r"[0-9]{1,49}|0x[0-9a-fA-F]{1,40}")  # at most 20 octets
_ACCOUNT = re.compile(r"[A-Za-z0-9]{1,64}")
_REASONS = range(11)  # RFC 5280 section 5.3.1


class Revocation(NamedTuple):
    """Since when, in seconds, and why, as the code of RFC 5280 section 5.3.1."""

    at: int
    reason: int


class Issued(NamedTuple):
    """A certificate; of one of which only the serial is known, `der` is None and the end is the issuer's.

    `serial` is lower hex, `key_hash` the hex SHA-256 of the SPKI, `provisioner` type and name, and `account` the
    id of the ACME account, empty where there is none.
    """

    serial: str
    der: bytes | None
    names: tuple[str, ...]
    key_hash: str
    not_before: int
    not_after: int
    provisioner: tuple[str, str]
    account: str
    revoked: Revocation | None


class Account(NamedTuple):
    """An ACME account; `jwk` is what step-ca keeps of its key, and to be checked."""

    id: str
    provisioner: str
    jwk: dict[str, Any]
    status: str
    contacts: tuple[str, ...]
    created_at: int


class Content(NamedTuple):
    """What a store holds that has not ended; `ended` is how many certificates have."""

    certificates: tuple[Issued, ...]
    accounts: tuple[Account, ...]
    ended: int
    refused: tuple[Refused, ...]


NOTHING = Content((), (), 0, ())


class _Revoked(msgspec.Struct, frozen=True):
    at: datetime = msgspec.field(name="RevokedAt")
    reason: int = msgspec.field(name="ReasonCode", default=0)
    ends: datetime | None = msgspec.field(name="ExpiresAt", default=None)


class _Provisioner(msgspec.Struct, frozen=True):
    name: str = ""
    type: str = ""


class _Data(msgspec.Struct, frozen=True):
    provisioner: _Provisioner | None = None


class _AcmeCertificate(msgspec.Struct, frozen=True):
    account: str = msgspec.field(name="accountID", default="")


class _Account(msgspec.Struct, frozen=True):
    id: str
    key: dict[str, Any]
    status: str
    created: datetime = msgspec.field(name="createdAt")
    contact: tuple[str, ...] | None = None
    provisioner: str = msgspec.field(name="provisionerName", default="")


def certificate(
    der: bytes, data: bytes | None, acme: bytes | None, revoked: bytes | None, *, issuer: x509.Certificate, now: float
) -> Issued | None:
    """Read a certificate with what is told of it in JSON; None for one that has ended. Raises ValueError."""
    try:
        found = x509.load_der_x509_certificate(der)
        not_after = int(found.not_valid_after_utc.timestamp())
        if not_after < now:
            return None
        names = _names(found)
        key_hash = spki_sha256(found.public_key())
    except UNREADABLE:
        raise ValueError("it is no certificate that can be read") from None
    try:
        found.verify_directly_issued_by(issuer)
    except Exception:
        raise ValueError("another issuer signed it") from None
    told = _decode(data, _Data).provisioner or _Provisioner() if data else _Provisioner()
    return Issued(
        f"{found.serial_number:x}",
        der,
        names,
        key_hash,
        int(found.not_valid_before_utc.timestamp()),
        not_after,
        (told.type, told.name),
        _decode(acme, _AcmeCertificate).account if acme else "",
        _revocation(_decode(revoked, _Revoked)) if revoked else None,
    )


def unknown(serial: str, revoked: bytes, *, issuer: x509.Certificate, now: float) -> Issued | None:
    """Read a revocation of which the certificate is not there; None where that has ended. Raises ValueError."""
    told = _decode(revoked, _Revoked)
    ends = int(told.ends.timestamp()) if told.ends is not None and told.ends.year > 1 else 0
    if 0 < ends < now:
        return None
    return _only_serial(serial, _revocation(told), issuer, ends)


def accounts(rows: Iterable[bytes]) -> Iterator[Account | Refused]:
    """Read the rows of ACME accounts."""
    for row in rows:
        try:
            told = _decode(row, _Account)
            if not _ACCOUNT.fullmatch(told.id) or told.status not in ("valid", "deactivated", "revoked"):
                raise ValueError("its id or its status is none that step-ca writes")
            yield Account(
                told.id,
                told.provisioner,
                told.key,
                told.status,
                told.contact or (),
                int(told.created.timestamp()),
            )
        except ValueError as error:
            yield Refused("an ACME account", str(error))


def revoked_in(file: Path, *, issuer: x509.Certificate, now: float) -> tuple[Issued, ...]:
    """Read a revocation list in DER or PEM that an issuer signed, or serials, one a line; raises ForeignDataError."""
    with file.open("rb") as opened:
        content = opened.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ForeignDataError(f"{file}: it has more than {_LARGEST} octets")
    try:
        return tuple(_listed(content, file, issuer, int(now)))
    except ValueError as error:
        raise ForeignDataError(f"{file}: {error}") from None


def _listed(content: bytes, file: Path, issuer: x509.Certificate, now: int) -> Iterator[Issued]:
    if content.startswith((b"-----BEGIN", b"\x30")):
        try:
            pem = content.startswith(b"-")
            found = x509.load_pem_x509_crl(content) if pem else x509.load_der_x509_crl(content)
            good = found.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
        except UNREADABLE:
            raise ValueError("this is no revocation list that can be read") from None
        if not good:
            raise ValueError("this revocation list is not signed by the intermediate")
        for entry in found:
            at = int(entry.revocation_date_utc.timestamp())
            yield _only_serial(str(entry.serial_number), Revocation(at, _reason(entry)), issuer, 0)
        return
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        if text := line.partition("#")[0].strip():
            try:
                yield _only_serial(text, Revocation(now, 0), issuer, 0)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None


def _only_serial(text: str, revoked: Revocation, issuer: x509.Certificate, ends: int) -> Issued:
    if not _SERIAL.fullmatch(text) or (serial := int(text, 0)) >> 160 or not serial:
        raise ValueError(f"'{shown(text, 60)}' is no serial: a decimal number, or a hexadecimal one after 0x")
    ends = ends or int(issuer.not_valid_after_utc.timestamp())
    return Issued(f"{serial:x}", None, (), "", 0, ends, ("", ""), "", revoked)


def _reason(entry: x509.RevokedCertificate) -> int:
    codes = {flag: code for code, flag in enumerate(_FLAGS) if flag is not None}
    try:
        return codes.get(entry.extensions.get_extension_for_class(x509.CRLReason).value.reason, 0)
    except (x509.ExtensionNotFound, *UNREADABLE):
        return 0


_FLAGS = (
    x509.ReasonFlags.unspecified,
    x509.ReasonFlags.key_compromise,
    x509.ReasonFlags.ca_compromise,
    x509.ReasonFlags.affiliation_changed,
    x509.ReasonFlags.superseded,
    x509.ReasonFlags.cessation_of_operation,
    x509.ReasonFlags.certificate_hold,
    None,
    x509.ReasonFlags.remove_from_crl,
    x509.ReasonFlags.privilege_withdrawn,
    x509.ReasonFlags.aa_compromise,
)


def _revocation(told: _Revoked) -> Revocation:
    return Revocation(int(told.at.timestamp()), told.reason if told.reason in _REASONS else 0)


def _names(found: x509.Certificate) -> tuple[str, ...]:
    try:
        value = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    hosts = [name.lower() for name in value.get_values_for_type(x509.DNSName)]
    return (*hosts, *map(str, value.get_values_for_type(x509.IPAddress)))


def _decode(text: bytes, shape: Any) -> Any:
    try:
        return msgspec.json.decode(text, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"what is told of it is not what step-ca writes: {shown(str(error))}") from None
