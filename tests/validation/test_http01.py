"""http-01 (RFC 8555 section 8.3) against little servers that do well, badly and worse."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.validation.certificates import server_context
from tests.validation.servers import CLAIM, EXPECTED, HOST, Talk, looked, reach, serving
from zonemint.core.errors import AcmeErrorType
from zonemint.core.trace import Event
from zonemint.validation.fence import Fence
from zonemint.validation.http01 import PATH, Http01
from zonemint.validation.outcome import Outcome
from zonemint.validation.stream import client_context

BODY = EXPECTED.encode()
UNUSED = 1  # a port that no redirect of these tests may lead to


def ok(body: bytes = BODY, head: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s" % (len(body), head, body)


def to(location: str | bytes, status: int = 302) -> bytes:
    where = location.encode() if isinstance(location, str) else location
    return b"HTTP/1.1 %d Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (status, where)


def says(answer: bytes | Mapping[str, bytes], asked: list[str] | None = None) -> Talk:
    """Answer each request with octets, or with those of its path; then close."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if asked is not None:
            asked.append(head)
        writer.write(answer if isinstance(answer, bytes) else answer[head.split()[1]])
        await writer.drain()

    return talk


async def look(talk: Talk, *records: str, wait: float = 5.0) -> tuple[Outcome, list[Event]]:
    async with serving(talk) as port:
        return await looked(Http01(reach(*records, timeout=wait), port, UNUSED).check)


FOUND: dict[str, bytes] = {
    "a body with its length": ok(),
    "a body that ends with the connection": b"HTTP/1.1 200 OK\r\n\r\n" + BODY,
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\n" + BODY,
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n"
    % (BODY[:5], len(BODY) - 5, BODY[5:]),
    "a line feed at the end": ok(BODY + b"\n"),
    "white space at the end": ok(BODY + b" \t\r\n\r\n"),
    "an interim response first": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + ok(),
    "more than was announced": ok() + b"and more",
    "a second response": ok() + ok(b"other"),
    "no reason phrase": b"HTTP/1.1 200\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY),
    "a connection that is kept": ok(head=b"Connection: keep-alive\r\n"),
}


@pytest.mark.parametrize("answer", FOUND.values(), ids=FOUND)
async def test_proof(answer: bytes) -> None:
    asked: list[str] = []
    outcome, events = await look(says(answer, asked))
    assert outcome.error is None, outcome.detail
    (request,) = asked
    assert request.startswith(f"GET {PATH}token HTTP/1.1\r\nHost: {HOST}\r\n")
    assert [event.what for event in events] == ["dns-query", "dns-query", "http-get"]
    assert events[-1].data["url"] == f"http://{HOST}{PATH}token"
    assert events[-1].data["status"] == "200"
    assert events[-1].data["address"] == events[-1].peer
    assert events[-1].ms is not None


NOT_FOUND: dict[str, tuple[bytes, AcmeErrorType, str]] = {
    "another value": (ok(b"token.other"), AcmeErrorType.UNAUTHORIZED, "200 'token.other'"),
    "white space before it": (ok(b" " + BODY), AcmeErrorType.UNAUTHORIZED, "200 ' token"),
    "the value and more": (ok(BODY + b"x"), AcmeErrorType.UNAUTHORIZED, "thumbprintx'"),
    "the value cut off": (ok(BODY)[:-1], AcmeErrorType.UNAUTHORIZED, "thumbprin'"),
    "an empty body": (ok(b""), AcmeErrorType.UNAUTHORIZED, "an empty body"),
    "a web page": (ok(b"<html>hello"), AcmeErrorType.UNAUTHORIZED, "a web page came instead"),
    "octets that are no text": (ok(b"\xff\x00\x1b[2J"), AcmeErrorType.UNAUTHORIZED, r"'\xff\x00\x1b[2J'"),
    "404": (b"HTTP/1.1 404 Not Found\r\n\r\nnone", AcmeErrorType.INCORRECT_RESPONSE, "404 'none'"),
    "the value with 404": (ok().replace(b"200", b"404"), AcmeErrorType.INCORRECT_RESPONSE, "404 'token."),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", AcmeErrorType.INCORRECT_RESPONSE, "204"),
    "206": (ok().replace(b"200", b"206"), AcmeErrorType.INCORRECT_RESPONSE, "206"),
    "300": (ok().replace(b"200", b"300"), AcmeErrorType.INCORRECT_RESPONSE, "300"),
    "500": (b"HTTP/1.1 500 Oops\r\n\r\n", AcmeErrorType.INCORRECT_RESPONSE, "500 with an empty body"),
    "what is not HTTP": (b"SSH-2.0-OpenSSH_9\r\n", AcmeErrorType.INCORRECT_RESPONSE, "not HTTP: 'SSH-2.0"),
    "a TLS alert": (b"\x15\x03\x01\0\x02\x02\x46", AcmeErrorType.INCORRECT_RESPONSE, r"not HTTP: '\x15\x03"),
    "another protocol": (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        AcmeErrorType.INCORRECT_RESPONSE,
        "another protocol",
    ),
    "two lengths": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        AcmeErrorType.INCORRECT_RESPONSE,
        "not HTTP",
    ),
    "nothing": (b"", AcmeErrorType.CONNECTION, "without a response"),
    "half a head": (b"HTTP/1.1 200 OK\r\nConte", AcmeErrorType.CONNECTION, "within the head"),
    "a head without end": (
        b"HTTP/1.1 200 OK\r\n" + b"X: yyyyyyyyyyyyy\r\n" * 4000,
        AcmeErrorType.INCORRECT_RESPONSE,
        "over 16 KiB",
    ),
    "interim responses without end": (
        b"HTTP/1.1 100 Continue\r\n\r\n" * 4000,
        AcmeErrorType.INCORRECT_RESPONSE,
        "over 16 KiB",
    ),
}


@pytest.mark.parametrize(("answer", "error", "seen"), NOT_FOUND.values(), ids=NOT_FOUND)
async def test_no_proof_says_what_was_asked_of_whom_and_seen(answer: bytes, error: AcmeErrorType, seen: str) -> None:
    outcome, events = await look(says(answer))
    assert (outcome.error, outcome.again) == (error, True)
    for part in (f"GET http://{HOST}{PATH}token of 127.0.0.1:", seen):
        assert part in outcome.detail
    assert outcome.detail.isprintable()
    assert len(outcome.detail) < 800
    assert events[-1].what == "http-get"


async def test_a_body_without_end_is_left_after_its_beginning() -> None:
    sent = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    outcome, _ = await look(talk)
    assert outcome.error is AcmeErrorType.UNAUTHORIZED
    assert sent < 20_000_000
    assert len(outcome.detail) < 800


SLOW: dict[str, list[bytes]] = {
    "silence": [],
    "a head in drips": [b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n"] * 10_000],
    "a body in drips": [b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n", *[b"x"] * 10_000],
}


@pytest.mark.parametrize("drips", SLOW.values(), ids=SLOW)
async def test_a_slow_server_is_left_in_time(drips: list[bytes]) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for drip in drips:
            writer.write(drip)
            await writer.drain()
            await asyncio.sleep(0.02)
        await reader.read()

    outcome, events = await look(talk, wait=0.2)
    assert (outcome.error, outcome.again) == (AcmeErrorType.CONNECTION, True)
    assert "no whole response within 0.2 s" in outcome.detail
    assert "no whole response" in events[-1].detail


async def test_a_connection_that_is_reset() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    outcome, _ = await look(talk)
    assert outcome.error is AcmeErrorType.CONNECTION


async def test_a_port_that_nobody_listens_on() -> None:
    async with serving(says(b"")) as port:
        pass
    outcome, events = await looked(Http01(reach(), port, UNUSED).check)
    assert (outcome.error, outcome.again) == (AcmeErrorType.CONNECTION, True)
    for part in (f"http://{HOST}{PATH}token", f"127.0.0.1:{port}", "refused"):
        assert part in outcome.detail
    assert (events[-1].what, events[-1].peer) == ("connect", f"127.0.0.1:{port}")


async def test_ipv6_goes_first_and_ipv4_is_tried_when_it_does_not_answer() -> None:
    records = (f"{HOST} A 127.0.0.1", f"{HOST} AAAA ::1")
    async with serving(says(ok()), host="::1") as port:
        outcome, events = await looked(Http01(reach(*records), port, UNUSED).check)
        assert (outcome.error, events[-1].peer) == (None, f"[::1]:{port}")
    outcome, events = await look(says(ok()), *records)
    assert outcome.error is None
    assert [event.what for event in events] == ["dns-query", "dns-query", "connect", "http-get"]
    assert events[-1].peer.startswith("127.0.0.1:")


async def test_an_address_is_asked_by_its_number() -> None:
    asked: list[str] = []
    async with serving(says(ok(), asked), host="::1") as port:
        claim = replace(CLAIM, identifier_type="ip", value="::1")
        outcome, events = await looked(Http01(reach(), port, UNUSED).check, claim)
    assert outcome.error is None
    assert "\r\nHost: [::1]\r\n" in asked[0]
    assert [event.what for event in events] == ["http-get"]


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_followed_with_a_trace_of_each_hop(status: int) -> None:
    asked: list[str] = []
    pages = {f"{PATH}token": to("http://other.lab.test/a?b=c#d", status), "/a?b=c": ok()}
    outcome, events = await look(says(pages, asked), f"{HOST} A 127.0.0.1", "other.lab.test A 127.0.0.1")
    assert outcome.error is None, outcome.detail
    assert "Host: other.lab.test\r\n" in asked[1]
    hops = [event for event in events if event.what == "http-get"]
    assert [event.data["status"] for event in hops] == [str(status), "200"]
    assert "http://other.lab.test/a?b=c" in hops[0].detail


RELATIVE = {
    "/x": "/x",
    "x": f"{PATH}x",
    "//host.lab.test/y": "/y",
    "?q": f"{PATH}token?q",
    "http://HOST.lab.test./z": "/z",
    "/caf\u00e9 bar": "/caf%C3%A9%20bar",
}


@pytest.mark.parametrize(("location", "path"), RELATIVE.items(), ids=map(repr, RELATIVE))
async def test_a_location_is_read_as_a_browser_reads_it(location: str, path: str) -> None:
    outcome, _ = await look(says({f"{PATH}token": to(location), path: ok()}))
    assert outcome.error is None, outcome.detail


REFUSED = {
    "another port": (to("http://host.lab.test:2/"), "only"),
    "another scheme": (to("ftp://host.lab.test/"), "neither http nor https"),
    "a file": (to("file:///etc/passwd"), "neither http nor https"),
    "no host": (to("http://:80/x"), "not a domain name"),
    "a name that is none": (to("http://a..b/"), "not a domain name"),
    "a port that is none": (to("http://host.lab.test:99999/"), "ort"),
    "an open bracket": (to("http://[::1/"), "not followed"),
    "a long one": (to("/" + "x" * 3000), "too long"),
    "no Location": (b"HTTP/1.1 302 Found\r\n\r\n", "without a Location"),
}


@pytest.mark.parametrize(("answer", "seen"), REFUSED.values(), ids=REFUSED)
async def test_a_redirect_elsewhere_is_not_followed(answer: bytes, seen: str) -> None:
    asked: list[str] = []
    outcome, _ = await look(says(answer, asked))
    assert outcome.error is AcmeErrorType.INCORRECT_RESPONSE
    assert seen in outcome.detail
    assert len(asked) == 1
    assert len(outcome.detail) < 800


async def test_redirects_in_circles_end_after_ten() -> None:
    asked: list[str] = []
    outcome, _ = await look(says({f"{PATH}token": to("/b"), "/b": to(f"{PATH}token")}, asked))
    assert outcome.error is AcmeErrorType.INCORRECT_RESPONSE
    assert "more than 10 redirects" in outcome.detail
    assert len(asked) == 11


async def test_ten_redirects_are_followed() -> None:
    pages = {f"{PATH}token": to("/1"), **{f"/{n}": to(f"/{n + 1}") for n in range(1, 10)}, "/10": ok()}
    outcome, _ = await look(says(pages))
    assert outcome.error is None


@pytest.mark.parametrize("target", ["http://127.0.0.2/", "http://[::1]/", "http://inner.lab.test/", "http://127.1/"])
async def test_a_redirect_is_held_against_the_fence_again(target: str) -> None:
    """Only 127.0.0.1 is open here, so the first request goes through and the second one must not."""
    fence = Fence(allow=(ip_network("127.0.0.1/32"),))
    records = (f"{HOST} A 127.0.0.1", "inner.lab.test A 169.254.169.254")
    asked: list[str] = []
    async with serving(says(to(target), asked)) as port:
        outcome, events = await looked(Http01(reach(*records, fence=fence), port, UNUSED).check)
    assert len(asked) == 1
    if target != "http://127.1/":  # no name server has it
        assert (outcome.error, outcome.again) == (AcmeErrorType.CONNECTION, False)
        assert "validation.allow" in outcome.detail
        assert events[-1].what == "connect"


async def test_a_redirect_to_https_needs_no_certificate_that_we_know(tmp_path: Path) -> None:
    tls = server_context(tmp_path, "other.lab.test")
    async with serving(says(ok()), tls=tls) as secure, serving(says(to(f"https://{HOST}/x"))) as port:
        outcome, events = await looked(Http01(reach(), port, secure).check)
    assert outcome.error is None, outcome.detail
    assert events[-1].data["tls"] == "TLSv1.3"


async def test_a_redirect_to_https_without_tls_is_a_problem_of_tls() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with serving(talk) as secure, serving(says(to(f"https://{HOST}/x"))) as port:
        outcome, _ = await looked(Http01(reach(), port, secure).check)
    assert outcome.error is AcmeErrorType.TLS
    assert f"https://{HOST}/x of 127.0.0.1:{secure}" in outcome.detail


def chopped(answer: bytes, cuts: list[int]) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        at = 0
        for cut in sorted({cut % (len(answer) + 1) for cut in cuts}):
            writer.write(answer[at:cut])
            await writer.drain()
            await asyncio.sleep(0)
            at = cut
        writer.write(answer[at:])
        await writer.drain()

    return talk


PIECES = st.sampled_from(
    [b"HTTP/1.1 ", b"200", b"302", b"100", b"\r\n", b"Location: ", b"http://", HOST.encode(), b"Content-Length: ", b"5",
     b"Transfer-Encoding: chunked", b":", b" ", b"ffffffff\r\n", BODY, b"\0", b"Upgrade: x", b"Connection: upgrade"]
)  # fmt: skip
HOSTILE = st.one_of(
    st.binary(max_size=200),
    st.lists(st.one_of(PIECES, st.binary(max_size=5)), max_size=30).map(b"".join),
    st.tuples(st.binary(max_size=80), st.binary(max_size=200)).map(lambda two: ok(two[1], b"X: " + two[0] + b"\r\n")),
    st.binary(max_size=120).map(to),
)


@settings(max_examples=150, deadline=None)
@given(HOSTILE, st.lists(st.integers(0, 1000), max_size=4))
def test_whatever_a_server_says_there_is_an_outcome_in_words(answer: bytes, cuts: list[int]) -> None:
    async def attempt() -> Outcome:
        async with asyncio.timeout(10):
            return (await look(chopped(answer, cuts)))[0]

    outcome = asyncio.run(attempt())
    if outcome.error is None:
        assert BODY in answer.replace(b"\r\n", b"") or BODY in answer
    else:
        assert outcome.error in {
            AcmeErrorType.CONNECTION,
            AcmeErrorType.DNS,
            AcmeErrorType.INCORRECT_RESPONSE,
            AcmeErrorType.TLS,
            AcmeErrorType.UNAUTHORIZED,
        }
        assert outcome.detail.isprintable()
        assert len(outcome.detail) < 1000


@pytest.mark.parametrize("path", ["/token with space", "/\x7f", "/\r\nHost: evil"])
async def test_no_octet_of_a_location_ends_the_request_line(path: str) -> None:
    asked: list[str] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked.append(head)
        writer.write(to(path.encode("latin-1")) if len(asked) == 1 else ok())
        await writer.drain()

    await look(talk)
    assert all(len(head.split("\r\n")[0].split(" ")) == 3 for head in asked)
    assert all("evil" not in head for head in asked)


def test_tls_contexts_believe_nothing_and_speak_nothing_old() -> None:
    context = client_context("http/1.1")
    assert (context.verify_mode, context.minimum_version) == (ssl.CERT_NONE, ssl.TLSVersion.TLSv1_2)
