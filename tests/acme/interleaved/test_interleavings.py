"""Random interleavings of clients, validations, crashes and jumps of the clock: nothing is stuck or issued unduly.

hypothesis chooses what happens and, when something must not have, finds the shortest story that leads there.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import uvloop
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.acme.client import BASE, csr_of
from tests.acme.interleaved.world import Client, World
from tests.acme.signing import b64url
from tests.postgres import Postgres
from tests.thorough import FACTOR, examples
from zonemint.store.invariants import RULES

_CLIENTS = 3
_NAMES = [["a.lab.test"], ["b.lab.test", "a.lab.test"], ["*.c.lab.test", "c.lab.test"], ["*.lab.test"]]
_FOREIGN = [["evil.test"], ["a.lab.test", "lab.test.evil.test"], ["xlab.test"], ["*.test"]]
_FINAL = ("valid", "invalid")
_PATIENCE = 20.0  # seconds for what takes less than one
_HOUR, _DAY = 3600, 86400


@dataclass
class Order:
    """An order that a client was told of, and the certificate that it was then given."""

    client: Client
    url: str
    names: list[str]
    der: bytes = b""


class Interleavings(RuleBasedStateMachine):
    """What may happen, in any order."""

    def __init__(self, folder: Path, database: str) -> None:
        super().__init__()
        self._folder = folder
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self.world = World(folder, database)
        self._runner.run(self._begin())

    async def _begin(self) -> None:
        await self.world.begin()
        self.clients = [Client(self.world) for _ in range(_CLIENTS)]
        self.orders: list[Order] = []
        for number, client in enumerate(self.clients):
            await client.register()
            await self._order(number + _CLIENTS * number)

    # What happens

    @rule(
        deeds=st.lists(
            st.tuples(st.sampled_from(["order", "prove", "finalize"]), st.integers(0, 11)), min_size=1, max_size=5
        )
    )
    def clients_go_on(self, deeds: list[tuple[str, int]]) -> None:
        """Most do what brings them nearer to a certificate."""
        self._runner.run(self._together(deeds))

    @rule(data=st.data())
    def clients_do_anything(self, data: st.DataObject) -> None:
        self._runner.run(self._together(data.draw(_DEEDS)))

    @rule(data=st.data(), fuse=st.integers(0, 3), how=st.sampled_from(["order", "prove", "finalize"]))
    def the_process_dies(self, data: st.DataObject, fuse: int, how: str) -> None:
        """At one of the commits that clients cause, or a moment after them."""
        self.world.fate.fuse = fuse
        self._runner.run(self._together([(how, data.draw(_NUMBER)), *data.draw(_DEEDS)]))
        self._runner.run(self.world.restart())

    @rule(says=st.sampled_from(["right", "right", "wrong", "late", "broken"]))
    def the_name_server_says(self, says: str) -> None:
        self.world.say(says)

    @rule(seconds=st.sampled_from([30, _HOUR, 8 * _DAY, -_HOUR]))
    def the_clock_jumps(self, seconds: int) -> None:
        self.world.clock.offset += seconds

    @rule(milliseconds=st.integers(0, 100))
    def time_passes(self, milliseconds: int) -> None:
        """What is under way goes on."""
        self._runner.run(asyncio.sleep(milliseconds / 1000))

    # What always holds

    @invariant()
    def nothing_is_issued_that_must_not_be(self) -> None:
        assert self.world.fate.wrong == []
        assert self.world.failed == []

    @invariant()
    def the_rows_agree(self) -> None:
        self._runner.run(self._check_rows())

    async def _check_rows(self) -> None:
        for one in RULES:
            assert await self.world.db.read(one.broken()) == [], one.name
        twice = "SELECT order_id FROM certificates WHERE order_id IS NOT NULL GROUP BY order_id HAVING count(*) > 1"
        assert list(await self.world.rows(twice)) == []

    def teardown(self) -> None:
        try:
            self._runner.run(self._end())
        finally:
            self._runner.run(self.world.end())
            self._runner.close()
            shutil.rmtree(self._folder)

    async def _end(self) -> None:
        """Whatever has happened: each client gets to the end of each of its orders, and each order ends."""
        self.world.say("right")
        await self.world.restart()
        await self.world.outlive_leases()
        async with asyncio.timeout(_PATIENCE):
            for order in self.orders:
                await self._pursue(order)
        self.nothing_is_issued_that_must_not_be()
        await self._check_rows()
        assert list(await self.world.rows("SELECT * FROM validations")) == []
        stored = {bytes(der) for (der,) in await self.world.rows("SELECT der FROM certificates WHERE der IS NOT NULL")}
        assert {order.der for order in self.orders if order.der} <= stored
        assert await self.world.examined() == []
        # Those that a client was never told of, or gave up, end with their time.
        self.world.clock.offset += 400 * _DAY
        now = int(self.world.clock())
        open_ = await self.world.rows("SELECT expires_at FROM orders WHERE status NOT IN ('valid', 'invalid')")
        assert all(expires_at <= now for (expires_at,) in open_)

    # How it is done

    async def _together(self, deeds: list[tuple[str, int]]) -> None:
        """Let clients do all of this at once, until all is answered or the process is dead."""
        tasks = [asyncio.create_task(getattr(self, f"_{deed}")(which)) for deed, which in deeds]
        answered = asyncio.gather(*tasks)
        death: asyncio.Future[Any] = asyncio.ensure_future(self.world.fate.died.wait())
        async with asyncio.timeout(_PATIENCE):
            await asyncio.wait([answered, death], return_when=asyncio.FIRST_COMPLETED)
        if answered.done():
            answered.result()
        else:
            answered.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        death.cancel()

    def _which(self, number: int) -> Order | None:
        return self.orders[number % len(self.orders)] if self.orders else None

    async def _order(self, number: int) -> None:
        client, names = self.clients[number % _CLIENTS], _NAMES[number // _CLIENTS]
        reply = await client.order(*names)
        if reply.status == 201:
            url = reply.header("Location")
            assert url is not None
            self.orders.append(Order(client, url, names))

    async def _order_what_is_foreign(self, number: int) -> None:
        reply = await self.clients[number % _CLIENTS].order(*_FOREIGN[number // _CLIENTS])
        assert reply.status in (400, 401, 403, 429), reply

    async def _prove(self, number: int) -> None:
        if order := self._which(number):
            await self._prove_order(order)

    async def _prove_order(self, order: Order) -> None:
        shown = await order.client.post(order.url)
        for url in shown.json()["authorizations"] if shown.status == 200 else ():
            authorization = (await order.client.post(url)).json()
            if authorization["status"] == "pending":
                (challenge,) = (one for one in authorization["challenges"] if one["type"] == "dns-01")
                await order.client.publish(challenge, authorization["identifier"]["value"])
                await order.client.post(challenge["url"], {})

    async def _finalize(self, number: int) -> None:
        if order := self._which(number):
            await self._finalize_order(order)

    async def _finalize_twice(self, number: int) -> None:
        await asyncio.gather(self._finalize(number), self._finalize(number))

    async def _finalize_order(self, order: Order, *, key: Any = None) -> None:
        csr = csr_of(*order.names, key=key or order.client.key)
        reply = await order.client.post(f"{order.url}/finalize", {"csr": b64url(csr)})
        if reply.status == 200 and reply.json()["status"] == "valid":
            await self._download(order, reply.json()["certificate"])

    async def _finalize_for_other_names(self, number: int) -> None:
        if order := self._which(number):
            csr = csr_of("b.lab.test" if len(order.names) == 1 else "a.lab.test", key=order.client.key)
            reply = await order.client.post(f"{order.url}/finalize", {"csr": b64url(csr)})
            assert reply.status >= 400 or reply.json()["status"] in ("valid", "processing"), reply

    async def _download(self, order: Order, url: str) -> None:
        chain = await order.client.post(url)
        if chain.status == 200:
            der = x509.load_pem_x509_certificates(chain.body)[0].public_bytes(Encoding.DER)
            assert order.der in (b"", der), "an order has one certificate"
            order.der = der

    async def _give_up_a_name(self, number: int) -> None:
        if order := self._which(number):
            shown = await order.client.post(order.url)
            if shown.status == 200:
                authorizations = shown.json()["authorizations"]
                await order.client.post(authorizations[number % len(authorizations)], {"status": "deactivated"})

    async def _revoke(self, number: int) -> None:
        given = [order for order in self.orders if order.der]
        if given:
            order = given[number % len(given)]
            # The odd reasons are key compromise, after which the key is blocked.
            revocation = {"certificate": b64url(order.der), "reason": 1 if number % 2 else 4}
            await order.client.post(f"{BASE}/revoke-cert", revocation)

    async def _leave(self, number: int) -> None:
        client = self.clients[number % _CLIENTS]
        if number >= _CLIENTS * 3 and client.kid is not None:
            await client.post(client.kid, {"status": "deactivated"})

    async def _pursue(self, order: Order) -> None:
        """Bring an order to its end, as a client does that has time."""
        while (shown := await order.client.post(order.url)).status == 200 and shown.json()["status"] not in _FINAL:
            if shown.json()["status"] == "pending":
                await self._prove_order(order)
            elif shown.json()["status"] == "ready":
                await self._finalize_order(order, key=Client(self.world).key)
            await asyncio.sleep(0.005)
        assert shown.status in (200, 401, 403), shown
        if shown.status == 200 and shown.json()["status"] == "valid":
            await self._download(order, shown.json()["certificate"])
            assert order.der


_NUMBER = st.integers(0, 11)
_OTHERS = ["finalize_twice", "finalize_for_other_names", "give_up_a_name", "revoke", "leave", "order_what_is_foreign"]
_DEEDS = st.lists(
    st.tuples(st.sampled_from(["order", "prove", "finalize", *_OTHERS]), st.integers(0, 11)), min_size=1, max_size=4
)


def drive(make: Callable[[], Interleavings], stories: int) -> None:
    # To shorten a story that fails takes minutes.
    phases = set(Phase) if FACTOR > 1 else set(Phase) - {Phase.shrink}
    chosen = settings(max_examples=examples(stories), stateful_step_count=15, phases=phases)
    run_state_machine_as_test(make, settings=chosen)  # type: ignore[arg-type]


def test_on_sqlite(tmp_path: Path) -> None:
    numbers = count()
    drive(lambda: Interleavings(tmp_path / f"{next(numbers)}", ""), 12)


def test_on_postgresql(tmp_path: Path, postgres: Postgres) -> None:
    numbers = count()
    drive(lambda: Interleavings(tmp_path / f"{next(numbers)}", postgres.database()), 4)
