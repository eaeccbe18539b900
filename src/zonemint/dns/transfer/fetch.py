"""A primary is asked: for its serial, and for a zone or what changed in it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress

from zonemint.core.errors import DnsFailure, ForeignDataError
from zonemint.dns import client, codes, tsig, wire
from zonemint.dns.answers.compiled import option
from zonemint.dns.transfer.incoming import Incoming
from zonemint.dns.transfer.notify import Peer
from zonemint.dns.zones.delta import serial_of
from zonemint.dns.zones.records import RRset

__all__ = ["Primary"]

_CONNECT = 5.0  # seconds
_MESSAGE = 30.0  # seconds that a primary may take for the next message
_WHOLE = 3600.0  # seconds for all of them
_SILENT = 1000  # messages without a record


class Primary:
    """One server that has the zone; raises DnsFailure with a reason for whatever does not come about.

    keys: who finds the key that messages are signed with; clock: seconds, for signatures; limit: bytes of a zone.
    """

    def __init__(self, peer: Peer, keys: tsig.Keys, clock: Callable[[], float], *, limit: int) -> None:
        self.peer = peer
        self._keys = keys
        self._clock = clock
        self._limit = limit

    async def serial(self, apex: bytes) -> int:
        """Ask for the serial that it has."""
        question = apex + b"\0\x06\0\1"
        message = secrets.token_bytes(2) + b"\0\0\0\1\0\0\0\0\0\1" + question + option()
        try:
            message, verifier = self._signed(message)
            # By TCP nobody else can answer, and Knot says nothing about catalogs by UDP.
            reply = await asyncio.wait_for(self._over_tcp(message, question), _CONNECT)
            reply = verifier.take(reply, self._clock()) if verifier else reply
            return _serial(reply, apex, 12 + len(question))
        except (ForeignDataError, tsig.Unverified, OSError, TimeoutError, EOFError) as error:
            raise self._failure(error) from None

    async def fetch(self, apex: bytes, have: RRset | None) -> Incoming:
        """Ask for the zone, or for the changes since the SOA record set that we have; the answer has an outcome."""
        try:
            async with asyncio.timeout(_WHOLE):
                return await self._fetched(apex, have)
        except (ForeignDataError, tsig.Unverified, OSError, TimeoutError, EOFError) as error:
            raise self._failure(error) from None

    async def _fetched(self, apex: bytes, have: RRset | None) -> Incoming:
        type_ = codes.AXFR if have is None else codes.IXFR
        question = apex + type_.to_bytes(2, "big") + b"\0\1"
        head = secrets.token_bytes(2) + (b"\0\0\0\1\0\0\0\0\0\0" if have is None else b"\0\0\0\1\0\0\0\1\0\0")
        soa = b""
        if have is not None:
            soa = apex + b"\0\x06\0\1\0\0\0\0" + len(have.data[0]).to_bytes(2, "big") + have.data[0]
        message, verifier = self._signed(head + question + soa)
        incoming = Incoming(apex, None if have is None else serial_of(have), limit=self._limit)
        reader, writer = await asyncio.wait_for(
            asyncio.open_connection(self.peer.address, self.peer.port, limit=1 << 17), _CONNECT
        )
        try:
            writer.write(len(message).to_bytes(2, "big") + message)
            silent = 0
            while incoming.outcome is None or (verifier is not None and not verifier.is_complete):
                reply = await asyncio.wait_for(_next(reader), _MESSAGE)
                if len(reply) < 12 or reply[:2] != message[:2] or reply[2] & 0xF8 != 0x80:
                    raise ForeignDataError("a message that answers something else")
                if reply[4:6] == b"\0\1" and not client.answers(reply, message, question):
                    raise ForeignDataError("a message that answers another question")
                silent += reply[6:8] == b"\0\0"
                if silent > _SILENT:
                    raise ForeignDataError("messages without records")
                incoming.take(verifier.take(reply, self._clock()) if verifier else reply)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        return incoming

    def _signed(self, message: bytes) -> tuple[bytes, tsig.Verifier | None]:
        if self.peer.key is None:
            return message, None
        key = self._keys(self.peer.key)
        if key is None:
            raise ForeignDataError(f"there is no key {wire.name_to_text(self.peer.key)} here; see zonemint tsig")
        signed = tsig.sign(message, key, self._clock())
        signature = tsig.find(signed)
        assert signature is not None
        return signed, tsig.Verifier(key, signature.mac)

    async def _over_tcp(self, message: bytes, question: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(self.peer.address, self.peer.port)
        try:
            writer.write(len(message).to_bytes(2, "big") + message)
            reply = await _next(reader)
        finally:
            writer.close()
        if not client.answers(reply, message, question):
            raise ForeignDataError("a message that answers something else")
        return reply

    def _failure(self, error: BaseException) -> DnsFailure:
        if isinstance(error, tsig.Unverified):
            why = f"the signature is not good ({_ERRORS.get(error.error, error.error)})"
        elif isinstance(error, TimeoutError):
            why = "no answer in time"
        elif isinstance(error, EOFError):
            why = "it closed the connection early"
        else:
            why = str(error)
        return DnsFailure(f"primary {self.peer}: {why}")


_ERRORS = {tsig.BADSIG: "BADSIG", tsig.BADKEY: "BADKEY", tsig.BADTIME: "BADTIME", tsig.BADTRUNC: "BADTRUNC"}


async def _next(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))


def _serial(reply: bytes, apex: bytes, at: int) -> int:
    """Read the serial out of the answer to a question for the SOA record."""
    if reply[3] & 15:
        raise ForeignDataError(f"it answers {codes.rcode_to_text(reply[3] & 15)}")
    found, _ = wire.read_records(reply, at, int.from_bytes(reply[6:8], "big"))
    for one in found:
        if one.type == codes.SOA and one.name == apex and one.end - one.start >= 22:
            return int.from_bytes(reply[one.end - 20 : one.end - 16], "big")
    raise ForeignDataError("it does not have the zone")
