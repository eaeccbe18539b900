"""What a responder is given beside the zones, and the kinds of replies."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

from zonemint.dns.answers import faults
from zonemint.dns.answers.foreign import Foreign, Question
from zonemint.dns.answers.requestor import Client

__all__ = ["Elsewhere", "Handler", "Later", "Ready", "Recursion", "Reply", "Services", "Stream"]


class Elsewhere(Exception):
    """Another process has to answer the message; raised by whoever finds that out."""


class Later:
    """An answer that has to wait.

    awaited: done when the answer can be made, whether it holds a result or an error; again: makes the answer then, or
    finds that something else has to be waited for.
    """

    def __init__(self, awaited: Future[Any], again: Callable[[], Reply]) -> None:
        self._awaited = awaited
        self._again = again

    def then(self, send: Callable[[Ready], None]) -> None:
        """Have `send` called with the answer, once, in a turn of the loop of its own."""
        self._awaited.add_done_callback(lambda awaited: self._go_on(send))

    def passed(self, through: Callable[[Reply], Reply]) -> Later:
        """Return the same with its reply passed through a function, also when it then has to wait again."""
        return Later(self._awaited, lambda: through(self._again()))

    def _go_on(self, send: Callable[[Ready], None]) -> None:
        # An error is looked at here, since whoever makes the answer may have no more use for the result.
        if not self._awaited.cancelled():
            self._awaited.exception()
        try:
            reply = self._again()
        except Exception:
            faults.tell()
            reply = None
        if isinstance(reply, Later):
            reply.then(send)
        else:
            send(reply)


class Stream:
    """An answer of many messages, for connections only (RFC 5936 section 2.2); they are made as they are sent."""

    def __init__(self, messages: Iterator[bytes]) -> None:
        self.messages = messages


Ready: TypeAlias = bytes | Stream | None
"""The answer to a message; None where silence is right."""

Reply: TypeAlias = Ready | Later
"""The answer to a message, or that it comes later."""

Handler: TypeAlias = Callable[[bytes, Client], Reply]
"""Answers whole messages of a kind that the zones' data say nothing to."""

Recursion: TypeAlias = Callable[[Question], "Foreign | Future[Foreign]"]
"""Answers a question about a name that is in none of our zones, at once or later; the future never fails."""


class Services(msgspec.Struct, frozen=True):
    """What stands beside the zones of a responder.

    opcodes, classes, types: who answers messages of an opcode, and queries of a class or of a type above 127; what has
    no handler is NOTIMP or REFUSED. signing: makes who answers signed queries from who answers them unsigned; None
    where no key is known. recursion: for names that are not ours; None where none is offered. elsewhere: has another
    process answer, and count, what any of these or a zone raises Elsewhere for.
    """

    opcodes: Mapping[int, Handler] = {}
    classes: Mapping[int, Handler] = {}
    types: Mapping[int, Handler] = {}
    signing: Callable[[Handler], Handler] | None = None
    recursion: Recursion | None = None
    elsewhere: Handler | None = None
