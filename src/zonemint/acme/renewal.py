"""When a certificate should be renewed (RFC 9773), and which certificate an order takes the place of.

A certificate's name here is its authority key identifier and its serial: what a client can read in the certificate.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from zonemint.acme import jws as jws_
from zonemint.core.clock import rfc3339
from zonemint.core.errors import AcmeError, AcmeErrorType
from zonemint.store import certificates
from zonemint.store.certificates import Certificate
from zonemint.store.database import Steps

__all__ = ["CertId", "Information", "information", "parse", "predecessor", "window"]

_RETRY_AFTER = 6 * 3600  # seconds until a client should ask again (section 4.3.2), of a certificate that lives for days
_LEAST_RETRY_AFTER = 60
_LOOKS = 12  # at least, in a certificate's life
_WIDTH = 25  # a window is this part of the lifetime, and begins by up to as much later than two thirds
_SERIAL_OCTETS = 20  # RFC 5280 section 4.1.2.2
_KEY_ID_OCTETS = 64
_PAST = 3600  # seconds of a window that is over


class CertId(NamedTuple):
    """A certificate's name (section 4.1): the key identifier of its issuer, and its serial in lower hex."""

    key_id: bytes
    serial: str


@dataclass(frozen=True, slots=True)
class Information:
    """What a client is told: the window in seconds since 1970, and after how many seconds to ask again."""

    start: int
    end: int
    retry_after: int

    def render(self) -> dict[str, Any]:
        """Return the RenewalInfo object (section 4.2); there is no page that could explain more."""
        return {"suggestedWindow": {"start": rfc3339(self.start), "end": rfc3339(self.end)}}


def parse(text: str) -> CertId:
    """Read a certificate's name, of which there is one spelling; raises AcmeError malformed."""
    halves = text.split(".")
    if len(halves) != 2:
        raise _malformed("it is two parts with a dot between them")
    key_id, serial = (jws_.from_b64url(half, "a part of the certificate's name") for half in halves)
    if [jws_.b64url(key_id), jws_.b64url(serial)] != halves:
        raise _malformed("a part of it is not written as base64url writes it")
    if not 1 <= len(key_id) <= _KEY_ID_OCTETS:
        raise _malformed("its first part is not a key identifier")
    if not 1 <= len(serial) <= _SERIAL_OCTETS or serial[0] & 0x80 or serial == b"\0":
        raise _malformed("its second part is not a positive serial of at most 20 octets")
    if serial[0] == 0 and not serial[1] & 0x80:
        raise _malformed("its second part is not the shortest form of the serial, as DER has it")
    return CertId(key_id, f"{int.from_bytes(serial, 'big'):x}")


def window(
    certificate: Certificate, overdue_since: int | None, replaced: tuple[int, int] | None = None
) -> tuple[int, int]:
    """Return when to renew, in seconds: from two thirds of the lifetime, or in the past when it is overdue.

    Of certificates that were issued together each begins a little later than two thirds, always by as much, so that
    clients that take the beginning do not come together again. Those of an issuer that was `replaced` are spread over
    the time that says so, from and until, each at a moment of its own, if that comes sooner.
    """
    if overdue_since is not None:
        return overdue_since - _PAST, overdue_since
    lifetime = certificate.not_after + 1 - certificate.not_before
    width, place = max(lifetime // _WIDTH, 1), zlib.crc32(certificate.serial.encode())
    start = certificate.not_before + lifetime * 2 // 3 + place % width
    if replaced is not None:
        begin, end = replaced
        width = max(min(width, (end - begin) // _WIDTH), 1)
        start = min(start, begin + place % max(end - begin - width, 1))
    return start, start + width


def information(name: str, replaced: Callable[[bytes], tuple[int, int] | None]) -> Steps[Information]:
    """Return what a client should know of a certificate of ours (section 4.2); raises AcmeError malformed, 404.

    It is overdue when it was revoked or when its key was compromised. `replaced` says of the key identifier of an
    issuer, if another one took its place, within which time its certificates should be renewed.
    """
    named = parse(name)
    found = yield from certificates.with_block(named.serial)
    if found is None or not _is_named(found[0], named):
        raise _none()
    certificate, blocked_at = found
    since = [one for one in (certificate.revoked_at, blocked_at) if one is not None]
    start, end = window(certificate, min(since) if since else None, replaced(named.key_id))
    lifetime = certificate.not_after + 1 - certificate.not_before
    return Information(start, end, min(_RETRY_AFTER, max(lifetime // _LOOKS, _LEAST_RETRY_AFTER)))


def predecessor(name: str, *, account_id: str, names: frozenset[str]) -> Steps[Certificate]:
    """Return the certificate that an account's order for some names replaces (section 5); raises AcmeError.

    It must be the account's own, share a name, and not have been replaced by an order that was finalized.
    """
    named = parse(name)
    certificate = yield from certificates.by_serial(named.serial)
    if certificate is None or not _is_named(certificate, named):
        raise _none()
    if certificate.account_id != account_id:
        raise AcmeError(
            AcmeErrorType.UNAUTHORIZED, "the certificate that the order replaces is another account's", status=403
        )
    if names.isdisjoint(certificate.names):
        raise AcmeError(
            AcmeErrorType.MALFORMED,
            f"the order has no name of the certificate that it replaces: {', '.join(certificate.names[:5])}",
        )
    if certificate.replaced_by is not None:
        raise AcmeError(
            AcmeErrorType.ALREADY_REPLACED,
            f"another order replaced the certificate {certificate.serial} already: leave 'replaces' out",
        )
    return certificate


def _is_named(certificate: Certificate, named: CertId) -> bool:
    """Tell whether a row with the serial is the certificate: it was signed, by the issuer of the name."""
    return certificate.der is not None and certificate.issuer == named.key_id.hex()


def _malformed(why: str) -> AcmeError:
    return AcmeError(AcmeErrorType.MALFORMED, f"this is not the name of a certificate (RFC 9773 section 4.1): {why}")


def _none() -> AcmeError:
    return AcmeError(AcmeErrorType.MALFORMED, "there is no certificate of ours with this name", status=404)
