"""Messages of the opcode UPDATE, and their answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import structlog

from zonemint.core.errors import ConfigError, ForeignDataError, StoreError, UpdateRefused, ZonemintError
from zonemint.core.tasks import end
from zonemint.dns import codes, wire
from zonemint.dns.answers.compiled import option
from zonemint.dns.answers.requestor import Client
from zonemint.dns.answers.services import Later, Reply
from zonemint.dns.guard.options import attach, extended_error
from zonemint.dns.tsig import Key
from zonemint.dns.update.message import read, split
from zonemint.dns.update.semantics import check_rights, edits_of
from zonemint.dns.zones.overlay import Draft, Edit

__all__ = ["Change", "Updates"]

Change: TypeAlias = Callable[[bytes, Callable[[Draft], list[Edit]], Key], Awaitable[object]]
"""Changes a zone (its apex in lower-case wire form) as a function says that looks at it, for the holder of a key.

It is over when the change is on disk and served. Raises what the function raises; ConfigError, StoreError."""

_log = structlog.get_logger()

_SILENCE = "the records cannot be changed now"
_PROHIBITED = 18


class Updates:
    """Answers updates when they are made: those that are signed, and that their key may make.

    check: raises UpdateRefused for a zone that a client cannot update here; limit: how many wait at once, others
    are SERVFAIL.
    """

    def __init__(self, check: Callable[[bytes, Client], None], change: Change, *, limit: int = 1024) -> None:
        self._check = check
        self._change = change
        self._limit = limit
        self._tasks: set[asyncio.Task[object]] = set()

    def __call__(self, message: bytes, client: Client, key: Key | None) -> Reply:
        """Answer a message without its signature; None for the key of one that has none."""
        edns = False
        try:
            sections = split(message)
            edns = sections.edns
            self._check(sections.zone, client)
            if key is None:
                raise UpdateRefused(codes.REFUSED, "an update has to be signed (TSIG)")
            update = read(message, sections)
            check_rights(update, key.rights)
        except (ForeignDataError, UpdateRefused) as error:
            _tell(error, key, client)
            return _answered(message, edns, error)
        if len(self._tasks) >= self._limit:
            return _answered(message, edns, StoreError("too many updates wait"))
        task = self._begin(update.zone, edits_of(update, key.rights), key)

        def result() -> bytes:
            error = _error_of(task)
            _tell(error, key, client)
            return _answered(message, edns, error)

        return Later(task, result)

    def _begin(self, zone: bytes, decide: Callable[[Draft], list[Edit]], key: Key) -> asyncio.Task[object]:
        async def change() -> None:
            await self._change(zone, decide, key)

        task: asyncio.Task[object] = asyncio.get_running_loop().create_task(change())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Wait for what is under way, which is done soon or never."""
        await end(self._tasks)


def _error_of(task: asyncio.Task[object]) -> ZonemintError | None:
    if task.cancelled():
        return StoreError("the server stops")
    error = task.exception()
    if error is not None and not isinstance(error, ZonemintError):
        raise error
    return error


def _tell(error: ZonemintError | None, key: Key | None, client: Client) -> None:
    """Log a refusal of what a key has signed; the client's own program often shows no more than the rcode."""
    if key is not None and _rcode_of(error)[0] == codes.REFUSED:
        _log.info("an update was refused", key=wire.name_to_text(key.name), client=str(client), reason=str(error))


def _answered(message: bytes, edns: bool, error: ZonemintError | None) -> bytes:
    """Make the answer to a message: its zone, the rcode, and why, for those who understand it (RFC 8914)."""
    rcode, why = _rcode_of(error)
    head = message[:2] + bytes((0x80 | message[2] & 0x79, rcode))
    try:
        _, end = wire.read_name(message, 12)
    except ForeignDataError:
        end = len(message)
    if message[4:6] != b"\0\1" or end + 4 > len(message):
        return head + bytes(8)
    reply = head + b"\0\1\0\0\0\0" + (b"\0\1" if edns else b"\0\0") + message[12 : end + 4]
    return attach(reply + option(), why) if edns else reply


def _rcode_of(error: ZonemintError | None) -> tuple[int, bytes]:
    if error is None:
        return codes.NOERROR, b""
    if isinstance(error, ForeignDataError):
        return codes.FORMERR, extended_error(0, str(error))
    if isinstance(error, UpdateRefused):
        code = _PROHIBITED if error.rcode == codes.REFUSED else 0
        return error.rcode, extended_error(code, str(error))
    if isinstance(error, ConfigError):
        return codes.REFUSED, extended_error(0, error.detail)
    return codes.SERVFAIL, extended_error(0, _SILENCE)
