"""dns-01 (RFC 8555 section 8.4) against a foreign name server in real packets, asked by a foreign resolver."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from hashlib import sha256

import dns.asyncquery
import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype
import pytest
import pytest_asyncio

from tests.acme.signing import b64url
from tests.validation.nameserver import NameServer
from zonemint.config.resolvers import endpoints
from zonemint.core.errors import AcmeErrorType, DnsFailure
from zonemint.core.trace import Event
from zonemint.validation import dns01
from zonemint.validation.method import Tell
from zonemint.validation.outcome import Outcome
from zonemint.validation.resolution import Recursive
from zonemint.validation.resolver import Answer, Questions, Resolver, Rr, Server, place

KEY_AUTHORIZATION = "token.thumbprint"
VALUE = b64url(sha256(KEY_AUTHORIZATION.encode()).digest())
WRONG = "x" * 43
OWNER = "_acme-challenge.host.lab.test"


@pytest_asyncio.fixture
async def server() -> AsyncIterator[NameServer]:
    async with NameServer().running() as server:
        yield server


async def ask(server: Server, name: str, type_: str, *, recurse: bool, timeout: float) -> Answer:  # noqa: ASYNC109
    host, port = server
    try:
        reply = await dns.asyncquery.udp(dns.message.make_query(name, type_), host, port=port, timeout=timeout)
    except dns.exception.Timeout:
        raise DnsFailure(f"name server {place(server)}, asked for {name} {type_}: no answer") from None
    records = [
        Rr(
            rrset.name.to_text(omit_final_dot=True).lower(),
            dns.rdatatype.to_text(rrset.rdtype),
            b"".join(rdata.strings).decode("latin-1")
            if rrset.rdtype == dns.rdatatype.TXT
            else rdata.target.to_text(omit_final_dot=True).lower(),
        )
        for rrset in reply.answer
        for rdata in rrset
    ]
    return Answer(place(server), dns.rcode.to_text(reply.rcode()), tuple(records), 1.0)


def resolver(server: NameServer) -> Resolver:
    servers = endpoints(server.address)
    return Recursive(Questions(ask, time.time), lambda: servers, 0.05 if server.silent else 5)


async def look(server: NameServer, tell: Tell = lambda event: None) -> Outcome:
    return await dns01.check(resolver(server), "host.lab.test", KEY_AUTHORIZATION, tell)


def test_the_expected_value_is_the_hash_of_the_key_authorization() -> None:
    assert dns01.expected_value(KEY_AUTHORIZATION) == VALUE
    assert len(VALUE) == 43


FOUND: dict[str, list[str]] = {
    "one value": [f"{OWNER} TXT {VALUE}"],
    "one of several": [f"{OWNER} TXT {WRONG}", f"{OWNER} TXT {VALUE}", f"{OWNER} TXT other"],
    "a value in several strings": [f'{OWNER} TXT "{VALUE[:10]}" "{VALUE[10:]}"'],
    "through an alias": [f"{OWNER} CNAME one.auth.lab.test.", f"one.auth.lab.test TXT {VALUE}"],
    "through an alias in another letter case": [
        f"{OWNER} CNAME One.AUTH.lab.test.",
        f"one.auth.lab.test TXT {VALUE}",
    ],
    "through eight aliases": [
        f"{OWNER} CNAME a1.test.",
        *(f"a{n}.test CNAME a{n + 1}.test." for n in range(1, 8)),
        f"a8.test TXT {VALUE}",
    ],
}


@pytest.mark.parametrize("lines", FOUND.values(), ids=FOUND)
async def test_proof(server: NameServer, lines: list[str]) -> None:
    server.lines = lines
    events: list[Event] = []
    outcome = await look(server, events.append)
    assert outcome.error is None, outcome.detail
    assert outcome.names[0] == OWNER
    assert [f"{event.data['name']} TXT".lower() for event in events] == [one.lower() for one in server.asked]
    assert all(event.peer == server.address for event in events)


NOT_FOUND: dict[str, tuple[list[str], AcmeErrorType, str]] = {
    "no such name": ([], AcmeErrorType.DNS, "NXDOMAIN"),
    "another type only": ([f"{OWNER} A 192.0.2.1"], AcmeErrorType.UNAUTHORIZED, "no TXT record"),
    "another value": ([f"{OWNER} TXT {WRONG}"], AcmeErrorType.UNAUTHORIZED, WRONG),
    "the value in another case": ([f"{OWNER} TXT {VALUE.swapcase()}"], AcmeErrorType.UNAUTHORIZED, VALUE.swapcase()),
    "the value with a space": ([f'{OWNER} TXT "{VALUE} "'], AcmeErrorType.UNAUTHORIZED, f"'{VALUE} '"),
    "a value that is too long to show": (
        [f"{OWNER} TXT {'y' * 200}"],
        AcmeErrorType.UNAUTHORIZED,
        "'" + "y" * 61 + "...'",
    ),
    "an alias to nothing": ([f"{OWNER} CNAME gone.lab.test."], AcmeErrorType.DNS, "CNAME to gone.lab.test"),
    "a loop": ([f"{OWNER} CNAME b.test.", f"b.test CNAME {OWNER}."], AcmeErrorType.DNS, "CNAME"),
    "an alias to itself": ([f"{OWNER} CNAME {OWNER}."], AcmeErrorType.DNS, "CNAME"),
    "more than eight aliases": (
        [f"{OWNER} CNAME a1.test.", *(f"a{n}.test CNAME a{n + 1}.test." for n in range(1, 20))],
        AcmeErrorType.DNS,
        "more than 8 CNAMEs",
    ),
}


@pytest.mark.parametrize(("lines", "error", "seen"), NOT_FOUND.values(), ids=NOT_FOUND)
async def test_no_proof_says_what_was_asked_of_whom_seen_and_expected(
    server: NameServer, lines: list[str], error: AcmeErrorType, seen: str
) -> None:
    server.lines = lines
    outcome = await look(server)
    assert (outcome.error, outcome.again) == (error, True)
    for part in (f"TXT {OWNER}", server.address, seen, f"expected '{VALUE}'"):
        assert part in outcome.detail
    assert len(server.asked) <= 10
    assert len(outcome.detail) < 1000


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.NOTIMP])
async def test_a_server_that_fails_is_named_with_its_rcode(server: NameServer, rcode: dns.rcode.Rcode) -> None:
    server.rcode = rcode
    outcome = await look(server)
    assert (outcome.error, outcome.again) == (AcmeErrorType.DNS, True)
    assert dns.rcode.to_text(rcode) in outcome.detail
    assert server.address in outcome.detail


async def test_a_server_that_is_silent_is_named(server: NameServer) -> None:
    server.silent = True
    events: list[Event] = []
    outcome = await look(server, events.append)
    assert (outcome.error, outcome.again) == (AcmeErrorType.DNS, True)
    assert server.address in outcome.detail
    assert VALUE in outcome.detail
    assert len(events) == 1
