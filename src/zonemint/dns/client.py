"""A stub client: one question to one name server, in real packets (RFC 1035 section 7, RFC 5452)."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter
from typing import TypeAlias

from zonemint.core.errors import BadName, DnsFailure, ForeignDataError
from zonemint.dns import codes, rdata, wire
from zonemint.dns.answers.compiled import option
from zonemint.dns.zones.records import Record

__all__ = ["Here", "Response", "answers", "ask_udp", "caa_value", "query", "txt_value"]

_OPTION = option()
_RECURSE, _DO_NOT = b"\x01\x00", b"\x00\x00"
_COUNTS = b"\x00\x01\x00\x00\x00\x00\x00\x01"

Here: TypeAlias = Callable[[bytes], Awaitable[bytes]]
"""Answers a message as a server of this process does, whole, with no socket in between."""


@dataclass(frozen=True, slots=True)
class Response:
    """What a name server answered; `ms` is how long it took, `server` is `address:port`.

    Of the authority section only name servers are here, of the additional section only addresses.
    """

    server: str
    rcode: str
    authoritative: bool
    answers: tuple[Record, ...]
    authority: tuple[Record, ...]
    additional: tuple[Record, ...]
    ms: float


def txt_value(record: Record) -> str:
    """Return the value of a TXT record, its character-strings joined (RFC 7208 section 3.3), bytes as Latin-1."""
    return b"".join(rdata.strings(record.data)).decode("latin-1")


def caa_value(record: Record) -> str:
    """Return flags, tag and value of a CAA record (RFC 8659 section 4.1), the value's bytes as Latin-1."""
    flags, tag, value = record.data.split(" ", 2)
    return f"{flags} {tag} {b''.join(rdata.strings(value)).decode('latin-1')}"


async def query(
    server: tuple[str, int],
    name: str,
    type_: str,
    *,
    recurse: bool = True,
    timeout: float = 2.0,  # noqa: ASYNC109
    here: Here | None = None,
) -> Response:
    """Ask a name server: over UDP, again once when half of the time passed in silence, over TCP when it says TC.

    With `here` that is asked instead, and `server` is where others would ask it.
    Every question has its own random id and source port; packets that do not answer it are not heard.
    Raises DnsFailure when no usable answer came within `timeout` seconds.
    """
    began = perf_counter()
    host, port = server
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        number = codes.type_from_text(type_)
        question = wire.name_from_text(name) + number.to_bytes(2, "big") + b"\0\x01"
        flags = _RECURSE if recurse else _DO_NOT
        message = secrets.token_bytes(2) + flags + _COUNTS + question + _OPTION
        if here is not None:
            reply = await here(message)
        else:
            reply = await ask_udp(server, message, question, timeout)
        if reply[2] & 2:
            left = timeout - (perf_counter() - began)
            reply = await asyncio.wait_for(_ask_tcp(server, message, question), max(left, 0.0))
        return _read(reply, 12 + len(question), place, began)
    except TimeoutError:
        reason = f"no answer within {timeout:g} s"
    except OSError as error:
        reason = error.strerror or str(error)
    except (ForeignDataError, BadName, ValueError, EOFError) as error:
        reason = str(error)
    raise DnsFailure(f"name server {place}, asked for {name} {type_}: {reason}")


async def ask_udp(server: tuple[str, int], message: bytes, question: bytes, limit: float) -> bytes:
    """Ask over UDP, from a fresh socket, connected so that the kernel drops what others send.

    Raises TimeoutError, OSError.
    """
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[bytes] = loop.create_future()
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM | getattr(socket, "SOCK_NONBLOCK", 0)) as sock:
        sock.setblocking(False)
        sock.connect(server)
        sock.send(message)

        def receive() -> None:
            try:
                reply = sock.recv(4096)
            except BlockingIOError:
                return
            except OSError as error:
                if not answered.done():
                    answered.set_exception(error)
                return
            if answers(reply, message, question) and not answered.done():
                answered.set_result(reply)

        def ask_again() -> None:
            with suppress(OSError):
                sock.send(message)

        def give_up() -> None:
            if not answered.done():
                answered.set_exception(TimeoutError())

        loop.add_reader(sock.fileno(), receive)
        timers = (loop.call_later(limit / 2, ask_again), loop.call_later(limit, give_up))
        try:
            return await answered
        finally:
            for timer in timers:
                timer.cancel()
            loop.remove_reader(sock.fileno())


async def _ask_tcp(server: tuple[str, int], message: bytes, question: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*server)
    try:
        writer.write(len(message).to_bytes(2, "big") + message)
        while True:
            reply = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
            if answers(reply, message, question):
                return reply
    finally:
        writer.close()


def answers(reply: bytes, message: bytes, question: bytes) -> bool:
    """Tell whether a packet answers a message: QR, opcode, id, question in any letter case (RFC 5452 section 9.1).

    An error may come without the question.
    """
    if len(reply) < 12 or reply[:2] != message[:2] or reply[2] & 0xF8 != 0x80 | message[2] & 0x78:
        return False
    if reply[4:6] == b"\0\0":
        return bool(reply[3] & 15)
    end = 12 + len(question)
    return (
        reply[4:6] == b"\0\x01"
        and reply[12 : end - 4].lower() == question[:-4]
        and reply[end - 4 : end] == question[-4:]
    )


def _read(reply: bytes, at: int, place: str, began: float) -> Response:
    if reply[4:6] == b"\0\0":
        at = 12
    answers, at = wire.read_records(reply, at, int.from_bytes(reply[6:8], "big"))
    authority, at = wire.read_records(reply, at, int.from_bytes(reply[8:10], "big"))
    additional, at = wire.read_records(reply, at, int.from_bytes(reply[10:12], "big"))
    return Response(
        server=place,
        rcode=codes.rcode_to_text(reply[3] & 15),
        authoritative=bool(reply[2] & 4),
        answers=_records(reply, answers),
        authority=_records(reply, [item for item in authority if item.type == codes.NS]),
        additional=_records(reply, [item for item in additional if item.type in (codes.A, codes.AAAA)]),
        ms=(perf_counter() - began) * 1000,
    )


def _records(reply: bytes, found: list[wire.WireRecord]) -> tuple[Record, ...]:
    return tuple(
        [
            Record(
                wire.name_to_text(item.name),
                item.ttl,
                codes.type_to_text(item.type),
                rdata.to_text(item.type, reply, item.start, item.end),
            )
            for item in found
            if item.class_ == codes.IN and item.type != codes.OPT
        ]
    )
