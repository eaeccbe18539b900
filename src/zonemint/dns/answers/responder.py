"""Bytes in, bytes out: the answer to one message, from memory where it was given before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from time import time

from zonemint.core.errors import ForeignDataError
from zonemint.dns import codes, tsig, wire
from zonemint.dns.answers import faults
from zonemint.dns.answers.beyond import Way, go_beyond
from zonemint.dns.answers.compiled import UDP_SIZE, Compiled, assemble, bare, compile_answer, option
from zonemint.dns.answers.foreign import CHECKING_DISABLED, Foreign, passed_on
from zonemint.dns.answers.lookup import Answer, resolve
from zonemint.dns.answers.memo import Absent, Known, Memo, form_of
from zonemint.dns.answers.requestor import Client, Transport
from zonemint.dns.answers.services import Elsewhere, Handler, Later, Reply, Services
from zonemint.dns.answers.signed import signing
from zonemint.dns.answers.tally import Tallies
from zonemint.dns.guard import options
from zonemint.dns.guard.rate import RateLimit, Verdict
from zonemint.dns.guard.terms import Denial, Terms
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.zone import NOTHING, Asked, Keep, Unread, Zone

__all__ = ["Responder"]

_SIZES = frozenset({512, 1200, 1220, 1232, 1280, 1400, 1410, 1432, 1440, 1452, 1472, 1500, 4000, 4096, 8192, 65535})
"""UDP payload sizes that resolvers and stubs are known to announce."""
_WHOLE, _HALF = 39, 23
"""Bytes after the question of a query with nothing but an OPT record with a cookie, with our part and without it."""
_COOKIE_FITS = 512 - 28 - 2
"""Bytes of an answer, without its id, to which a cookie can be added whatever the client takes."""
_TOLD = 600
"""How much of a message is logged that met a mistake."""
_META_TYPES = range(128, 255)
"""Zone transfers among them (RFC 6895 section 3.1); ANY is a question like others."""


class Responder:
    """Answers the messages of one class of clients: from a catalog, with the services that they are offered, on terms.

    lasting, passing: answers by question, both without their ids, names in lower case and no options in the OPT;
    for the UDP loop to look into before it calls `respond`, and empty where each client's answers have a limit.
    whole: the same, lasting ones, for connections, where an answer may be long. tallies: how many answers there were.
    """

    def __init__(
        self,
        catalog: Catalog,
        services: Services = Services(),  # noqa: B008  # it is frozen
        terms: Terms = Terms(),  # noqa: B008
    ) -> None:
        self._catalog = catalog
        self._services = services
        self._recursion = services.recursion is not None
        self._signed = (services.signing or signing(lambda name: None))(self._respond)
        self._terms = terms
        self._datagrams = Memo()
        self._streams = Memo()
        unlimited: dict[bytes, Known] = {}
        self.lasting = self._datagrams.lasting if terms.limit is None else unlimited
        self.passing = self._datagrams.passing if terms.limit is None else unlimited
        self._forms: Mapping[bytes, Absent] = self._datagrams.absent if terms.limit is None else {}
        self.whole = self._streams.lasting
        self.tallies = Tallies()
        catalog.watch(self._datagrams.take)
        catalog.watch(self._streams.take)

    @property
    def is_silent(self) -> bool:
        """Whether nobody is answered anything."""
        return self._terms.denial is Denial.IGNORE

    @property
    def limit(self) -> RateLimit | None:
        """The limit of what is sent by UDP, which several responders may share."""
        return self._terms.limit

    def respond(self, message: bytes, client: Client, *, looked: bool = False) -> Reply:
        """Answer one message, at once or later; None where silence is right: no message, or an answer itself.

        looked: the question, without options and in lower case, was looked for in `lasting` and `passing`.
        """
        if len(message) < 12 or message[2] & 0x80 or self._terms.denial is Denial.IGNORE:
            return None
        try:
            reply = self._respond(message, client, looked)
        except Elsewhere:
            return self._services.elsewhere(message, client) if self._services.elsewhere is not None else None
        except Exception:
            # Those that came in the same batch are answered, and so is whoever found the mistake.
            faults.tell(client=str(client), message=message[:_TOLD].hex())
            reply = _header(message, codes.SERVFAIL)
        return reply if self._terms.limit is None else self._limited(message, reply, client)

    def _respond(self, message: bytes, client: Client, looked: bool = False) -> Reply:
        rcode = codes.NOTIMP
        try:
            if not (opcode := message[2] >> 3 & 15):
                # Without options it would be the same look again.
                if not looked or message[11]:
                    recalled = self._recall(message, client)
                    if recalled is not None:
                        return recalled
                return self._answer(message, wire.parse_query(message), client)
            if (handler := self._services.opcodes.get(opcode)) is not None:
                return self._handled(handler, message, client, 0)
        except ForeignDataError:
            if (cookie := self._cookie_alone(message, client)) is not None:
                return cookie
            rcode = codes.FORMERR
        error = _header(message, rcode)
        if client.is_datagram and self._makes_loop(error, client):
            return None
        self._count(client, wire.ROOT, 0, rcode)
        return error

    def _cookie_alone(self, message: bytes, client: Client) -> bytes | None:
        """Answer a client that asks for its cookie and for nothing else (RFC 7873 section 5.4, RFC 9619 section 4)."""
        if self._terms.cookies is None or not message.startswith(options.COOKIE_ALONE, 4):
            return None
        try:
            said = self._said(wire.options_alone(message), client)
        except ForeignDataError:
            return None
        if not said.learns:
            return None
        self._count(client, wire.ROOT, 0, codes.NOERROR)
        head = bytes((0x80 | message[2] & 1, 0)) + options.COOKIE_ALONE[:8]
        return options.attach(message[:2] + head + option(), said.options, padded=said.padded)

    def _makes_loop(self, error: bytes, client: Client) -> bool:
        """Tell whether an error might be answered by another one, and so on for ever.

        A program that answers everything, such as those on low ports (RFC 862 to 868), answers our errors too. Whoever
        does so elsewhere is stopped by a number that no client meets.
        """
        if client.port < 1024 and client.port != 53:
            return True
        errors = self._terms.errors
        return errors is not None and errors.judge(client.address, error) is not Verdict.SEND

    def _count(self, client: Client, zone: bytes, type_: int, rcode: int) -> None:
        self.tallies.of(zone, type_, rcode)[client.slot] += 1

    def _handled(self, handler: Handler, message: bytes, client: Client, type_: int) -> Reply:
        reply = handler(message, client)

        def counted(ready: Reply) -> Reply:
            if ready is not None:
                self._count(client, wire.ROOT, type_, ready[3] & 15 if isinstance(ready, bytes) else codes.NOERROR)
            return ready

        return reply.passed(counted) if isinstance(reply, Later) else counted(reply)

    def _recall(self, message: bytes, client: Client) -> bytes | None:
        """Find the answer to the same question in other letter case, or with other options.

        A stored question was parsed whole, so what equals it is well-formed; only the options must be looked at.
        """
        asked = b""
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
            asked = message[end + 11 :]
        question = message[2:12] + message[12:zero].lower() + rest
        memo = self._datagrams if client.is_datagram else self._streams
        known = memo.lasting.get(question) or memo.passing.get(question)
        if known is None:
            return None
        reply, tally = known
        reply = message[:2] + reply[:10] + message[12:zero] + reply[zero - 2 :]
        if asked:
            said = self._said(asked, client)
            limit = _datagram(int.from_bytes(message[end + 3 : end + 5], "big")) if client.is_datagram else 0xFFFF
            if len(reply) + len(said.options) > limit:
                return None
            if said.options or said.padded:
                reply = options.attach(reply, said.options, padded=said.padded)
        tally[client.slot] += 1
        return reply

    def _answer(self, message: bytes, query: wire.Query, client: Client, asked: Asked | None = None) -> Reply:
        if query.version:
            self._count(client, wire.ROOT, query.type, codes.BADVERS)
            return bare(message, query, codes.BADVERS)
        services = self._services
        handler = services.types.get(query.type) if query.class_ == codes.IN else services.classes.get(query.class_)
        if handler is not None:
            return self._handled(handler, message, client, query.type)
        if query.signed:
            return self._signed(message, client)
        said = self._said(query.options, client) if query.options else options.NOTHING
        memo = self._datagrams if client.is_datagram else self._streams
        if (absent := self._absent(query, memo)) is not None:
            zone, compiled = absent
            keep = Keep.PASSING if memo.is_asked_again(query.name) else Keep.NOT
            reply = self._write(message, query, client, said, compiled, zone, keep, (zone,))
            if query.plain and not query.options and not compiled.error:
                self._note_absent(message, query, zone, reply, memo)
            return reply
        try:
            answer = self._resolve(query, asked)
        except Unread as unread:
            return Later(unread.asked.values, partial(self._answer, message, query, client, unread.asked))
        if answer.beyond is not None and services.recursion is not None and message[2] & 1:
            disabled = message[3] & CHECKING_DISABLED != 0
            finish = partial(self._finish, message, query, client, said)
            way = Way(self._catalog, services.recursion, query.type, query.dnssec_ok, disabled, finish)
            return go_beyond(way, answer)
        return self._finish(message, query, client, said, answer)

    def _finish(
        self, message: bytes, query: wire.Query, client: Client, said: options.Said, found: Answer | Foreign
    ) -> bytes:
        if isinstance(found, Answer):
            memo = self._datagrams if client.is_datagram else self._streams
            compiled, keep = self._compile(query, found, memo)
            zone = found.zones[0] if found.zones else wire.ROOT
            return self._write(message, query, client, said, compiled, zone, keep, found.zones, found)
        compiled = passed_on(found, message, edns=query.edns, dnssec_ok=query.dnssec_ok)
        return self._write(message, query, client, said, compiled, wire.ROOT, Keep.NOT, ())

    def _absent(self, query: wire.Query, memo: Memo) -> tuple[bytes, Compiled] | None:
        """Find what was said of another name of the zone that is not there, when this one is not there either.

        Such names come in floods, and the zone has one answer for them all.
        """
        name, type_ = query.name, query.type
        if query.class_ != codes.IN or type_ >= _META_TYPES.start or self._terms.denial is not None:
            return None
        zone = self._catalog.find(name, type_)
        if zone is None or type(zone) is not Zone:
            return None
        if query.dnssec_ok and zone.is_signed:
            return None
        compiled = memo.negative.get((zone.apex, len(name), codes.NXDOMAIN, ()))
        return (zone.apex, compiled) if compiled is not None and zone.find(name, type_) is NOTHING else None

    def _note_absent(self, message: bytes, query: wire.Query, apex: bytes, reply: bytes, memo: Memo) -> None:
        """Remember what is said of all names right below one, unless a zone or a node on the way says otherwise."""
        zone, parent = self._catalog.find(query.name, query.type), query.name[1 + query.name[0] :]
        if zone is None or zone.encloser(query.name) != parent or self._catalog.has_child(parent):
            return
        end = query.end
        question = message[2:12] + query.name + message[end - 4 :]
        tally = self.tallies.of(apex, query.type, codes.NXDOMAIN)
        memo.keep_absent(question, Absent(reply[2:12], reply[end:], end - 6, zone.nodes, tally), apex)

    def with_cookie(self, question: bytes, address: bytes, slot: int) -> bytes | None:
        """Answer a question that has a cookie and no other option, from memory; None where that cannot be done.

        question, and the answer, are without the id; address: the client's, packed; slot: where it is counted.
        """
        cookies, end = self._terms.cookies, question.find(0, 10) + 5
        left = len(question) - end
        if cookies is None or not (
            (left == _WHOLE and question.startswith(options.WHOLE_COOKIE, end + 9))
            or (left == _HALF and question.startswith(options.CLIENT_COOKIE, end + 9))
        ):
            return None
        name = question[10 : end - 5]
        plain = question[:10] + name.lower() + question[end - 5 : end + 9] + b"\0\0"
        known = self.lasting.get(plain) or self.passing.get(plain)
        if known is None:
            return None
        reply, tally = known
        if len(reply) > _COOKIE_FITS:
            return None
        tally[slot] += 1
        cookie = cookies.answer(question[end + 15 :], address, int(time()))[0]
        return reply[:10] + name + reply[end - 5 : -2] + options.WHOLE_COOKIE + cookie

    def absent(self, question: bytes, folded: bytes, slot: int) -> bytes | None:
        """Answer a question about a name that is not there like one before it, if it is known that this can be done.

        question, and the answer, are without the id; folded: the same in lower case; slot: where it is counted. In a
        flood of names that nobody has, none was seen before, and all are told the same.
        """
        form = self._forms.get(form_of(folded))
        if form is None or folded[10 : form.end] in form.names:
            return None
        form.tally[slot] += 1
        return form.head + question[10 : form.end + 4] + form.tail

    def _write(
        self,
        message: bytes,
        query: wire.Query,
        client: Client,
        said: options.Said,
        compiled: Compiled,
        zone: bytes,
        keep: Keep,
        zones: Sequence[bytes],
        answer: Answer | None = None,
    ) -> bytes:
        end = query.end
        tally = self.tallies.of(zone, query.type, compiled.rcode)
        tally[client.slot] += 1
        ours = said.options + compiled.error if query.edns else b""
        is_datagram = client.is_datagram
        limit = _datagram(query.size) if is_datagram else 0xFFFF
        reply = assemble(message, end, query.edns, query.dnssec_ok, compiled, limit)
        if keep is Keep.LASTING and not _is_usual(message, query.size):
            keep = Keep.PASSING
        if keep and query.plain and not compiled.error:
            memo = self._datagrams if is_datagram else self._streams
            opt = message[end : end + 9] + b"\0\0" if query.edns else b""
            question = message[2:12] + query.name + message[end - 4 : end] + opt
            known = (reply[2:12] + query.name + reply[end - 4 :], tally)
            if answer is not None and keep is Keep.LASTING:
                memo.keep(question, known, answer)
            else:
                memo.keep_passing(question, known, zones)
        if not ours and not said.padded:
            return reply
        if len(reply) + len(ours) > limit:
            reply = assemble(message, end, query.edns, query.dnssec_ok, compiled, limit - len(ours))
            ours = options.fitting(ours, limit - len(reply))
        return options.attach(reply, ours, padded=said.padded)

    def _limited(self, message: bytes, reply: Reply, client: Client) -> Reply:
        """Leave an answer out, or send a small one in its place, when its network was sent enough of the kind."""
        if isinstance(reply, Later):
            return reply.passed(lambda late: self._limited(message, late, client))
        limit = self._terms.limit
        if limit is None or not client.is_datagram or not isinstance(reply, bytes):
            return reply
        try:
            query = wire.parse_query(message)
            said = self._said(query.options, client)
        except ForeignDataError:
            return reply if limit.judge(client.address, reply) is Verdict.SEND else None
        if said.known or (query.signed and _is_believed(reply)):
            return reply
        verdict = limit.judge(client.address, reply)
        if verdict is Verdict.SEND:
            return reply
        if verdict is Verdict.DROP:
            return None
        if said.learns:
            # Whoever asks again with the cookie is there, and has no limit (RFC 7873 section 5.2.3).
            again = bare(message, query, codes.BADCOOKIE)
            return options.attach(again, options.fitting(said.options, _datagram(query.size) - len(again)))
        return bare(message, query, reply[3] & 15, truncated=True)

    def _said(self, asked: bytes, client: Client) -> options.Said:
        transport = client.transport
        return options.said_to(
            asked,
            self._terms,
            client.address,
            int(time()),
            connection=transport is Transport.TCP or transport is Transport.TLS,
            encrypted=transport is Transport.TLS or transport is Transport.HTTPS,
        )

    def _compile(self, query: wire.Query, answer: Answer, memo: Memo) -> tuple[Compiled, Keep]:
        if answer.negative_of is None:
            return compile_answer(query.name, answer, recursion=self._recursion), answer.keep
        # What a zone says about names that it does not have is the same for all names of one length.
        size = len(query.name)
        alike = (answer.negative_of, size, answer.rcode, answer.proofs)
        negative = memo.negative.get(alike)
        if negative is None:
            skip = size - len(answer.negative_of)
            negative = compile_answer(query.name, answer, skip=skip, recursion=self._recursion)
            memo.keep_negative(alike, negative)
        # Of types, too, anybody can think of any number.
        return negative, min(answer.keep, Keep.PASSING)

    def _resolve(self, query: wire.Query, asked: Asked | None) -> Answer:
        if query.type == codes.OPT:
            raise ForeignDataError("OPT cannot be asked for")
        if self._terms.denial is not None:
            return Answer(codes.REFUSED, authoritative=False, keep=Keep.NOT, error=options.PROHIBITED)
        if query.class_ != codes.IN or query.type in _META_TYPES:
            return Answer(codes.REFUSED, authoritative=False, keep=Keep.NOT, error=options.NOT_SUPPORTED)
        return resolve(self._catalog, query.name, query.type, asked, dnssec_ok=query.dnssec_ok)


def _header(message: bytes, rcode: int) -> bytes:
    """Make an answer of a header alone, to what cannot be read further."""
    return message[:2] + bytes((0x80 | message[2] & 0x79, rcode)) + bytes(8)


def _is_believed(reply: bytes) -> bool:
    """Tell whether an answer shows that the signature of its question was good: it is signed, and no refusal."""
    return reply[3] & 15 != codes.NOTAUTH and tsig.find(reply) is not None


def _is_usual(message: bytes, size: int) -> bool:
    """Tell whether a query is as programs send them: otherwise one name has millions of spellings, and room for few."""
    return not (message[2] & 0xFE or message[3] & 0xCF) and size in _SIZES


def _datagram(size: int) -> int:
    """Return how long a datagram may be, by what its client says; below 512 is 512 (RFC 6891 section 6.2.3)."""
    return UDP_SIZE if size > UDP_SIZE else max(512, size)
