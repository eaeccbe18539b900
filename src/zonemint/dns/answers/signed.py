"""Messages that are signed (RFC 8945): checked before anybody looks at them, and answered signed."""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import TypeAlias

from zonemint.core.errors import ForeignDataError, StoreError
from zonemint.dns import codes, tsig, wire
from zonemint.dns.answers.compiled import UDP_SIZE
from zonemint.dns.answers.requestor import Client
from zonemint.dns.answers.services import Handler, Later, Reply, Stream
from zonemint.dns.tsig import Key, Keys, Signer, Unverified, Verified

__all__ = ["Keyed", "authenticated", "signing"]

Keyed: TypeAlias = Callable[[bytes, Client, "Key | None"], Reply]
"""Answers a message without its signature, told the key that vouches for it; None for one that was not signed."""


def signing(keys: Keys) -> Callable[[Handler], Handler]:
    """Return what makes, of who answers unsigned messages, who answers signed ones."""
    return lambda handler: authenticated(keys, lambda message, client, key: handler(message, client))


def authenticated(keys: Keys, keyed: Keyed, clock: Callable[[], float] = time) -> Handler:
    """Return what answers messages, signed or not: it refuses what is signed wrongly, and signs the other answers.

    It raises ForeignDataError for what deserves FORMERR.
    """

    def answer(message: bytes, client: Client) -> Reply:
        signature = tsig.find(message)
        if signature is None:
            return keyed(message, client, None)
        try:
            verified = tsig.verify(message, signature, keys, clock())
        except Unverified as unverified:
            return tsig.refusal(message, unverified, clock())
        except StoreError:
            return message[:2] + bytes((0x80 | message[2] & 0x79, codes.SERVFAIL)) + bytes(8)
        return _signed(keyed(verified.message, client, verified.key), verified, message[:2], client, clock)

    return answer


def _signed(reply: Reply, verified: Verified, id_: bytes, client: Client, clock: Callable[[], float]) -> Reply:
    """Sign an answer with the client's own id, and send it with the one that a proxy may have put in its place."""
    if reply is None:
        return None
    if isinstance(reply, Later):
        return reply.passed(lambda late: _signed(late, verified, id_, client, clock))
    if isinstance(reply, Stream):
        signer = Signer(verified.key, verified.mac)
        return Stream(id_ + signer.sign(message, clock())[2:] for message in reply.messages)
    whole = tsig.sign(reply, verified.key, clock(), request_mac=verified.mac)
    if client.is_datagram and len(whole) > _room(verified.message):
        whole = tsig.sign(_truncated(verified.message, reply), verified.key, clock(), request_mac=verified.mac)
    return id_ + whole[2:]


def _room(message: bytes) -> int:
    """Return how long the answer to a message may be in a datagram."""
    try:
        return min(UDP_SIZE, max(512, wire.parse_query(message).size))
    except ForeignDataError:
        return UDP_SIZE


def _truncated(message: bytes, reply: bytes) -> bytes:
    """Leave nothing of an answer but the question, so that its signature has room (section 5.3)."""
    _, end = wire.read_name(message, 12)
    return message[:2] + bytes((reply[2] | 2, reply[3] & 0xF0, 0, 1)) + bytes(6) + message[12 : end + 4]
