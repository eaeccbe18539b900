"""What an account has proved serves its later orders, where the settings say so (RFC 8555 sections 7.1.4 and 7.4)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.acme.client import Client, csr_of, registered
from tests.acme.signing import b64url
from tests.acme.test_requests import assert_refused
from tests.web.fixtures import store_of
from tests.web.lab import Clock, Lab, running, settings
from zonemint.config import Acme
from zonemint.config.values import Seconds
from zonemint.store import sweep
from zonemint.store.opening import open_store

NAME = "proved.lab.test"
HOUR = 3600


@pytest.fixture(params=["sqlite", "postgresql"])
async def reusing(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Lab]:
    config = settings(
        store=store_of(request), acme=Acme(authorization_reuse=True, authorization_lifetime=Seconds(2 * HOUR))
    )
    async with running(tmp_path, config, clock=Clock()) as lab:
        yield lab


async def finalized(client: Client, order: dict[str, object], *names: str) -> str:
    done = (await client.post(str(order["finalize"]), {"csr": b64url(csr_of(*names))})).json()
    return str(done["status"])


async def test_a_later_order_is_ready_at_once(reusing: Lab) -> None:
    client = await registered(reusing)
    _, first = await client.ready_order(NAME)
    reply = await client.order(NAME)
    order = reply.json()
    assert (reply.status, order["status"]) == (201, "ready")
    # An authorization of its own, as valid as the first one and no longer, with the challenge that decided.
    before, after = [(await client.post(one["authorizations"][0])).json() for one in (first, order)]
    assert order["authorizations"] != first["authorizations"]
    assert after["status"] == "valid"
    assert after["expires"] == before["expires"] == order["expires"]
    assert [one["validated"] for one in after["challenges"]] == [one["validated"] for one in before["challenges"]]
    assert await finalized(client, order, NAME) == "valid"
    assert await finalized(client, first, NAME) == "valid"


async def test_only_what_was_proved_is_taken_over(reusing: Lab) -> None:
    client, other = await registered(reusing), await registered(reusing)
    _, first = await client.ready_order(NAME)
    order = (await client.order(NAME, f"*.{NAME}", f"a.{NAME}")).json()
    assert order["status"] == "pending"
    shown = [(await client.post(url)).json()["status"] for url in order["authorizations"]]
    assert shown == ["valid", "pending", "pending"]
    # Nothing that another account proved, and nothing that is pending.
    assert (await other.order(NAME)).json()["status"] == "pending"
    again = (await client.order(f"a.{NAME}")).json()
    assert again["status"] == "pending"
    assert again["authorizations"][0] not in order["authorizations"]
    # The rest is proved as ever, and then the order is ready.
    await reusing.delegate(NAME)
    await reusing.delegate(f"a.{NAME}")
    for url in order["authorizations"][1:]:
        challenge = await client.challenge(url)
        await client.publish(challenge)
        assert (await client.post(challenge["url"], {})).json()["status"] == "valid"
    assert await finalized(client, order, NAME, f"*.{NAME}", f"a.{NAME}") == "valid"
    assert await finalized(client, first, NAME) == "valid"


async def test_what_is_given_up_is_not_taken_over(reusing: Lab) -> None:
    client = await registered(reusing)
    _, first = await client.ready_order(NAME)
    _, beside = await client.ready_order(f"beside.{NAME}")
    copy = (await client.order(NAME)).json()
    assert (await client.post(copy["authorizations"][0], {"status": "deactivated"})).status == 200
    # The order of its own is over, the first one has what it proved, and the next one has to prove it anew.
    refused = await client.post(copy["finalize"], {"csr": b64url(csr_of(NAME))})
    assert_refused(refused, 403, "orderNotReady")
    assert (await client.order(NAME)).json()["status"] == "pending"
    assert (await client.order(f"beside.{NAME}")).json()["status"] == "ready"
    assert await finalized(client, first, NAME) == "valid"
    assert await finalized(client, beside, f"beside.{NAME}") == "valid"


async def test_it_ends_with_the_first_proof(reusing: Lab) -> None:
    client = await registered(reusing)
    await client.ready_order(NAME)
    reusing.clock.offset = 1.5 * HOUR
    later = (await client.order(NAME)).json()
    assert later["status"] == "ready"
    # Too little is left for an order to be finalized in; and using it has not made it last longer.
    reusing.clock.offset = 2 * HOUR - 200
    assert (await client.order(NAME)).json()["status"] == "pending"
    reusing.clock.offset = 2 * HOUR + 1
    refused = await client.post(later["finalize"], {"csr": b64url(csr_of(NAME))})
    assert_refused(refused, 403, "orderNotReady")


async def test_what_has_expired_is_swept(reusing: Lab) -> None:
    client = await registered(reusing)
    for name in (NAME, f"*.{NAME}", f"a.{NAME}"):
        await client.ready_order(name)
    db = await open_store(reusing.config.store.database, reusing.data.database)
    now = int(reusing.clock())
    for ended_before, left in ((now, 3), (now + 3 * HOUR, 0)):
        after, more = "", True
        while more:
            _, more, after = await db.write(sweep.proofs(after, ended_before=ended_before, limit=1))
        assert reusing.rows("SELECT count(*) FROM proofs") == [(left,)]
    await db.close()


async def test_without_the_setting_each_order_proves_its_names(tmp_path: Path) -> None:
    async with running(tmp_path) as lab:
        client = await registered(lab)
        await client.ready_order(NAME)
        assert (await client.order(NAME)).json()["status"] == "pending"
        assert lab.rows("SELECT count(*) FROM proofs") == [(0,)]


async def test_a_proof_whose_order_was_removed_is_none(reusing: Lab) -> None:
    client = await registered(reusing)
    await client.ready_order(NAME)
    db = await open_store(reusing.config.store.database, reusing.data.database)
    assert (await db.write(sweep.orders("", ended_before=int(reusing.clock()) + 10 * 86400, limit=10))).gone[
        "orders"
    ] == 1
    await db.close()
    assert (await client.order(NAME)).json()["status"] == "pending"


async def test_a_proof_by_what_is_no_longer_offered_is_none(tmp_path: Path) -> None:
    async with running(tmp_path, settings(acme=Acme(authorization_reuse=True))) as lab:
        client = await registered(lab)
        await client.ready_order(NAME)
        assert (await client.order(NAME)).json()["status"] == "ready"
    async with running(tmp_path, settings(acme=Acme(authorization_reuse=True, challenges=("http-01",)))) as lab:
        client.lab = lab
        assert (await client.order(NAME)).json()["status"] == "pending"
