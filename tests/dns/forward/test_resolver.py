"""The resolver as a whole: what it remembers, what it asks once, what it gives when nobody answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import dns.message

from tests.dns.asking import UDP, lab_catalog, lines
from tests.dns.asking import ask as ask_responder
from tests.dns.forward.servers import Server, ask, made, pool, question, resolver, serving, silent, until
from zonemint.dns import codes, wire
from zonemint.dns.answers.foreign import Foreign, records
from zonemint.dns.answers.responder import Responder
from zonemint.dns.answers.services import Later, Ready, Services
from zonemint.dns.forward.loops import check, check_all
from zonemint.dns.forward.resolver import Policy, Resolver
from zonemint.dns.forward.special import SpecialNames

SOA = "example. 900 SOA ns.example. h.example. 1 2 3 4 60"
WWW = wire.name_from_text("www.example")


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def ttl(found: Foreign) -> int:
    return records(WWW, found)[0][0][1].ttl


def asked(server: Server) -> int:
    return len(server.messages["udp"])


async def test_what_is_known_is_not_asked() -> None:
    clock = Clock()
    async with serving(made("@ 60 A 192.0.2.1")) as server:
        ours = resolver(server.endpoint, clock=clock)
        assert ttl(await ask(ours, "www.example")) == 60
        clock.now += 20
        found = ours(question("www.example"))
        assert isinstance(found, Foreign)
        assert ttl(found) == 40
        clock.now += 40
        assert ttl(await ask(ours, "www.example")) == 60
        assert asked(server) == 2
        counts = ours.cache.counts
        assert (counts.hits_success, counts.hits_denial, counts.misses) == (1, 0, 2)


async def test_nothing_is_remembered_too() -> None:
    clock = Clock()
    async with serving(made(rcode=3, authority=[SOA])) as server:
        ours = resolver(server.endpoint, clock=clock)
        for _ in range(3):
            assert (await ask(ours, "www.example")).rcode == codes.NXDOMAIN
        assert asked(server) == 1
        assert ours.cache.counts.hits_denial == 2
        clock.now += 60
        await ask(ours, "www.example")
        assert asked(server) == 2


async def test_an_answer_for_this_once_is_not_remembered() -> None:
    async with serving(made("@ 0 A 192.0.2.1")) as server:
        ours = resolver(server.endpoint)
        for _ in range(2):
            assert ttl(await ask(ours, "www.example")) == 0
        assert asked(server) == 2


async def test_a_failure_is_remembered_for_a_moment() -> None:
    """RFC 9520 section 3.2: so that a broken zone costs its servers little."""
    clock = Clock()
    async with serving(made(rcode=2)) as server:
        ours = resolver(server.endpoint, clock=clock)
        for _ in range(5):
            assert (await ask(ours, "www.example")).rcode == codes.SERVFAIL
        before = asked(server)
        clock.now += 5
        await ask(ours, "www.example")
        assert asked(server) == 2 * before


async def test_a_question_under_way_is_asked_once() -> None:
    async with serving(silent) as server:
        ours = resolver(server.endpoint)
        waiting = [asyncio.ensure_future(ask(ours, "www.example")) for _ in range(50)]
        await until(lambda: asked(server) == 1)
        server.answering["udp"] = made("@ 60 A 192.0.2.1")
        assert {ttl(found) for found in await asyncio.gather(*waiting)} == {60}
        assert asked(server) == 2
        assert ours.cache.counts.shared == 49


async def test_too_many_questions_are_refused_at_once() -> None:
    async with serving(silent) as server:
        ours = resolver(server.endpoint, policy=Policy(max_concurrent=10))
        waiting = [ours(question(f"n{n}.example")) for n in range(30)]
        refused = [found for found in waiting if isinstance(found, Foreign)]
        assert len(refused) == 20
        assert {found.rcode for found in refused} == {codes.SERVFAIL}
        assert ours.cache.counts.rejected == 20
        await asyncio.gather(*[found for found in waiting if isinstance(found, asyncio.Future)])
        assert isinstance(ours(question("n99.example")), asyncio.Future)
        ours.close()


async def test_what_is_popular_is_asked_for_before_its_time_is_over() -> None:
    clock = Clock()
    async with serving(made("@ 100 A 192.0.2.1")) as server:
        ours = resolver(server.endpoint, clock=clock)
        await ask(ours, "www.example")
        await ask(ours, "rare.example")
        for _ in range(5):
            await ask(ours, "www.example")
        clock.now += 91
        for name in ("www.example", "www.example", "rare.example"):
            assert isinstance(ours(question(name)), Foreign)
        await until(lambda: asked(server) == 3)
        await until(lambda: ttl(ours(question("www.example"))) == 100)  # type: ignore[arg-type]
        assert ours.cache.counts.prefetches == 1


async def test_an_answer_past_its_time_is_given_when_nobody_answers() -> None:
    """RFC 8767: with a TTL of 30 seconds, and the reason."""
    clock = Clock()
    async with serving(made("@ 60 A 192.0.2.1")) as server:
        ours = resolver(server.endpoint, clock=clock, stale=3600)
        await ask(ours, "www.example")
        clock.now += 100
        server.answering["udp"] = made(rcode=2)
        found = await ask(ours, "www.example")
        assert (found.rcode, ttl(found), found.error) == (0, 30, b"\0\x0f\0\2\0\3")
        # For a while nobody is asked again.
        before = asked(server)
        assert isinstance(ours(question("www.example")), Foreign)
        assert asked(server) == before
        clock.now += 30
        server.answering["udp"] = made("@ 60 A 192.0.2.9")
        found = await ask(ours, "www.example")
        assert (ttl(found), found.error) == (60, b"")
        clock.now += 3700
        server.answering["udp"] = made(rcode=2)
        assert (await ask(ours, "www.example")).rcode == codes.SERVFAIL


async def test_an_answer_past_its_time_is_given_rather_than_waited_for() -> None:
    clock = Clock()
    loop = asyncio.get_running_loop()
    async with serving(made("@ 60 A 192.0.2.1")) as server:
        ours = resolver(server.endpoint, clock=clock, stale=3600)
        ours.routes.usual = pool(server.endpoint, patience=pool()._patience._replace(deadline=4.0))
        await ask(ours, "www.example")
        clock.now += 100
        server.answering["udp"] = silent
        began = loop.time()
        assert ttl(await ask(ours, "www.example")) == 30
        assert loop.time() - began < 3.5
        ours.close()


async def test_suffixes_have_servers_of_their_own() -> None:
    async with serving(made("@ 60 A 192.0.2.1")) as usual, serving(made("@ 60 A 192.0.2.2")) as corp:
        zones = {b"\4corp\7example\0": pool(corp.endpoint), b"\6secret\4corp\7example\0": None}
        ours = resolver(usual.endpoint, zones=zones)
        for name, last in (("example", 1), ("corp.example", 2), ("a.corp.example", 2), ("xcorp.example", 1)):
            assert (await ask(ours, name)).tail[-1] == last
        assert (await ask(ours, "a.secret.corp.example")).rcode == codes.REFUSED


async def test_names_that_belong_to_nobody_are_not_asked_for() -> None:
    async with serving(made("@ 60 PTR host.example.")) as server:
        named = {wire.name_from_text("168.192.in-addr.arpa"): pool(server.endpoint)}
        ours = resolver(server.endpoint, special=SpecialNames(frozenset(named)), zones=dict(named))
        for name, rcode in (
            ("1.1.10.in-addr.arpa", codes.NXDOMAIN),
            ("10.in-addr.arpa", codes.NOERROR),
            ("1.20.172.in-addr.arpa", codes.NXDOMAIN),
            ("a.onion", codes.NXDOMAIN),
            ("use-application-dns.net", codes.NOERROR),
            ("_dns.resolver.arpa", codes.NOERROR),
            ("1.d.f.ip6.arpa", codes.NXDOMAIN),
        ):
            found = await ask(ours, question(name, "PTR"))
            assert (found.rcode, found.counts, found.authoritative) == (rcode, (0, 1), True), name
        for name, type_, data in (
            ("localhost", "A", b"\x7f\0\0\1"),
            ("a.localhost", "AAAA", bytes(15) + b"\1"),
            ("1.0.0.127.in-addr.arpa", "PTR", b"\x09localhost\0"),
        ):
            found = await ask(ours, question(name, type_))
            assert records(wire.name_from_text(name), found)[0][0][1].data == (data,)
        assert not asked(server)
        assert (await ask(ours, question("1.1.168.192.in-addr.arpa", "PTR"))).counts == (1, 0)
        assert (await ask(ours, question("1.172.in-addr.arpa", "PTR"))).counts == (1, 0)


async def test_servers_that_a_zone_names_are_asked_without_recursion() -> None:
    async with serving(made("@ 60 A 192.0.2.1")) as server:
        ours = resolver(port=server.port)
        asking = question("host.child.lab.test", servers=["127.0.0.1"])
        assert (await ask(ours, asking)).rcode == codes.NOERROR
        assert not dns.message.from_wire(server.messages["udp"][0]).flags & 0x100


async def test_what_servers_of_a_zone_say_is_for_those_who_see_the_zone() -> None:
    """Clients of another view ask the servers of the settings, and neither hears what the others said."""
    async with serving(made("@ 60 A 10.0.0.1")) as inside, serving(made("@ 60 A 192.0.2.1")) as outside:
        ours = resolver(outside.endpoint, port=inside.port)
        for _ in range(2):
            for servers, address in ((["127.0.0.1"], "0a000001"), ([], "c0000201")):
                found = await ask(ours, question("www.example", servers=servers))
                assert records(WWW, found)[0][0][1].data == (bytes.fromhex(address),)


async def test_servers_of_the_settings_go_before_those_that_a_zone_names() -> None:
    """They may be at another port, or behind TLS; and they are resolvers."""
    async with serving(made("@ 60 A 192.0.2.1")) as server:
        ours = resolver(zones={wire.name_from_text("child.lab.test"): pool(server.endpoint)}, port=1)
        asking = question("host.child.lab.test", servers=["127.0.0.1"])
        assert (await ask(ours, asking)).rcode == codes.NOERROR
        assert dns.message.from_wire(server.messages["udp"][0]).flags & 0x100


async def test_a_loop_is_found_and_forgotten_when_it_is_gone() -> None:
    """A server that asks us, as another zonemint with our address in its settings would."""
    ours: Resolver

    async def ask_us(message: bytes) -> None:
        query = wire.parse_query(message)
        found = ours(question(wire.name_to_text(query.name)))
        if isinstance(found, asyncio.Future):
            await found

    tasks = []

    def leading_back(message: bytes) -> Iterable[bytes]:
        tasks.append(asyncio.ensure_future(ask_us(message)))
        return made(rcode=2)(message)

    async with serving(leading_back) as bad, serving(made("@ 60 A 192.0.2.1")) as good:
        ours = resolver(bad.endpoint, good.endpoint)
        await check_all(ours)
        first, second = [one for _, found in ours.routes.pools() for one in found.upstreams]
        assert (first.is_loop, second.is_loop) == (True, False)
        before = asked(bad)
        assert (await ask(ours, "www.example")).tail[-1] == 1
        assert asked(bad) == before
        # It is looked at again, and only it.
        count = asked(good)
        await check_all(ours, only_suspects=True)
        assert (first.is_loop, asked(good)) == (True, count)
        bad.answering["udp"] = made(rcode=3)
        await check(ours, wire.ROOT, first)
        assert not first.is_loop


async def test_a_loop_that_nobody_has_looked_for_asks_once() -> None:
    """Each question that comes back joins itself, and ends with the server's time."""
    ours: Resolver
    came = []

    def leading_back(message: bytes) -> list[bytes]:
        came.append(ours(question(wire.name_to_text(wire.parse_query(message).name))))
        return []

    async with serving(leading_back) as server:
        ours = resolver(server.endpoint)
        assert (await ask(ours, "www.example")).rcode == codes.SERVFAIL
        assert sum(message[12:13] == b"\3" for message in server.messages["udp"]) == 2


async def answered(responder: Responder, name: str) -> dns.message.Message:
    reply = responder.respond(dns.message.make_query(name, "A").to_wire(), UDP)
    sent: list[Ready] = []
    if isinstance(reply, Later):
        reply.then(sent.append)
        await until(lambda: bool(sent))
        (reply,) = sent
    assert isinstance(reply, bytes)
    return dns.message.from_wire(reply)


async def test_a_responder_with_it() -> None:
    """Our zones come before, and what leads into them and out of them is whole."""
    text = made("@ 60 CNAME www.lab.test.", "www.lab.test. 60 A 203.0.113.66")
    async with serving(text) as server:
        responder = Responder(lab_catalog(), Services(recursion=resolver(server.endpoint)))
        for name in ("out.lab.test.", "www.elsewhere.example."):
            found = lines((await answered(responder, name)).answer)
            assert "www 300 A 192.0.2.10" in found
            assert "203.0.113.66" not in str(found)
        assert asked(server) == 1
        assert lines(ask_responder(responder, "www.elsewhere.example.").answer)[-1].endswith("CNAME www")
