"""Chains of aliases through our zones and those of others; what others say comes from a function."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import dns.flags
import dns.message
import dns.rcode

from tests.dns.asking import UDP, ask, auth_zone, lab_catalog, lines, question
from zonemint.dns import codes, rdata, wire
from zonemint.dns.answers.compiled import compile_answer
from zonemint.dns.answers.foreign import Foreign, Question
from zonemint.dns.answers.lookup import Answer
from zonemint.dns.answers.responder import Responder
from zonemint.dns.answers.services import Later, Services
from zonemint.dns.guard.options import extended_error
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.records import Owned, RRset
from zonemint.dns.zones.zone import TxtValues

SERVFAIL = Foreign(2, error=extended_error(22))


def said(name: str, text: str, **more: Any) -> Foreign:
    """What others say about a name, as lines of owner, TTL, type and data; owners lie in example or end with a dot."""
    found: list[Owned] = []
    for line in text.splitlines():
        owner, ttl, type_, data = line.split(" ", 3)
        number = codes.type_from_text(type_)
        rrset = RRset(number, int(ttl), (rdata.from_text(number, data),))
        found.append((wire.name_from_text(owner if owner.endswith(".") else f"{owner}.example"), rrset))
    answer = Answer(answer=found)
    tail = compile_answer(wire.name_from_text(name), answer).tail
    targets = tuple(rrset.data[0] for _, rrset in found if rrset.type == 5)
    return Foreign(0, tail, (len(found), 0), targets, **more)


class Others:
    """Answers from a table, and remembers what it was asked."""

    def __init__(self, table: Mapping[str, Foreign]) -> None:
        self.table = table
        self.asked: list[Question] = []

    def __call__(self, asked: Question) -> Foreign:
        self.asked.append(asked)
        return self.table.get(wire.name_to_text(asked.name), SERVFAIL)


def responder(table: Mapping[str, Foreign], catalog: Catalog | None = None) -> tuple[Responder, Others]:
    others = Others(table)
    return Responder(catalog or lab_catalog(), Services(recursion=others)), others


def test_a_name_that_is_not_ours_is_passed_on() -> None:
    server, others = responder(
        {"www.elsewhere.example": said("www.elsewhere.example", "www.elsewhere 60 A 192.0.2.99")}
    )
    reply = ask(server, "wWw.elsewhere.example.")
    assert lines(reply.answer) == ["wWw.elsewhere.example. 60 A 192.0.2.99"]
    assert reply.flags & (dns.flags.RA | dns.flags.AA) == dns.flags.RA
    assert others.asked == [Question(wire.name_from_text("www.elsewhere.example"), 1)]


def test_an_alias_of_ours_is_completed() -> None:
    server, _ = responder({"www.elsewhere.example": said("www.elsewhere.example", "www.elsewhere 60 A 192.0.2.99")})
    reply = ask(server, "out.lab.test.")
    assert lines(reply.answer) == ["out 300 CNAME www.elsewhere.example.", "www.elsewhere.example. 60 A 192.0.2.99"]
    assert reply.flags & dns.flags.AA


def test_an_alias_whose_target_nobody_knows_is_kept() -> None:
    server, _ = responder({})
    reply = ask(server, "out.lab.test.")
    assert reply.rcode() == dns.rcode.NOERROR
    assert lines(reply.answer) == ["out 300 CNAME www.elsewhere.example."]
    assert [int(option.code) for option in reply.extended_errors()] == [22]
    assert ask(server, "other.example.").rcode() == dns.rcode.SERVFAIL


def test_without_recursion_desired_nobody_is_asked() -> None:
    server, others = responder({})
    for name, rcode in (("other.example.", dns.rcode.REFUSED), ("out.lab.test.", dns.rcode.NOERROR)):
        query = question(name)
        query.flags &= ~dns.flags.RD
        reply = server.respond(query.to_wire(), UDP)
        assert isinstance(reply, bytes)
        assert dns.message.from_wire(reply).rcode() == rcode
    assert not others.asked


def test_what_leads_into_our_zones_is_answered_from_them() -> None:
    """Whatever others say is there."""
    text = "www.elsewhere 60 CNAME mail.lab.test.\nmail.lab.test. 60 A 203.0.113.66"
    server, _ = responder({"www.elsewhere.example": said("www.elsewhere.example", text)})
    ours = "mail 300 A 192.0.2.3"
    assert lines(ask(server, "www.elsewhere.example.").answer) == [
        ours,
        "www.elsewhere.example. 60 CNAME mail",
    ]
    assert ours in lines(ask(server, "out.lab.test.").answer)
    lost = said("www.elsewhere.example", "www.elsewhere 60 CNAME nothing.lab.test.")
    server, _ = responder({"www.elsewhere.example": lost})
    reply = ask(server, "out.lab.test.")
    assert reply.rcode() == dns.rcode.NXDOMAIN
    assert len(reply.answer) == 2
    assert lines(reply.authority)[0].startswith("@ 60 SOA")


def test_an_alias_into_our_zones_keeps_its_signature() -> None:
    signature = "CNAME 13 3 60 20300101000000 20200101000000 1 example. AAAA"
    text = (
        f"www.elsewhere 60 CNAME mail.lab.test.\nmail.lab.test. 60 A 203.0.113.66\nwww.elsewhere 60 RRSIG {signature}"
    )
    server, _ = responder({"www.elsewhere.example": said("www.elsewhere.example", text)})
    found = lines(ask(server, "www.elsewhere.example.").answer)
    assert [line.split()[2] for line in found] == ["A", "CNAME", "RRSIG"]


def test_an_alias_between_others_is_followed() -> None:
    first = said("www.elsewhere.example", "www.elsewhere 60 CNAME a.far.example.", open=True)
    server, others = responder(
        {"www.elsewhere.example": first, "a.far.example": said("a.far.example", "a.far 30 A 192.0.2.77")}
    )
    for name, count in (("out.lab.test.", 3), ("www.elsewhere.example.", 2)):
        assert len(ask(server, name).answer) == count
    assert len(others.asked) == 4


def test_chains_end() -> None:
    loop = {
        "www.elsewhere.example": said("www.elsewhere.example", "www.elsewhere 60 CNAME out.lab.test."),
        "a.example": said("a.example", "a 60 CNAME b.example.", open=True),
        "b.example": said("b.example", "b 60 CNAME a.example.", open=True),
    } | {f"n{n}.example": said(f"n{n}.example", f"n{n} 60 CNAME n{n + 1}.example.", open=True) for n in range(100)}
    server, others = responder(loop)
    for name in ("www.elsewhere.example.", "out.lab.test.", "a.example.", "n0.example."):
        assert ask(server, name).answer
    assert len(others.asked) < 40


def test_below_a_cut_of_ours_its_name_servers_are_asked() -> None:
    server, others = responder(
        {"host.child.lab.test": said("host.child.lab.test", "host.child.lab.test. 60 A 192.0.2.88")}
    )
    assert lines(ask(server, "host.child.lab.test.").answer) == ["host.child 60 A 192.0.2.88"]
    assert lines(ask(server, "into.lab.test.").answer) == ["host.child 60 A 192.0.2.88", "into 300 CNAME host.child"]
    assert {asked.servers for asked in others.asked} == {(b"\xc0\0\2\x28",)}
    assert ask(server, "other.child.lab.test.").rcode() == dns.rcode.SERVFAIL


async def test_it_may_take_time_on_both_sides() -> None:
    """An alias of others into a zone whose source has to be asked, and all of it later."""
    loop = asyncio.get_running_loop()
    foreign: asyncio.Future[Foreign] = loop.create_future()
    values: asyncio.Future[TxtValues] = loop.create_future()
    catalog = lab_catalog()
    catalog.put(auth_zone(lambda label: values))
    server = Responder(catalog, Services(recursion=lambda asked: foreign))
    sent: list[Any] = []
    reply = server.respond(question("_acme-challenge.shop.example.", "TXT").to_wire(), UDP)
    assert isinstance(reply, Later)
    reply.then(sent.append)
    text = "_acme-challenge.shop 60 CNAME one.auth.lab.test."
    foreign.set_result(said("_acme-challenge.shop.example", text))
    await asyncio.sleep(0.01)
    assert not sent
    values.set_result(["value"])
    await asyncio.sleep(0.01)
    (message,) = sent
    assert lines(dns.message.from_wire(message).answer) == [
        "_acme-challenge.shop.example. 60 CNAME one.auth",
        'one.auth 1 TXT "value"',
    ]


def test_dnssec_bits() -> None:
    """CD is asked on and comes back; AD comes to those who understand it (RFC 6840 section 5.8)."""
    table = {"www.elsewhere.example": said("www.elsewhere.example", "www.elsewhere 60 A 192.0.2.99", authentic=True)}
    server, others = responder(table)
    for flags, dnssec_ok, expected in ((0, False, 0), (dns.flags.AD, False, dns.flags.AD), (0, True, dns.flags.AD)):
        for disabled in (0, int(dns.flags.CD)):
            query = dns.message.make_query("www.elsewhere.example.", "A", want_dnssec=dnssec_ok)
            query.flags |= flags | disabled
            reply = server.respond(query.to_wire(), UDP)
            assert isinstance(reply, bytes)
            assert dns.message.from_wire(reply).flags & (dns.flags.AD | dns.flags.CD) == expected | disabled
            assert others.asked[-1][2:4] == (dnssec_ok, bool(disabled))


def test_our_own_answers_say_that_recursion_is_there() -> None:
    server, others = responder({})
    for name in ("www.lab.test.", "nothing.lab.test."):
        assert ask(server, name).flags & dns.flags.RA
        assert not ask(lab_catalog(), name).flags & dns.flags.RA
    assert not others.asked
