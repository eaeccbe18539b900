"""Queries that are signed get answers that are (RFC 8945), asked and checked by dnspython."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Sequence

import dns.flags
import dns.message
import dns.rcode
import dns.tsig
import pytest

from tests.dns.asking import TCP, UDP, auth_zone, lab_catalog, question, zone
from zonemint.core.errors import StoreUnavailable
from zonemint.dns import tsig, wire
from zonemint.dns.answers.chaos import Chaos
from zonemint.dns.answers.requestor import Client
from zonemint.dns.answers.responder import Responder
from zonemint.dns.answers.services import Later, Ready, Services
from zonemint.dns.answers.signed import signing
from zonemint.dns.guard.rate import RateLimit
from zonemint.dns.guard.terms import Terms
from zonemint.dns.zones.catalog import Catalog

KEY = tsig.Key(wire.name_from_text("host.key"), "hmac-sha256", bytes(32))
THEIRS = dns.tsig.Key("host.key", bytes(32), "hmac-sha256")
OTHER = dns.tsig.Key("host.key", b"other" * 7, "hmac-sha256")

SERVICES = Services(signing=signing({KEY.name: KEY}.get))


def responder() -> Responder:
    return Responder(lab_catalog(), SERVICES)


def exchange(
    server: Responder, name: str, key: dns.tsig.Key = THEIRS, *, client: Client = UDP, payload: int | None = 1232
) -> dns.message.Message:
    query = question(name, payload=payload)
    query.use_tsig(key)
    reply = server.respond(query.to_wire(), client)
    assert isinstance(reply, bytes)
    return dns.message.from_wire(reply, keyring=key, request_mac=query.mac)


@pytest.mark.parametrize("client", [UDP, TCP])
@pytest.mark.parametrize("payload", [None, 1232])
def test_a_signed_query_gets_a_signed_answer(client: Client, payload: int | None) -> None:
    server = responder()
    for _ in range(2):  # the second time the bare answer may come from memory
        reply = exchange(server, "www.lab.test", client=client, payload=payload)
        assert reply.had_tsig
        assert len(reply.answer[0]) == 2
        assert (reply.edns >= 0) is (payload is not None)
    assert exchange(server, "nothing.lab.test").rcode() == dns.rcode.NXDOMAIN


@pytest.mark.parametrize("name", ["www.lab.test", "nothing.lab.test"])
def test_a_proxy_may_have_changed_the_id(name: str) -> None:
    """RFC 8945 section 5.2: the signature is over the client's own, and the proxy waits for an answer to its own."""
    query = question(name)
    query.use_tsig(THEIRS)
    wire_ = query.to_wire()
    other = (query.id ^ 0xFFFF).to_bytes(2, "big")
    reply = responder().respond(other + wire_[2:], UDP)
    assert isinstance(reply, bytes)
    assert reply[:2] == other
    assert dns.message.from_wire(wire_[:2] + reply[2:], keyring=THEIRS, request_mac=query.mac).had_tsig


def test_what_has_no_room_with_its_signature_is_truncated_and_signed() -> None:
    catalog = Catalog()
    catalog.put(zone("$TTL 60\n@ SOA ns1 h 7 3600 600 86400 60\n@ NS ns1\nns1 A 192.0.2.1\nlong TXT " + '"x" ' * 210))
    query = question("long.lab.test", "TXT")
    query.use_tsig(THEIRS)
    server = Responder(catalog, SERVICES)
    unsigned = server.respond(question("long.lab.test", "TXT").to_wire(), UDP)
    assert isinstance(unsigned, bytes)
    assert not unsigned[2] & 2
    reply = server.respond(query.to_wire(), UDP)
    assert isinstance(reply, bytes)
    assert len(reply) <= 512
    read = dns.message.from_wire(reply, keyring=THEIRS, request_mac=query.mac)
    assert read.flags & dns.flags.TC
    assert (read.rcode(), read.answer, len(read.question)) == (dns.rcode.NOERROR, [], 1)
    whole = server.respond(query.to_wire(), TCP)
    assert isinstance(whole, bytes)
    assert dns.message.from_wire(whole, keyring=THEIRS, request_mac=query.mac).answer


def test_a_wrong_key_is_told_so() -> None:
    with pytest.raises(dns.tsig.PeerBadSignature):
        exchange(responder(), "www.lab.test", OTHER)
    with pytest.raises(dns.tsig.PeerBadKey):
        exchange(Responder(lab_catalog()), "www.lab.test")


def test_an_answer_that_waits_is_signed_when_it_comes() -> None:
    import asyncio

    async def whole() -> bytes:
        values: Future[Sequence[str] | None] = asyncio.get_running_loop().create_future()
        catalog = lab_catalog()
        catalog.put(auth_zone(lambda label: values))
        query = question("one.auth.lab.test", "TXT")
        query.use_tsig(THEIRS)
        reply = Responder(catalog, SERVICES).respond(query.to_wire(), UDP)
        assert isinstance(reply, Later)
        told: Future[Ready] = asyncio.get_running_loop().create_future()
        reply.then(told.set_result)
        values.set_result(["value"])
        late = await told
        assert isinstance(late, bytes)
        assert dns.message.from_wire(late, keyring=THEIRS, request_mac=query.mac).answer
        return late

    assert asyncio.run(whole())


def test_a_store_that_does_not_answer_is_no_wrong_key() -> None:
    def silent(name: bytes) -> tsig.Key | None:
        raise StoreUnavailable("gone")

    query = question("www.lab.test")
    query.use_tsig(THEIRS)
    reply = Responder(lab_catalog(), Services(signing=signing(silent))).respond(query.to_wire(), UDP)
    assert isinstance(reply, bytes)
    assert reply[3] & 15 == dns.rcode.SERVFAIL


def test_who_signs_is_no_forged_sender_and_has_no_limit() -> None:
    limited = Responder(lab_catalog(), SERVICES, Terms(limit=RateLimit(1, slip=1)))
    for _ in range(5):
        assert exchange(limited, "www.lab.test").answer


@pytest.mark.parametrize("is_well_formed", [True, False])
def test_who_only_seems_to_sign_has_the_limit_of_others(is_well_formed: bool) -> None:
    """Of class CH nobody looks at the signature, and none of what deserves FORMERR."""
    chaos = Services(signing=SERVICES.signing, classes={3: Chaos(version=b"v" * 200)})
    server = Responder(lab_catalog(), chaos, Terms(limit=RateLimit(1, slip=0, burst=1, clock=lambda: 10**9)))
    query = dns.message.make_query("version.bind", "TXT", "CH" if is_well_formed else "IN")
    query.use_tsig(OTHER)
    sent = query.to_wire()
    if not is_well_formed:
        at = sent.rindex(b"\0\xfa\0\xff")
        sent = sent[: at + 4] + b"\0\0\0\1" + sent[at + 8 :]  # a TTL
    replies = [server.respond(sent, UDP) for _ in range(5)]
    assert isinstance(replies[0], bytes)
    assert replies[0][3] & 15 == (dns.rcode.NOERROR if is_well_formed else dns.rcode.FORMERR)
    assert replies[1:] == [None] * 4
