"""Records packed into as many messages as they need (RFC 5936 section 2.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from zonemint.dns.answers.writer import Writer

__all__ = ["Row", "packed"]

_SIZE = 16_384
"""Bytes of a message at which another one is begun: beyond that no name can be pointed to."""

Row = tuple[bytes, int, int, bytes]
"""A record: owner in wire form, type, TTL, data in uncompressed wire form."""


def packed(id_: bytes, question: bytes, rows: Iterable[Row]) -> Iterator[bytes]:
    """Write an authoritative answer of many records; the question, name to class, stands in each message."""
    writer, count = Writer(question[:-4], 0), 0
    for owner, type_, ttl, data in rows:
        if count and len(writer.out) + len(owner) + 10 + len(data) > _SIZE:
            yield _message(id_, question, count, writer.out)
            writer, count = Writer(question[:-4], 0), 0
        writer.record(owner, type_, ttl, data)
        count += 1
    yield _message(id_, question, count, writer.out)


def _message(id_: bytes, question: bytes, count: int, records: bytearray) -> bytes:
    return id_ + b"\x84\0\0\1" + count.to_bytes(2, "big") + b"\0\0\0\0" + question + records
