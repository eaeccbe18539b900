"""Challenges: a validation happens once, ends, says why, and survives the end of the process (sections 7.5.1, 8)."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from josepy.jwk import JWK
from msgspec.structs import replace

from tests.acme.client import BASE, Client, csr_of, public_pem, registered
from tests.acme.signing import b64url
from tests.acme.test_requests import assert_refused
from tests.validation.nameserver import NameServer
from tests.web.lab import DOMAIN, Clock, Lab, running, settings
from zonemint.config import Config, Validation
from zonemint.config.values import Seconds
from zonemint.core.trace import Event

pytestmark = pytest.mark.asyncio(loop_scope="module")


def expected(client: Client, challenge: dict[str, Any]) -> str:
    thumbprint = JWK.load(public_pem(client.signer)).thumbprint()
    return b64url(sha256(f"{challenge['token']}.{b64url(thumbprint)}".encode()).digest())


async def ended(client: Client, order_url: str) -> dict[str, Any]:
    """Wait as a client does until nothing is under way any more."""
    async with asyncio.timeout(10):
        while (order := (await client.post(order_url)).json())["status"] == "pending":  # noqa: ASYNC110 - polls
            await asyncio.sleep(0.01)
    found: dict[str, Any] = order
    return found


def events_of(lab: Lab, order_url: str) -> list[Event]:
    rows = lab.rows("SELECT events FROM traces WHERE order_id = ? ORDER BY id", order_url.rpartition("/")[2])
    return [event for (text,) in rows for event in msgspec.json.decode(text, type=list[Event])]


WRONG = "w" * 43
FAILURES: dict[str, tuple[list[str], str, str]] = {
    "a wrong value": ([WRONG], "unauthorized", WRONG),
    "no value": ([], "unauthorized", "no TXT record"),
}


@pytest.mark.parametrize(("values", "problem", "seen"), FAILURES.values(), ids=FAILURES)
async def test_a_failure_ends_challenge_authorization_and_order_and_says_all(
    tmp_path: Path, values: list[str], problem: str, seen: str
) -> None:
    async with running(tmp_path / "data") as lab:
        client = await registered(lab)
        reply = await client.order("fails.lab.test")
        url, authorization_url = reply.header("Location") or "", reply.json()["authorizations"][0]
        await lab.delegate("fails.lab.test")
        for value in values:
            await lab.set_txt(value)
        challenge = await client.challenge(authorization_url)
        assert (await client.post(challenge["url"], {})).json()["status"] in ("processing", "invalid")
        order = await ended(client, url)
        authorization = (await client.post(authorization_url)).json()
        assert [order["status"], authorization["status"]] == ["invalid", "invalid"]
        (decided,) = authorization["challenges"]
        assert decided["status"] == "invalid"
        assert "validated" not in decided
        assert decided == (await client.post(challenge["url"])).json()
        for error in (order["error"], decided["error"]):
            assert error["type"] == f"urn:ietf:params:acme:error:{problem}"
            assert error["identifier"] == {"type": "dns", "value": "fails.lab.test"}
            for part in (
                "TXT _acme-challenge.fails.lab.test",
                f"a CNAME to {lab.txt['fulldomain']}",
                f"127.0.0.1:{lab.server.dns_port}",
                seen,
                expected(client, challenge),
            ):
                assert part in error["detail"]
        # It is over: the right value does not help any more.
        await lab.set_txt(expected(client, challenge))
        assert (await client.post(challenge["url"], {})).json() == decided
        refused = await client.post(order["finalize"], {"csr": b64url(csr_of("fails.lab.test"))})
        assert_refused(refused, 403, "orderNotReady")


async def test_a_name_without_an_alias_fails_with_nxdomain(lab: Lab) -> None:
    client = await registered(lab)
    reply = await client.order("nowhere.lab.test")
    challenge = await client.challenge(reply.json()["authorizations"][0])
    await client.post(challenge["url"], {})
    error = (await ended(client, reply.header("Location") or ""))["error"]
    assert error["type"] == "urn:ietf:params:acme:error:dns"
    assert "NXDOMAIN" in error["detail"]


async def test_eight_posts_at_once_validate_once(lab: Lab) -> None:
    client = await registered(lab)
    reply = await client.order("once.lab.test")
    await lab.delegate("once.lab.test")
    challenge = await client.challenge(reply.json()["authorizations"][0])
    await client.publish(challenge)
    bodies = [(await client.draft(challenge["url"], {})).body() for _ in range(8)]
    replies = await asyncio.gather(*(client.send(challenge["url"], body) for body in bodies))
    assert {one.status for one in replies} == {200}
    assert {one.json()["status"] for one in replies} == {"valid"}
    events = events_of(lab, reply.header("Location") or "")
    assert [event.data["type"] for event in events if event.what == "dns-query"] == ["TXT", "CAA", "CAA"]
    told = [event.what for event in events]
    assert [told.count(what) for what in ("challenge", "valid")] == [1, 1]


@pytest.mark.parametrize("payload", [b"[]", b"1", b'"{}"', b"{"])
async def test_a_payload_that_is_no_object_starts_nothing(lab: Lab, payload: bytes) -> None:
    client = await registered(lab)
    challenge = await client.challenge((await client.order("idle.lab.test")).json()["authorizations"][0])
    draft = await client.draft(challenge["url"])
    draft.payload = payload
    assert_refused(await client.send(challenge["url"], draft.body()), 400, "malformed")
    assert (await client.post(challenge["url"])).json()["status"] == "pending"


async def test_a_challenge_of_another_type_is_not_there(lab: Lab) -> None:
    client = await registered(lab)
    authorization = (await client.order("*.typed.lab.test")).json()["authorizations"][0]
    other = f"{BASE}/challenge/{authorization.rpartition('/')[2]}/http-01"
    assert_refused(await client.post(other, {}), 404, "malformed")


def asking(server: NameServer, timeout: float = 5, attempts: int = 2) -> Config:
    validation = Validation(
        resolvers={DOMAIN: server.address}, attempts=attempts, interval=Seconds(0.02), timeout=Seconds(timeout)
    )
    return replace(settings(), validation=validation)


@pytest.mark.asyncio(loop_scope="function")
async def test_while_it_is_under_way_everything_says_so(tmp_path: Path) -> None:
    async with NameServer(silent=True).running() as server, running(tmp_path / "data", asking(server)) as lab:
        client = await registered(lab)
        reply = await client.order("slow.lab.test")
        authorization = reply.json()["authorizations"][0]
        challenge = await client.challenge(authorization)
        for answer in (await client.post(challenge["url"], {}), await client.post(challenge["url"], {})):
            assert answer.json()["status"] == "processing"
            assert answer.header("Retry-After") == "1"
            assert f'<{authorization}>;rel="up"' in answer.all("Link")
        shown = await client.post(authorization)
        assert (shown.json()["status"], shown.header("Retry-After")) == ("pending", "1")
        assert (await client.post(reply.header("Location") or "")).json()["status"] == "pending"
        assert set(server.asked) == {"_acme-challenge.slow.lab.test TXT"}


@pytest.mark.asyncio(loop_scope="function")
async def test_what_is_given_up_while_it_is_under_way_is_under_way_no_more(tmp_path: Path) -> None:
    async with NameServer(silent=True).running() as server:
        async with running(tmp_path / "data", asking(server)) as lab:
            client = await registered(lab)
            reply = await client.order("given-up.lab.test")
            authorization = reply.json()["authorizations"][0]
            challenge = await client.challenge(authorization)
            assert (await client.post(challenge["url"], {})).json()["status"] == "processing"
            gone = await client.post(authorization, {"status": "deactivated"})
            assert (gone.json()["status"], gone.header("Retry-After")) == ("deactivated", None)
            left = await client.post(challenge["url"])
            assert (left.json()["status"], left.header("Retry-After")) == ("invalid", None)
        server.silent = False
        async with running(tmp_path / "data", asking(server)) as lab:
            # What was owed is owed no more once somebody has looked.
            async with asyncio.timeout(10):
                while lab.rows("SELECT * FROM validations"):  # noqa: ASYNC110 - the other side is a server
                    await asyncio.sleep(0.01)


@pytest.mark.asyncio(loop_scope="function")
async def test_what_expires_while_it_is_under_way_does_not_come_back(tmp_path: Path) -> None:
    clock = Clock()
    async with (
        NameServer(silent=True).running() as server,
        running(tmp_path / "data", asking(server, 0.4), clock=clock) as lab,
    ):
        client = await registered(lab)
        reply = await client.order("expires.lab.test")
        url, authorization = reply.header("Location") or "", reply.json()["authorizations"][0]
        challenge = await client.challenge(authorization)
        assert (await client.post(challenge["url"], {})).json()["status"] == "processing"
        clock.offset = 100_000
        assert (await client.post(authorization)).json()["status"] == "invalid"
        server.lines = [f"_acme-challenge.expires.lab.test TXT {expected(client, challenge)}"]
        server.silent = False
        async with asyncio.timeout(10):
            while lab.rows("SELECT * FROM validations"):  # noqa: ASYNC110 - the other side is a server
                await asyncio.sleep(0.01)
        ended = (await client.post(authorization)).json()
        assert (ended["status"], ended["challenges"][0]["status"]) == ("invalid", "invalid")
        assert "expired" in ended["challenges"][0]["error"]["detail"]
        assert (await client.post(url)).json()["status"] == "invalid"


@pytest.mark.asyncio(loop_scope="function")
async def test_a_validation_survives_a_stop_and_a_new_start(tmp_path: Path) -> None:
    async with NameServer(silent=True).running() as server:
        async with running(tmp_path / "data", asking(server)) as lab:
            client = await registered(lab)
            url = (await client.order("survives.lab.test")).header("Location") or ""
            challenge = await client.challenge((await client.post(url)).json()["authorizations"][0])
            assert (await client.post(challenge["url"], {})).json()["status"] == "processing"
        assert lab.rows("SELECT challenge_type FROM validations") == [("dns-01",)]
        server.silent = False
        server.lines = [f"_acme-challenge.survives.lab.test TXT {expected(client, challenge)}"]
        async with running(tmp_path / "data", asking(server)) as lab:
            client.lab = lab
            # Nobody posts to the challenge again: the server owes the answer.
            assert (await ended(client, url))["status"] == "ready"
            assert lab.rows("SELECT * FROM validations") == []
            assert "resumed" in [event.what for event in events_of(lab, url)]


@pytest.mark.asyncio(loop_scope="function")
async def test_a_silent_name_server_ends_in_time_and_is_named(tmp_path: Path) -> None:
    async with NameServer(silent=True).running() as server, running(tmp_path / "data", asking(server, 0.1)) as lab:
        client = await registered(lab)
        reply = await client.order("silent.lab.test")
        challenge = await client.challenge(reply.json()["authorizations"][0])
        await client.post(challenge["url"], {})
        error = (await ended(client, reply.header("Location") or ""))["error"]
        assert error["type"] == "urn:ietf:params:acme:error:dns"
        for part in (server.address, "_acme-challenge.silent.lab.test", "no answer"):
            assert part in error["detail"]
        assert len(server.asked) <= 4


@pytest.mark.asyncio(loop_scope="function")
async def test_a_value_that_comes_late_is_found_within_the_attempts(tmp_path: Path) -> None:
    async with NameServer().running() as server, running(tmp_path / "data", asking(server, attempts=5)) as lab:
        client = await registered(lab)
        reply = await client.order("late.lab.test")
        challenge = await client.challenge(reply.json()["authorizations"][0])
        post = asyncio.create_task(client.post(challenge["url"], {}))
        async with asyncio.timeout(5):
            while not server.asked:  # noqa: ASYNC110 - the other side is a server
                await asyncio.sleep(0.001)
        server.lines = [f"_acme-challenge.late.lab.test TXT {expected(client, challenge)}"]
        await post
        assert (await ended(client, reply.header("Location") or ""))["status"] == "ready"


async def test_the_trace_of_an_order_tells_who_did_what_in_order(lab: Lab) -> None:
    client = await registered(lab)
    url, order = await client.ready_order("told.lab.test")
    done = (await client.post(order["finalize"], {"csr": b64url(csr_of("told.lab.test"))})).json()
    await client.post(done["certificate"])
    async with asyncio.timeout(5):
        while (events := events_of(lab, url))[-1].what != "download":  # noqa: ASYNC110 - written soon after the reply
            await asyncio.sleep(0.01)
    by_time = [event.what for event in sorted(events, key=lambda event: event.at)]
    assert by_time[-6:] == ["dns-query", "caa", "valid", "finalize", "issued", "download"]
    assert set(by_time) >= {"registered", "alias", "order", "txt-update", "challenge"}
    requests = {event.what: event.data["path"] for event in events if event.data.get("method") == "POST"}
    paths = {url.rpartition(".test")[2] for url in (BASE + "/new-order", order["finalize"], done["certificate"])}
    assert set(requests) == {"order", "challenge", "finalize", "download"}
    assert set(requests.values()) >= paths
    (looked,) = (event.detail for event in events if event.what == "caa")
    assert looked == "there is no CAA record from told.lab.test up to lab.test"
