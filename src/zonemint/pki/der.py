"""Writing DER by hand (X.690), where a message has no maker in the library or is too long for the one that it has."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["BITS", "ENUMERATED", "INTEGER", "OCTETS", "SEQUENCE", "generalized_time", "integer", "time", "tlv"]

INTEGER, BITS, OCTETS, ENUMERATED, SEQUENCE = 0x02, 0x03, 0x04, 0x0A, 0x30
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_2050 = 2_524_608_000  # seconds since 1970


def tlv(tag: int, content: bytes | bytearray) -> bytes:
    """Write a value with its tag and length."""
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | size)) + length.to_bytes(size, "big") + content


def integer(number: int) -> bytes:
    """Write an integer that is not negative."""
    return tlv(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def generalized_time(seconds: int) -> bytes:
    """Write a time, in seconds since 1970, with four digits of the year."""
    return tlv(_GENERALIZED_TIME, datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%d%H%M%SZ").encode())


def time(seconds: int) -> bytes:
    """Write a time as certificates and revocation lists have it: UTCTime until 2049 (RFC 5280 section 4.1.2.5)."""
    if seconds >= _2050:
        return generalized_time(seconds)
    return tlv(_UTC_TIME, datetime.fromtimestamp(seconds, UTC).strftime("%y%m%d%H%M%SZ").encode())
