"""Several nodes on one PostgreSQL: a client cannot tell which of them it talks to, nor that one is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.acme.client import BASE, Client, csr_of, registered
from tests.acme.signing import b64url
from tests.app.nodes import Nodes, nodes
from tests.postgres import Postgres, query
from tests.web.fixtures import pytest_asyncio_loop_factories
from tests.web.lab import Lab

__all__ = ["pytest_asyncio_loop_factories"]

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def three(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> AsyncIterator[Nodes]:
    """Two nodes with the CA's key and one without."""
    async with nodes(tmp_path_factory.mktemp("three"), postgres.database(), keys=(True, False, True)) as three:
        yield three


async def until_valid(client: Client, url: str) -> dict[str, str]:
    """Poll an order as clients do."""
    async with asyncio.timeout(30):
        while True:
            order: dict[str, str] = (await client.post(url)).json()
            if order["status"] not in ("pending", "ready", "processing"):
                assert order["status"] == "valid", order
                return order
            await asyncio.sleep(0.05)


async def whole_way(client: Client, *names: str) -> x509.Certificate:
    """Order, prove, finalize and download, whichever node each request reaches."""
    url, order = await client.ready_order(*names)
    await client.post(order["finalize"], {"csr": b64url(csr_of(*names))})
    chain = await client.post((await until_valid(client, url))["certificate"])
    return x509.load_pem_x509_certificates(chain.body)[0]


async def test_each_request_of_an_order_may_reach_another_node(three: Nodes) -> None:
    client = await registered(three)
    leaf = await whole_way(client, "a.lab.test")
    again = await whole_way(client, "*.b.lab.test", "b.lab.test")
    assert leaf.serial_number != again.serial_number


async def test_sixteen_clients_at_once_get_a_certificate_for_each_order(three: Nodes) -> None:
    before = len(three.rows("SELECT serial FROM certificates WHERE order_id IS NOT NULL"))
    clients = await asyncio.gather(*(registered(three) for _ in range(16)))
    for number in range(16):
        await three.delegate(f"many{number}.lab.test")
    leaves = await asyncio.gather(*(whole_way(one, f"many{number}.lab.test") for number, one in enumerate(clients)))
    assert len({leaf.serial_number for leaf in leaves}) == 16
    stored = three.rows("SELECT serial FROM certificates WHERE order_id IS NOT NULL")
    assert len(stored) == before + 16
    assert three.rows("SELECT id FROM orders WHERE status NOT IN ('valid', 'invalid')") == []
    assert three.rows("SELECT * FROM signings") == []


async def test_of_many_finalizes_on_all_nodes_one_issues(three: Nodes) -> None:
    client = await registered(three)
    url, order = await client.ready_order("eight.lab.test")
    bodies = [
        (await client.draft(order["finalize"], {"csr": b64url(csr_of("eight.lab.test"))})).body() for _ in range(9)
    ]
    replies = await asyncio.gather(*(client.send(order["finalize"], body) for body in bodies))
    assert {reply.status for reply in replies} == {200}
    done = await until_valid(client, url)
    assert len(three.rows("SELECT serial FROM certificates WHERE order_id = ?", url.rpartition("/")[2])) == 1
    assert {reply.json().get("certificate", done["certificate"]) for reply in replies} == {done["certificate"]}


async def test_a_nonce_is_taken_once_by_whichever_node(three: Nodes) -> None:
    client = await registered(three)
    nonce = await client.nonce()
    body = (await client.draft(f"{BASE}/new-order", _order("n.lab.test"), nonce=nonce)).body()
    replies = await asyncio.gather(*(client.send(f"{BASE}/new-order", body) for _ in range(12)))
    assert sorted(reply.status for reply in replies) == [201] + [400] * 11
    assert {reply.problem for reply in replies if reply.status == 400} == {"badNonce"}
    # Each refusal brings a fresh one, and any node takes it.
    for reply in replies:
        fresh = (
            await client.draft(f"{BASE}/new-order", _order("n.lab.test"), nonce=reply.header("Replay-Nonce"))
        ).body()
        assert (await client.send(f"{BASE}/new-order", fresh)).status == 201


async def test_a_value_is_seen_by_the_next_question_to_any_node(three: Nodes) -> None:
    await three.delegate("seen.lab.test")
    for number in range(40):
        value = f"{number:043}"
        await three.set_txt(value)
        for node in three.each:
            assert value in await node.texts(three.txt["fulldomain"])
            assert value in await node.texts("_acme-challenge.seen.lab.test")


async def test_a_record_is_seen_by_all_nodes_under_one_serial(three: Nodes) -> None:
    for number in range(5):
        await three.add_record(f"www{number}.lab.test", "A", f"192.0.2.{number}")
    async with asyncio.timeout(10):
        for node in three.each:
            while not (await node.ask("www4.lab.test", "A")).answer:  # noqa: ASYNC110 - the other side is a server
                await asyncio.sleep(0.01)
    serials = {(await node.ask("lab.test", "SOA")).answer[0][0].serial for node in three.each}
    assert len(serials) == 1


async def test_a_revocation_is_on_every_nodes_list_and_made_once(three: Nodes) -> None:
    client = await registered(three)
    leaf = await whole_way(client, "gone.lab.test")
    der = b64url(leaf.public_bytes(Encoding.DER))
    assert (await client.post(f"{BASE}/revoke-cert", {"certificate": der})).status == 200
    lists = []
    async with asyncio.timeout(10):
        for node in three.each:
            while not _lists(current := await _crl(node), leaf):  # noqa: ASYNC110 - the other side is a server
                await asyncio.sleep(0.02)
            lists.append(current)
    assert len(set(lists)) == 1
    refused = await client.post(f"{BASE}/revoke-cert", {"certificate": der})
    assert refused.problem == "alreadyRevoked"


async def test_a_node_goes_on_where_another_was_stopped(tmp_path: Path, postgres: Postgres) -> None:
    """The value comes late; the node that was asked to look stops meanwhile, and the other one takes over."""
    from zonemint.config import Seconds, Validation

    slow = Validation(attempts=20, interval=Seconds(0.5), timeout=Seconds(0.5))
    async with nodes(tmp_path, postgres.database(), keys=(True, True), validation=slow) as two:
        client = await registered(two.each[1])
        await two.each[1].delegate("late.lab.test")
        url = (await client.order("late.lab.test")).header("Location") or ""
        (authorization,) = (await client.post(url)).json()["authorizations"]
        challenge = await client.challenge(authorization)
        first = Client(two.each[0], client.signer)
        first.kid = client.kid
        assert (await first.post(challenge["url"], {})).json()["status"] == "processing"
        assert (await client.post(challenge["url"], {})).json()["status"] == "processing"
        await two.each[0].server.__aexit__(None, None, None)
        assert two.each[1].rows("SELECT until_ms FROM validations") == [(0,)]
        await client.publish(challenge)
        async with asyncio.timeout(20):
            while (await client.post(url)).json()["status"] != "ready":  # noqa: ASYNC110 - the other side is a server
                await asyncio.sleep(0.1)
        events = two.each[1].rows("SELECT events FROM traces WHERE order_id = ?", url.rpartition("/")[2])
        assert any("resumed" in text for (text,) in events)
        assert two.each[1].rows("SELECT * FROM validations") == []


async def test_without_any_key_an_order_waits_and_is_signed_by_the_node_that_comes(
    tmp_path: Path, postgres: Postgres
) -> None:
    url = postgres.database()
    async with nodes(tmp_path, url, keys=(True, False)) as two:
        client = await registered(two.each[1])
        order_url, order = await client.ready_order("waits.lab.test")
        await two.each[0].server.__aexit__(None, None, None)
        done = await client.post(order["finalize"], {"csr": b64url(csr_of("waits.lab.test"))})
        assert (done.json()["status"], done.header("Retry-After") is not None) == ("processing", True)
        assert query(url, "SELECT count(*) FROM signings") == [(1,)]
        server = two.each[0].server
        fresh = type(server)(two.each[0].data, two.each[0].config, two.each[0].authority)
        async with fresh:
            await until_valid(client, order_url)
        assert query(url, "SELECT count(*) FROM signings") == [(0,)]


async def test_a_csr_that_is_refused_late_ends_the_order_with_the_reason(tmp_path: Path, postgres: Postgres) -> None:
    url = postgres.database()
    async with nodes(tmp_path, url, keys=(True, False)) as two:
        client = await registered(two.each[1])
        order_url, order = await client.ready_order("refused.lab.test")
        await two.each[0].server.__aexit__(None, None, None)
        await client.post(order["finalize"], {"csr": b64url(csr_of("refused.lab.test"))})
        query(url, "UPDATE authorizations SET status = 'deactivated'")
        async with type(two.each[0].server)(two.each[0].data, two.each[0].config, two.each[0].authority):
            async with asyncio.timeout(20):
                while (found := (await client.post(order_url)).json())["status"] == "processing":  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        assert found["status"] == "invalid"
        assert found["error"]["type"].endswith(":unauthorized")


async def test_no_node_hands_over_or_signs_what_caa_forbids_by_now(tmp_path: Path, postgres: Postgres) -> None:
    url = postgres.database()
    forget = "UPDATE authorizations SET challenges = regexp_replace(challenges, '\"caa\":{[^}]*}', '\"caa\":{}')"
    async with nodes(tmp_path, url, keys=(True, False)) as two:
        client = await registered(two.each[1])
        held, order = await client.ready_order("held.lab.test")
        late, handed = await client.ready_order("late.lab.test")
        for name in ("held.lab.test", "late.lab.test"):
            await two.each[0].add_record(name, "CAA", '0 issue ";"')
        query(url, forget)
        # The node without the key looks itself, before it hands the order over.
        refused = await client.post(order["finalize"], {"csr": b64url(csr_of("held.lab.test"))})
        assert refused.json()["type"] == "urn:ietf:params:acme:error:caa"
        assert (await client.post(held)).json()["status"] == "ready"
        # What was handed over is looked at again by the node with the key.
        await two.each[0].server.__aexit__(None, None, None)
        noted = f'"caa":{{"late.lab.test":{int(two.each[1].clock())}}}'
        query(url, f"UPDATE authorizations SET challenges = replace(challenges, '\"caa\":{{}}', '{noted}')")
        done = await client.post(handed["finalize"], {"csr": b64url(csr_of("late.lab.test"))})
        assert done.json()["status"] == "processing"
        query(url, forget)
        async with type(two.each[0].server)(two.each[0].data, two.each[0].config, two.each[0].authority):
            async with asyncio.timeout(20):
                while (found := (await client.post(late)).json())["status"] == "processing":  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        assert found["status"] == "invalid"
        assert found["error"]["type"] == "urn:ietf:params:acme:error:caa"
        assert found["error"]["subproblems"][0]["identifier"] == {"type": "dns", "value": "late.lab.test"}


def _order(name: str) -> dict[str, object]:
    return {"identifiers": [{"type": "dns", "value": name}]}


async def _crl(node: Lab) -> bytes:
    return (await node.send("GET", "/crl")).body


def _lists(der: bytes, leaf: x509.Certificate) -> bool:
    found = x509.load_der_x509_crl(der).get_revoked_certificate_by_serial_number(leaf.serial_number)
    return found is not None


async def test_a_name_outside_of_the_policy_is_not_signed_for_another_node(tmp_path: Path, postgres: Postgres) -> None:
    """Whoever can write rows can make an order look good; the node with the key asks its own policy."""
    url = postgres.database()
    async with nodes(tmp_path, url, keys=(True, False)) as two:
        client = await registered(two.each[1])
        order_url, order = await client.ready_order("outside.lab.test")
        await two.each[0].server.__aexit__(None, None, None)
        await client.post(order["finalize"], {"csr": b64url(csr_of("outside.lab.test"))})
        query(url, "UPDATE orders SET identifiers = replace(identifiers, 'outside.lab.test', 'www.example.com')")
        query(url, "UPDATE signings SET csr = $1", csr_of("www.example.com"))
        async with type(two.each[0].server)(two.each[0].data, two.each[0].config, two.each[0].authority):
            async with asyncio.timeout(20):
                while (found := (await client.post(order_url)).json())["status"] == "processing":  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        assert found["error"]["type"].endswith(":rejectedIdentifier")
        assert query(url, "SELECT serial FROM certificates WHERE names LIKE '%example.com%'") == []


async def test_nodes_that_want_one_order_at_once_do_not_keep_it_from_each_other(
    tmp_path: Path, postgres: Postgres
) -> None:
    """Each reserves a serial of its own before it signs; in step, they would take it from each other for ever."""
    async with nodes(tmp_path, postgres.database(), keys=(True, True, True)) as each:
        client = await registered(each)
        for number in range(5):
            _, order = await client.ready_order(f"wanted{number}.lab.test")
            drafts = [
                await client.draft(order["finalize"], {"csr": b64url(csr_of(f"wanted{number}.lab.test"))})
                for _ in range(12)
            ]
            replies = await asyncio.gather(*(client.send(order["finalize"], draft.body()) for draft in drafts))
            assert {reply.status for reply in replies} == {200}
        assert each.rows("SELECT count(*) FROM certificates WHERE order_id IS NOT NULL") == [(5,)]
