"""Keys that others can have, too: badly made ones, and those on the list of the badkeys project."""

from __future__ import annotations

import hashlib
import mmap
import os
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from zonemint.core.errors import ConfigError

__all__ = ["KnownKeys", "weakness"]

_RECORD, _HASH = 16, 15  # octets of a record of the list, and of them those of the hash

# Points whose order is at most 8, without the sign bit: anybody can make signatures that fit such a key. The last two
# are 0 and 1 in another form (RFC 8032 section 5.1.3).
_SMALL_ORDER = frozenset(
    bytes.fromhex(y)
    for y in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    )
)

_log = structlog.get_logger()


def weakness(key: CertificatePublicKeyTypes) -> str:
    """Return by what a key gives its private half away, or an empty text; a point off its curve cannot be loaded.

    RSA: a small factor, primes that are close to each other (Fermat), primes that other keys had too (a batch GCD over
    keys of the Internet), ROCA (CVE-2017-15361), a modulus with patterns of zeros, as bad generators make them.
    Ed25519: a point of small order. It takes 0.2 to 0.5 ms for RSA, and next to nothing for others.
    """
    if isinstance(key, ed25519.Ed25519PublicKey):
        raw = key.public_bytes_raw()
        return "is a point of small order" if raw[:-1] + bytes([raw[-1] & 0x7F]) in _SMALL_ORDER else ""
    if not isinstance(key, rsa.RSAPublicKey):
        return ""
    # Five megabytes that a CA without RSA never needs.
    from badkeys import rsakeys

    modulus = key.public_numbers().n
    for check, why in (
        (rsakeys.smallfactors, "has a small factor"),
        (rsakeys.fermat, "has primes that are close to each other (Fermat)"),
        (rsakeys.roca, "was made by a chip with the ROCA flaw (CVE-2017-15361)"),
        (rsakeys.sharedprimes, "shares a prime with another key"),
        (rsakeys.rsapoly, "has a pattern in its modulus that gives its primes away"),
    ):
        if check(modulus):
            return why
    return ""


class KnownKeys:
    """The list of keys whose private half is public, such as Debian's of 2008, as `badkeys --update-bl` fetches it.

    The file has sorted records of 16 octets: 15 of the SHA-256 of an RSA modulus, the x of a point or an Ed25519 key,
    as integers without leading zeros, and one that says whence it is. It is mapped, not read, and mapped anew when
    another takes its place. Raises ConfigError when it cannot be used at first; later the one before stays.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._identity, self._records = _map(file)

    def __contains__(self, key: object) -> bool:
        """Tell whether a key is on the list, in some 30 microseconds."""
        number = _number(key)
        if number is None:
            return False
        self._follow()
        wanted = hashlib.sha256(number.to_bytes((number.bit_length() + 7) // 8, "big")).digest()[:_HASH]
        low, high = 0, len(self._records) // _RECORD
        while low < high:
            middle = (low + high) // 2
            found = self._records[middle * _RECORD : middle * _RECORD + _HASH]
            if found == wanted:
                return True
            low, high = (middle + 1, high) if found < wanted else (low, middle)
        return False

    def _follow(self) -> None:
        try:
            if _identity(os.stat(self._file)) == self._identity:
                return
            self._identity, self._records = _map(self._file)
            _log.info("took up a new list of known keys", file=str(self._file))
        except (OSError, ConfigError) as error:
            _log.warning("the list of known keys cannot be read again; the one before stays", why=str(error))


def _number(key: object) -> int | None:
    match key:
        case rsa.RSAPublicKey():
            return key.public_numbers().n
        case ec.EllipticCurvePublicKey():
            return key.public_numbers().x
        case ed25519.Ed25519PublicKey():
            return int.from_bytes(key.public_bytes_raw(), "big")
    return None


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _map(path: Path) -> tuple[tuple[int, ...], mmap.mmap]:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not status.st_size or status.st_size % _RECORD:
                raise ConfigError("this is not a list of known keys: its records have 16 octets", file=path)
            return _identity(status), mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise ConfigError(f"the list of known keys cannot be read: {error.strerror}", file=path) from None
