"""An order does not outlive what was proved for it: it is invalid when one of its proofs has expired (7.1.6)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.acme.client import csr_of, registered
from tests.acme.signing import b64url
from tests.acme.test_requests import assert_refused
from tests.web.fixtures import store_of
from tests.web.lab import Clock, Lab, running, settings
from zonemint.config import Acme
from zonemint.config.values import Seconds

HOUR = 3600


@pytest.fixture(params=["sqlite", "postgresql"])
async def lab(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Lab]:
    """A server whose proofs last an hour, and whose orders last a day."""
    config = settings(store=store_of(request), acme=Acme(authorization_lifetime=Seconds(HOUR)))
    async with running(tmp_path, config, clock=Clock()) as one:
        yield one


async def test_a_ready_order_ends_with_its_first_proof(lab: Lab) -> None:
    client = await registered(lab)
    reply = await client.order("one.lab.test", "two.lab.test")
    url, made = str(reply.header("Location")), reply.json()
    ends = []
    for seconds, (authorization, name) in enumerate(
        zip(made["authorizations"], ("one.lab.test", "two.lab.test"), strict=True)
    ):
        lab.clock.offset = seconds * HOUR / 2
        await lab.delegate(name)
        challenge = await client.challenge(authorization)
        await client.publish(challenge)
        assert (await client.post(challenge["url"], {})).json()["status"] == "valid"
        order = (await client.post(url)).json()
        ends.append((await client.post(authorization)).json()["expires"])
        # The first proof already bounds the order that still waits for the second one.
        assert (order["status"], order["expires"]) == (("pending", "ready")[seconds], ends[0])
    assert made["expires"] > ends[1] > ends[0]
    lab.clock.offset = HOUR + 1
    order = (await client.post(url)).json()
    assert order["status"] == "invalid"
    assert order["error"]["detail"] == f"the order expired at {ends[0]}; make a new one"
    refused = await client.post(order["finalize"], {"csr": b64url(csr_of("one.lab.test", "two.lab.test"))})
    assert_refused(refused, 403, "orderNotReady")


async def test_a_pending_order_ends_with_its_first_proof(lab: Lab) -> None:
    client = await registered(lab)
    reply = await client.order("one.lab.test", "two.lab.test")
    await lab.delegate("one.lab.test")
    challenge = await client.challenge(reply.json()["authorizations"][0])
    await client.publish(challenge)
    assert (await client.post(challenge["url"], {})).json()["status"] == "valid"
    lab.clock.offset = HOUR + 1
    assert (await client.post(str(reply.header("Location")))).json()["status"] == "invalid"
