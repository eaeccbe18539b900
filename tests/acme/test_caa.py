"""CAA in the course of an order: at validation, again when that is long ago, on every node that could sign."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.acme.client import Client, csr_of, registered
from tests.acme.signing import b64url
from tests.acme.test_challenges import ended, events_of
from tests.acme.test_requests import assert_refused
from tests.web.lab import Clock, Lab, running, settings
from zonemint.acme.caa import REUSE
from zonemint.config import Acme

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def proved(client: Client, name: str) -> tuple[str, dict[str, object]]:
    """Answer the challenge of a new order; return the order as it ends."""
    reply = await client.order(name)
    challenge = await client.challenge(reply.json()["authorizations"][0])
    await client.lab.delegate(name)
    await client.publish(challenge)
    await client.post(challenge["url"], {})
    url = reply.header("Location") or ""
    return url, await ended(client, url)


async def test_the_directory_says_by_which_name_records_mean_us(lab: Lab) -> None:
    assert (await lab.send("GET", "/acme/acme/directory")).json()["meta"]["caaIdentities"] == ["ca.lab.test"]


async def test_a_record_for_us_permits_and_its_look_is_in_the_story(lab: Lab) -> None:
    client = await registered(lab)
    await lab.add_record("permitted.lab.test", "CAA", f'0 issue "ca.lab.test; accounturi={client.kid}"')
    url, order = await proved(client, "permitted.lab.test")
    assert order["status"] == "ready"
    told = [event for event in events_of(lab, url) if event.data.get("type") == "CAA"]
    assert [event.data["name"] for event in told] == ["permitted.lab.test"]
    assert "CAA 0 issue ca.lab.test; accounturi=" in told[0].detail


async def test_a_name_without_records_is_asked_for_up_to_our_domain_and_no_further(lab: Lab) -> None:
    url, order = await proved(await registered(lab), "a.b.free.lab.test")
    assert order["status"] == "ready"
    told = [event.data["name"] for event in events_of(lab, url) if event.data.get("type") == "CAA"]
    assert told == ["a.b.free.lab.test", "b.free.lab.test", "free.lab.test", "lab.test"]


@pytest.mark.parametrize(
    ("name", "record", "says"),
    [
        ("other", '0 issue "ca.example"', 'no issue is for ca.lab.test; add CAA 0 issue "ca.lab.test"'),
        ("nobody", '0 issue ";"', "no issue is for ca.lab.test"),
        ("critical", '128 tbs "x"', "'tbs' is critical and unknown here"),
        (
            "account",
            '0 issue "ca.lab.test; accounturi=https://ca.lab.test/acme/acme/account/x"',
            "it is for the account",
        ),
        ("method", '0 issue "ca.lab.test; validationmethods=http-01"', "the name was proved by dns-01"),
    ],
)
async def test_a_record_that_forbids_ends_the_order_and_says_all(lab: Lab, name: str, record: str, says: str) -> None:
    domain = f"{name}.lab.test"
    await lab.add_record(domain, "CAA", record)
    _, order = await proved(await registered(lab), f"www.{domain}")
    assert order["status"] == "invalid"
    error = order["error"]
    assert isinstance(error, dict)
    assert error["type"] == "urn:ietf:params:acme:error:caa"
    assert error["identifier"] == {"type": "dns", "value": f"www.{domain}"}
    assert f"CAA {domain}, asked of 127.0.0.1:{lab.server.dns_port}: saw" in error["detail"]
    assert says in error["detail"]
    assert f"(asked for www.{domain})" in error["detail"]


async def test_wildcards_have_a_word_of_their_own(lab: Lab) -> None:
    await lab.add_record("wild.lab.test", "CAA", '0 issuewild ";"')
    client = await registered(lab)
    assert (await proved(client, "wild.lab.test"))[1]["status"] == "ready"
    assert (await proved(client, "*.wild.lab.test"))[1]["status"] == "invalid"


@pytest.mark.asyncio(loop_scope="function")
async def test_what_was_looked_at_long_ago_is_looked_at_again_before_the_key_is_used(tmp_path: Path) -> None:
    clock = Clock()
    async with running(tmp_path / "data", clock=clock) as lab:
        client = await registered(lab)
        names = ["one.lab.test", "two.lab.test"]
        orders = [await client.ready_order(*names) for _ in range(2)]
        clock.offset += REUSE + 60
        again = await client.post(orders[0][1]["finalize"], {"csr": b64url(csr_of(*names))})
        assert again.json()["status"] == "valid"
        asked = [event for event in events_of(lab, orders[0][0]) if event.data.get("type") == "CAA"]
        assert len(asked) == 8  # two names, each with its domain, at validation and now
        for name in names:
            await lab.add_record(name, "CAA", '0 issue ";"')
        refused = await client.post(orders[1][1]["finalize"], {"csr": b64url(csr_of(*names))})
        assert_refused(refused, 403, "caa")
        problem = refused.json()
        assert "CAA forbids 2 names: one.lab.test, two.lab.test" in problem["detail"]
        assert [one["identifier"]["value"] for one in problem["subproblems"]] == names
        assert {one["type"] for one in problem["subproblems"]} == {"urn:ietf:params:acme:error:caa"}
        # Nothing was issued, and nothing was lost: the order waits for records that permit.
        assert (await client.post(orders[1][0])).json()["status"] == "ready"
        assert lab.rows("SELECT count(*) FROM certificates WHERE order_id = ?", orders[1][0].rpartition("/")[2]) == [
            (0,)
        ]


@pytest.mark.asyncio(loop_scope="function")
async def test_a_look_within_hours_is_not_repeated(tmp_path: Path) -> None:
    clock = Clock()
    async with running(tmp_path / "data", clock=clock) as lab:
        client = await registered(lab)
        url, order = await client.ready_order("soon.lab.test")
        clock.offset += REUSE - 600
        done = await client.post(order["finalize"], {"csr": b64url(csr_of("soon.lab.test"))})
        assert done.json()["status"] == "valid"
        assert [event.data.get("type") for event in events_of(lab, url)].count("CAA") == 2


@pytest.mark.asyncio(loop_scope="function")
async def test_a_domain_may_be_left_out(tmp_path: Path) -> None:
    config = replace(settings(), acme=Acme(caa={"lab.test": "off"}, caa_identities=("pki.example",)))
    async with running(tmp_path / "data", config) as lab:
        client = await registered(lab)
        await lab.add_record("lab.test", "CAA", '0 issue ";"')
        url, order = await client.ready_order("host.lab.test")
        done = await client.post(order["finalize"], {"csr": b64url(csr_of("host.lab.test"))})
        assert done.json()["status"] == "valid"
        assert "CAA" not in [event.data.get("type") for event in events_of(lab, url)]
        assert (await lab.send("GET", "/acme/acme/directory")).json()["meta"]["caaIdentities"] == ["pki.example"]
