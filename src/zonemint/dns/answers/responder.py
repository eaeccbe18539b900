"""Bytes in, bytes out: the answer to one message, from memory where it was given before."""

from __future__ import annotations

from functools import partial
from typing import TypeVar

from zonemint.core.errors import ForeignDataError
from zonemint.dns import codes, wire
from zonemint.dns.answers.compiled import UDP_SIZE, Compiled, assemble, compile_answer, option
from zonemint.dns.answers.lookup import Answer, resolve
from zonemint.dns.answers.requestor import Client
from zonemint.dns.answers.services import Later, Reply, Services
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.zone import Asked, Keep, Unread

__all__ = ["Responder"]

Key = TypeVar("Key")
Value = TypeVar("Value")

_LASTING = 16_384
"""How many answers about names of the zones are remembered before all are forgotten: some 10 MB."""
_PASSING = 4_096
"""The same for names that anybody can think of: they must not push the others out."""

_META_TYPES = range(128, 255)
"""Zone transfers among them (RFC 6895 section 3.1); ANY is a question like others."""


class Responder:
    """Answers the messages of one class of clients, from a catalog and with the services that they are offered.

    lasting, passing: answers by question, both without their ids, names in lower case and no options in the OPT;
    for the UDP loop to look into before it calls `respond`. udp_rcodes, tcp_rcodes: how many answers there were of
    each rcode.
    """

    def __init__(self, catalog: Catalog, services: Services = Services()) -> None:  # noqa: B008  # it is frozen
        self._catalog = catalog
        self._services = services
        self._negative: dict[tuple[bytes, int, int], Compiled] = {}
        self.lasting: dict[bytes, bytes] = {}
        self.passing: dict[bytes, bytes] = {}
        self.udp_rcodes = [0] * 24
        self.tcp_rcodes = [0] * 24
        catalog.watch(lambda apex, delta: self._forget())

    def _forget(self) -> None:
        self._negative.clear()
        self.lasting.clear()
        self.passing.clear()

    def respond(self, message: bytes, client: Client) -> Reply:
        """Answer one message, at once or later; None where silence is right: no message, or an answer itself."""
        if len(message) < 12 or message[2] & 0x80:
            return None
        rcodes = self.udp_rcodes if client.is_datagram else self.tcp_rcodes
        if opcode := message[2] >> 3 & 15:
            if (handler := self._services.opcodes.get(opcode)) is not None:
                return handler(message, client)
            rcode = codes.NOTIMP
        elif client.is_datagram and (recalled := self._recall(message)) is not None:
            rcodes[recalled[3] & 15] += 1
            return recalled
        else:
            try:
                return self._answer(message, wire.parse_query(message), client)
            except ForeignDataError:
                rcode = codes.FORMERR
        rcodes[rcode] += 1
        return message[:2] + bytes((0x80 | message[2] & 0x79, rcode)) + bytes(8)

    def _recall(self, message: bytes) -> bytes | None:
        """Find the answer to the same question in other letter case, or with other options.

        A stored question was parsed whole, so what equals it is well-formed; only the options must be looked at.
        """
        zero = message.find(0, 12)
        end = zero + 5
        if zero < 0:
            return None
        rest = message[zero:end]
        if len(message) > end:
            try:
                wire.check_options(message, end + 11, len(message))
            except ForeignDataError:
                return None
            if int.from_bytes(message[end + 9 : end + 11], "big") != len(message) - end - 11:
                return None
            rest = message[zero : end + 9] + b"\0\0"
        question = message[2:12] + message[12:zero].lower() + rest
        reply = self.lasting.get(question) or self.passing.get(question)
        return None if reply is None else message[:2] + reply[:10] + message[12:zero] + reply[zero - 2 :]

    def _answer(self, message: bytes, query: wire.Query, client: Client, asked: Asked | None = None) -> Reply:
        end = query.end
        rcodes = self.udp_rcodes if client.is_datagram else self.tcp_rcodes
        if query.version:
            rcodes[codes.BADVERS] += 1
            opt = option(codes.BADVERS, dnssec_ok=query.dnssec_ok)
            head = bytes((0x80 | message[2] & 1, 0, 0, 1, 0, 0, 0, 0, 0, 1))
            return message[:2] + head + message[12:end] + opt
        services = self._services
        handler = services.types.get(query.type) if query.class_ == codes.IN else services.classes.get(query.class_)
        if handler is not None:
            return handler(message, client)
        try:
            answer = self._resolve(query, asked)
        except Unread as unread:
            return Later(unread.asked.values, partial(self._answer, message, query, client, unread.asked))
        compiled, keep = self._compile(query, answer)
        rcodes[compiled.rcode] += 1
        # A size below 512 counts as 512 (RFC 6891 section 6.2.3).
        limit = 0xFFFF
        if client.is_datagram:
            limit = UDP_SIZE if query.size > UDP_SIZE else max(512, query.size)
        reply = assemble(message, end, query.edns, query.dnssec_ok, compiled, limit)
        if keep and query.plain and client.is_datagram:
            opt = message[end : end + 9] + b"\0\0" if query.edns else b""
            question = message[2:12] + query.name + message[end - 4 : end] + opt
            folded = reply[2:12] + query.name + reply[end - 4 :]
            if keep is Keep.LASTING:
                _remember(self.lasting, question, folded, _LASTING)
            else:
                _remember(self.passing, question, folded, _PASSING)
        return reply

    def _compile(self, query: wire.Query, answer: Answer) -> tuple[Compiled, Keep]:
        if answer.negative_of is None:
            return compile_answer(query.name, answer), answer.keep
        # What a zone says about names that it does not have is the same for all names of one length.
        size = len(query.name)
        alike = (answer.negative_of, size, answer.rcode)
        negative = self._negative.get(alike)
        if negative is None:
            negative = compile_answer(query.name, answer, skip=size - len(answer.negative_of))
            _remember(self._negative, alike, negative, _PASSING)
        # Of types, too, anybody can think of any number.
        return negative, min(answer.keep, Keep.PASSING)

    def _resolve(self, query: wire.Query, asked: Asked | None) -> Answer:
        if query.type == codes.OPT:
            raise ForeignDataError("OPT cannot be asked for")
        if query.class_ != codes.IN or query.type in _META_TYPES:
            return Answer(codes.REFUSED, authoritative=False, keep=Keep.NOT)
        return resolve(self._catalog, query.name, query.type, asked)


def _remember(memo: dict[Key, Value], key: Key, value: Value, most: int) -> None:
    """Keep an answer, and no more than so many."""
    if len(memo) >= most:
        memo.clear()
    memo[key] = value
