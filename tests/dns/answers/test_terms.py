"""The terms on which clients are answered, by whole messages and through dnspython."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from tests.dns.asking import TCP, UDP, lab_catalog, question
from zonemint.dns.answers.requestor import Client, Transport
from zonemint.dns.answers.responder import Responder
from zonemint.dns.answers.services import Later, Ready
from zonemint.dns.guard.cookies import Cookies
from zonemint.dns.guard.rate import RateLimit
from zonemint.dns.guard.terms import Denial, Terms

TLS = Client(UDP.address, 5300, Transport.TLS)
HTTPS = Client(UDP.address, 5300, Transport.HTTPS)
CLIENT = b"8 bytes!"
COOKIES = Cookies(bytes(32))
MANY = {"many": [f"{n:03}" * 60 for n in range(20)], "some": [f"{n}" * 200 for n in range(5)]}


def responder(**terms: object) -> Responder:
    return Responder(lab_catalog(MANY.get), terms=Terms(**terms))  # type: ignore[arg-type]


def asked(server: Responder, message: dns.message.Message | bytes, client: Client = UDP) -> dns.message.Message:
    wire = message if isinstance(message, bytes) else message.to_wire()
    reply = server.respond(wire, client)
    assert isinstance(reply, bytes)
    return dns.message.from_wire(reply)


def option(message: dns.message.Message, code: int) -> bytes | None:
    found = [one.to_wire() for one in message.options if one.otype == code]
    assert len(found) <= 1
    return found[0] if found else None


def with_options(name: str, *options: tuple[int, bytes], type_: str = "A") -> dns.message.Message:
    made = [dns.edns.GenericOption(dns.edns.OptionType.make(code), data) for code, data in options]
    return question(name, type_, payload=1232, options=made)


@pytest.mark.parametrize(("client", "times"), [(UDP, 300), (TCP, 16_000), (TLS, 16_000)])
def test_an_option_that_comes_thousands_of_times_is_answered_once(client: Client, times: int) -> None:
    """Else a datagram of 1,200 bytes would be answered by 60,000, whose sender may be forged."""
    server = responder(cookies=COOKIES, nsid=b"n" * 200, keepalive=100)
    for code, size in ((3, 200), (11, 2 if client is not UDP else 0), (10, 24)):
        data = CLIENT if code == 10 else b""
        count = min(times, 5_000) if data else times
        options = (code.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data) * count
        wire = with_options("www.lab.test.").to_wire()
        reply = server.respond(wire[:-2] + len(options).to_bytes(2, "big") + options, client)
        assert isinstance(reply, bytes)
        assert len(reply) <= 512
        assert len(option(dns.message.from_wire(reply), code) or b"") == size


def test_a_cookie_is_learnt_from_the_first_answer_and_from_memory() -> None:
    server = responder(cookies=COOKIES)
    for name in ("www.lab.test.", "WWW.lab.test.", "nothing.lab.test.", "www.elsewhere.test."):
        for _ in range(2):
            reply = asked(server, with_options(name, (10, CLIENT)))
            learnt = option(reply, 10)
            assert learnt is not None
            assert learnt.startswith(CLIENT)
            assert len(learnt) == 24
            assert option(asked(server, with_options(name, (10, learnt))), 10) == learnt
    assert option(asked(server, question("www.lab.test.", payload=1232)), 10) is None
    assert option(asked(server, with_options("www.lab.test.", (10, CLIENT)), TCP), 10) is not None


def test_a_cookie_alone_is_answered_from_memory_as_it_would_be_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zonemint.dns.answers.responder.time", lambda: 1_800_000_000.0)
    server = responder(cookies=COOKIES)
    whole = option(asked(server, with_options("www.lab.test.", (10, CLIENT))), 10)
    assert whole is not None
    stale = whole[:12] + bytes(4) + whole[16:]
    for name in ("www.lab.test.", "WwW.lab.TEST.", "nothing.lab.test.", "alias.lab.test.", "host.child.lab.test."):
        plain = with_options(name).to_wire()
        for data in (CLIENT, whole, stale, whole[:-1] + b"x"):
            message = with_options(name, (10, data)).to_wire()
            assert responder(cookies=COOKIES).with_cookie(message[2:], UDP.address, UDP.slot) is None
            for _ in range(3):
                server.respond(plain, UDP)
            reply = server.with_cookie(message[2:], UDP.address, UDP.slot)
            assert reply is not None, name
            assert message[:2] + reply == responder(cookies=COOKIES).respond(message, UDP)
    # Other options beside it, none of ours to give, or bytes that only look like it, take the longer way.
    for other in (
        with_options("www.lab.test.", (10, whole), (3, b"")).to_wire(),
        with_options("www.lab.test.", (3, b""), (10, CLIENT)).to_wire(),
        with_options("www.lab.test.", (11, bytes(24))).to_wire(),
        message[:-1],
        message + b"\0",
    ):
        assert server.with_cookie(other[2:], UDP.address, UDP.slot) is None
    assert responder().with_cookie(message[2:], UDP.address, UDP.slot) is None


def test_without_a_secret_there_are_no_cookies() -> None:
    assert not asked(responder(), with_options("www.lab.test.", (10, CLIENT))).options


@pytest.mark.parametrize("client", [UDP, TCP])
@pytest.mark.parametrize("remembered", [False, True])
def test_what_is_no_cookie_is_formerr(client: Client, remembered: bool) -> None:
    """RFC 7873 section 5.2.2."""
    server = responder(cookies=COOKIES)
    if remembered:
        asked(server, question("www.lab.test.", payload=1232))
    for size in (0, 7, 9, 15, 41):
        assert asked(server, with_options("www.lab.test.", (10, bytes(size))), client).rcode() == dns.rcode.FORMERR


def test_of_several_cookies_the_first_counts() -> None:
    """RFC 7873 section 5.2."""
    reply = asked(responder(cookies=COOKIES), with_options("www.lab.test.", (10, CLIENT), (10, b"xxxxxxxx"), (10, b"")))
    learnt = option(reply, 10)
    assert learnt is not None
    assert learnt.startswith(CLIENT)


def test_options_take_part_in_the_size_of_an_answer() -> None:
    """Five strings of 200 bytes fit into 1232 with a cookie, not with a long name beside it; memory is not misled."""
    server = responder(cookies=COOKIES, nsid=b"n" * 200)
    for _ in range(2):
        crowded = asked(server, with_options("some.auth.lab.test.", (10, CLIENT), (3, b""), type_="TXT"))
        assert crowded.flags & dns.flags.TC
        assert option(crowded, 3) == b"n" * 200
        roomy = asked(server, with_options("some.auth.lab.test.", (10, CLIENT), type_="TXT"))
        assert len(roomy.answer[0]) == 5


def test_a_truncated_answer_with_options_is_not_remembered_for_those_without() -> None:
    server = responder(cookies=COOKIES, nsid=b"n" * 440)
    nsid = dns.edns.GenericOption(dns.edns.OptionType.NSID, b"")
    for _ in range(2):
        assert asked(server, question("www.lab.test.", "A", payload=512, options=[nsid])).flags & dns.flags.TC
        assert len(asked(server, question("www.lab.test.", "A", payload=512)).answer[0]) == 2


@pytest.mark.parametrize(
    ("length", "has_text", "has_nsid"), [(100, True, True), (180, False, True), (255, False, False)]
)
def test_what_has_no_room_beside_the_question_is_left_out(length: int, has_text: bool, has_nsid: bool) -> None:
    """A client that takes 512 bytes gets no more: the text of an error goes first, then the server's name."""
    catalog = lab_catalog()
    catalog.suspend("lab.test")
    server = Responder(catalog, terms=Terms(cookies=COOKIES, nsid=b"n" * 255))
    labels = "x" * 60 + "." + "x" * 60 + "." + "x" * 60 + "." + "x" * 60 + "."
    name = labels[len(labels) - (length - 10) + 1 :].lstrip(".") + "lab.test."
    query = with_options(name, (10, CLIENT), (3, b""))
    query.use_edns(0, payload=512, options=list(query.options))
    reply = server.respond(query.to_wire(), UDP)
    assert isinstance(reply, bytes)
    assert len(reply) <= 512
    message = dns.message.from_wire(reply)
    assert message.rcode() == dns.rcode.SERVFAIL
    error = option(message, 15)
    assert error is not None
    assert (len(error) > 2) is has_text
    assert option(message, 3) == (b"n" * 255 if has_nsid else None)
    assert option(message, 10) is not None


def test_a_cookie_for_who_is_beyond_the_limit_fits_into_512_bytes() -> None:
    limit = RateLimit(1, slip=1, burst=1, clock=lambda: 10**9)
    server = responder(cookies=COOKIES, nsid=b"n" * 255, limit=limit)
    query = with_options("x" * 60 + ("." + "x" * 60) * 3 + ".lab.test.", (10, CLIENT), (3, b""))
    query.use_edns(0, payload=512, options=list(query.options))
    for rcode in (dns.rcode.NXDOMAIN, dns.rcode.BADCOOKIE):
        reply = server.respond(query.to_wire(), UDP)
        assert isinstance(reply, bytes)
        assert len(reply) <= 512
        message = dns.message.from_wire(reply)
        assert message.rcode() == rcode
        assert option(message, 10) is not None


@pytest.mark.parametrize("client", [UDP, TCP])
def test_the_name_of_the_server_is_told_to_those_who_ask(client: Client) -> None:
    """RFC 5001 section 2.2."""
    server = responder(nsid=b"ns1.lab.test")
    assert option(asked(server, with_options("www.lab.test.", (3, b"")), client), 3) == b"ns1.lab.test"
    assert not asked(server, question("www.lab.test.", payload=1232), client).options
    assert not asked(responder(), with_options("www.lab.test.", (3, b"")), client).options


def test_how_long_a_quiet_connection_stays_open() -> None:
    """RFC 7828 section 3.2.1: over connections only, and a client says no time."""
    server = responder(keepalive=100)
    assert option(asked(server, with_options("www.lab.test.", (11, b"")), TCP), 11) == b"\0\x64"
    assert not asked(server, with_options("www.lab.test.", (11, b"")), UDP).options
    assert asked(server, with_options("www.lab.test.", (11, b"\0\1")), TCP).rcode() == dns.rcode.FORMERR
    assert asked(server, with_options("www.lab.test.", (11, b"\0\1")), UDP).rcode() == dns.rcode.NOERROR
    assert not asked(responder(), with_options("www.lab.test.", (11, b"")), TCP).options
    # Over HTTPS it is HTTP's to say.
    assert not asked(server, with_options("www.lab.test.", (11, b"")), HTTPS).options


@pytest.mark.parametrize("client", [TLS, HTTPS])
def test_encrypted_answers_are_padded_for_those_who_pad(client: Client) -> None:
    """RFC 8467 section 4.1: to blocks of 468 bytes."""
    server = responder(cookies=COOKIES, nsid=b"ns1")
    for name, type_ in (("www.lab.test.", "A"), ("nothing.lab.test.", "A"), ("many.auth.lab.test.", "TXT")):
        for others in ((), ((10, CLIENT), (3, b""))):
            reply = server.respond(with_options(name, *others, (12, bytes(7)), type_=type_).to_wire(), client)
            assert isinstance(reply, bytes)
            assert len(reply) % 468 == 0
            assert option(dns.message.from_wire(reply), 12) is not None
    assert not asked(server, question("www.lab.test.", payload=1232), client).options
    assert not asked(server, with_options("www.lab.test.", (12, bytes(7))), TCP).options
    assert not asked(server, with_options("www.lab.test.", (12, bytes(7))), UDP).options


@pytest.mark.parametrize(
    ("name", "type_", "code"),
    [("www.elsewhere.test.", "A", 20), ("www.lab.test.", "AXFR", 21), ("lab.test.", "ANY", -1)],
)
def test_a_refusal_says_why_to_those_who_know_edns(name: str, type_: str, code: int) -> None:
    """RFC 8914."""
    reply = asked(responder(), question(name, type_, payload=1232), TCP)
    assert [one.code for one in reply.options if isinstance(one, dns.edns.EDEOption)] == ([code] if code > 0 else [])
    assert not asked(responder(), question(name, type_), TCP).opt


def test_who_is_denied_is_refused_and_told_so_or_hears_nothing() -> None:
    server = responder(denial=Denial.REFUSE)
    for name in ("www.lab.test.", "www.elsewhere.test."):
        for client in (UDP, TCP):
            reply = asked(server, question(name, payload=1232), client)
            assert reply.rcode() == dns.rcode.REFUSED
            assert [one.code for one in reply.options if isinstance(one, dns.edns.EDEOption)] == [18]
    silent = responder(denial=Denial.IGNORE)
    assert silent.respond(question("www.lab.test.").to_wire(), UDP) is None
    assert silent.respond(b"\0\1\x28\0" + bytes(8), UDP) is None


def limited(slip: int = 1) -> Responder:
    return responder(cookies=COOKIES, limit=RateLimit(10, slip=slip, burst=1, clock=lambda: 10**9))


def exhausted(slip: int = 1) -> Responder:
    server = limited(slip)
    for _ in range(10):
        assert asked(server, question("www.lab.test.")).answer
    return server


def test_beyond_the_limit_clients_are_sent_to_tcp() -> None:
    server = exhausted()
    for payload in (None, 1232):
        wire = question("www.lab.test.", payload=payload).to_wire()
        reply = server.respond(wire, UDP)
        assert isinstance(reply, bytes)
        assert len(reply) <= len(wire)
        message = dns.message.from_wire(reply)
        assert message.flags & dns.flags.TC
        assert not message.answer
        assert (message.edns == 0) == (payload is not None)
    assert asked(server, question("www.lab.test."), TCP).answer
    assert asked(server, question("nothing.lab.test.")).rcode() == dns.rcode.NXDOMAIN


def test_beyond_the_limit_answers_may_be_left_out() -> None:
    server = exhausted(slip=0)
    assert server.respond(question("www.lab.test.").to_wire(), UDP) is None
    # One answer to each packet that is rubbish would be as good to whoever forges them.
    replies = [server.respond(b"\0\1\0\0" + bytes(8), UDP) for _ in range(100)]
    assert replies.count(None) == 90


def test_who_has_a_cookie_has_no_limit_and_who_could_have_one_is_given_it() -> None:
    """RFC 7873 section 5.2.3: BADCOOKIE, and the query again with what came with it."""
    server = exhausted()
    reply = asked(server, with_options("www.lab.test.", (10, CLIENT)))
    assert reply.rcode() == dns.rcode.BADCOOKIE
    assert not reply.answer
    learnt = option(reply, 10)
    assert learnt is not None
    for _ in range(20):
        assert asked(server, with_options("www.lab.test.", (10, learnt))).answer
    other = Client(b"\xc0\0\2\1", 5300, Transport.UDP)
    for _ in range(10):
        assert asked(server, with_options("www.lab.test.", (10, learnt)), other).answer
    assert asked(server, with_options("www.lab.test.", (10, learnt)), other).rcode() == dns.rcode.BADCOOKIE


def test_a_batch_finds_no_answer_that_was_not_counted() -> None:
    server = limited()
    for _ in range(5):
        asked(server, question("www.lab.test."))
    assert not server.lasting
    assert not server.passing


async def test_an_answer_that_had_to_wait_is_counted_when_it_is_sent() -> None:
    values: asyncio.Future[Sequence[str] | None] = asyncio.get_running_loop().create_future()
    limit = RateLimit(10, slip=0, burst=1, clock=lambda: 10**9)
    server = Responder(lab_catalog(lambda label: values), terms=Terms(limit=limit))
    waiting = [server.respond(question("x.auth.lab.test.", "TXT").to_wire(), UDP) for _ in range(20)]
    sent: asyncio.Queue[Ready] = asyncio.Queue()
    for later in waiting:
        assert isinstance(later, Later)
        later.then(sent.put_nowait)
    values.set_result(["value"])
    async with asyncio.timeout(5):
        assert [await sent.get() is None for _ in waiting] == [False] * 10 + [True] * 10
