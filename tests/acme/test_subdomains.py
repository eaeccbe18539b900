"""Names that a domain above them is proved for (RFC 9444)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cryptography import x509
from msgspec.structs import replace

from tests.acme.client import BASE, Client, csr_of, registered
from tests.acme.signing import b64url
from tests.acme.test_challenges import ended
from tests.acme.test_requests import assert_refused
from tests.acmedns.test_scope import rescope
from tests.web.lab import Lab, running, settings
from zonemint.config import Acme, Config

pytestmark = pytest.mark.asyncio(loop_scope="module")


def config(**changes: Any) -> Config:
    return replace(settings(), acme=Acme(subdomains=True, **changes))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def below(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    async with running(tmp_path_factory.mktemp("below") / "data", config()) as lab:
        yield lab


async def order(client: Client, *names: str, above: str | None) -> Any:
    identifiers = [{"type": "dns", "value": name, **({"ancestorDomain": above} if above else {})} for name in names]
    return await client.post(f"{BASE}/new-order", {"identifiers": identifiers})


async def prove(lab: Lab, client: Client, authorization: str, domain: str) -> None:
    await lab.delegate(domain)
    challenge = await client.challenge(authorization)
    await client.publish(challenge)
    await client.post(challenge["url"], {})


async def test_one_proof_is_enough_for_all_names_below(below: Lab) -> None:
    directory = json.loads((await below.send("GET", "/acme/acme/directory")).body)
    assert directory["meta"]["subdomainAuthAllowed"] is True
    client = await registered(below)
    names = ("a.team.lab.test", "b.c.team.lab.test", "*.team.lab.test")
    reply = await order(client, *names, above="Team.lab.test")
    (authorization,) = reply.json()["authorizations"]
    assert reply.json()["identifiers"] == [{"type": "dns", "value": name} for name in names]
    shown = (await client.post(authorization)).json()
    assert shown["identifier"] == {"type": "dns", "value": "team.lab.test"}
    assert shown["subdomainAuthAllowed"] is True
    assert "wildcard" not in shown
    assert [one["type"] for one in shown["challenges"]] == DNS_ONLY
    await prove(below, client, authorization, "team.lab.test")
    ready = await ended(client, reply.header("Location") or "")
    assert ready["status"] == "ready", ready
    done = (await client.post(ready["finalize"], {"csr": b64url(csr_of(*names))})).json()
    leaf = x509.load_pem_x509_certificates((await client.post(done["certificate"])).body)[0]
    names_of = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names_of.get_values_for_type(x509.DNSName)) == set(names)


DNS_ONLY = ["dns-01"]


async def test_other_names_of_the_order_have_authorizations_of_their_own(below: Lab) -> None:
    client = await registered(below)
    identifiers = [
        {"type": "dns", "value": "a.mixed.lab.test", "ancestorDomain": "mixed.lab.test"},
        {"type": "dns", "value": "mixed.lab.test"},
        {"type": "dns", "value": "other.lab.test"},
    ]
    made = (await client.post(f"{BASE}/new-order", {"identifiers": identifiers})).json()
    shown = [(await client.post(url)).json() for url in made["authorizations"]]
    assert [(one["identifier"]["value"], one.get("subdomainAuthAllowed", False)) for one in shown] == [
        ("mixed.lab.test", True),
        ("mixed.lab.test", False),
        ("other.lab.test", False),
    ]


REFUSED = {
    "the name itself": ("a.lab.test", "a.lab.test", "malformed"),
    "a name below": ("a.lab.test", "b.a.lab.test", "malformed"),
    "a name beside": ("a.lab.test", "b.lab.test", "malformed"),
    "the end of a label": ("aa.lab.test", "a.lab.test", "malformed"),
    "no name": ("a.lab.test", "a..test", "malformed"),
    "a wildcard": ("a.b.lab.test", "*.b.lab.test", "malformed"),
    "a domain above ours": ("a.lab.test", "test", "rejectedIdentifier"),
}


@pytest.mark.parametrize(("name", "above", "problem"), REFUSED.values(), ids=REFUSED)
async def test_an_ancestor_that_is_none_or_not_ours_is_refused(below: Lab, name: str, above: str, problem: str) -> None:
    client = await registered(below)
    assert_refused(await order(client, name, above=above), 400, problem)


async def test_an_address_has_no_ancestor(below: Lab) -> None:
    client = await registered(below)
    wanted = {"identifiers": [{"type": "ip", "value": "10.0.0.1", "ancestorDomain": "lab.test"}]}
    assert_refused(await client.post(f"{BASE}/new-order", wanted), 400, "malformed")


async def test_without_the_setting_the_member_counts_for_nothing(lab: Lab) -> None:
    client = await registered(lab)
    (authorization,) = (await order(client, "a.lab.test", above="lab.test")).json()["authorizations"]
    shown = (await client.post(authorization)).json()
    assert shown["identifier"]["value"] == "a.lab.test"
    assert "subdomainAuthAllowed" not in shown
    directory = json.loads((await lab.send("GET", "/acme/acme/directory")).body)
    assert "subdomainAuthAllowed" not in directory["meta"]


@pytest.mark.asyncio(loop_scope="function")
async def test_where_no_challenge_looks_into_the_dns_there_are_no_ancestors(tmp_path: Path) -> None:
    async with running(tmp_path / "data", config(challenges=("http-01",))) as lab:
        client = await registered(lab)
        refused = await order(client, "a.lab.test", above="lab.test")
        assert_refused(refused, 400, "rejectedIdentifier")
        assert refused.json()["subproblems"][0]["identifier"]["value"] == "a.lab.test"


@pytest.mark.asyncio(loop_scope="function")
async def test_an_account_of_one_name_does_not_prove_those_below(tmp_path: Path) -> None:
    async with running(tmp_path / "data", config()) as lab:
        client = await registered(lab)
        await lab.delegate("scoped.lab.test")
        await rescope(lab, "scoped.lab.test")
        reply = await order(client, "a.scoped.lab.test", above="scoped.lab.test")
        await prove(lab, client, reply.json()["authorizations"][0], "scoped.lab.test")
        error = (await ended(client, reply.header("Location") or ""))["error"]
        assert "not for *.scoped.lab.test" in error["detail"]
        await rescope(lab, "scoped.lab.test", "*.scoped.lab.test")
        reply = await order(client, "a.scoped.lab.test", above="scoped.lab.test")
        await prove(lab, client, reply.json()["authorizations"][0], "scoped.lab.test")
        assert (await ended(client, reply.header("Location") or ""))["status"] == "ready"


@pytest.mark.asyncio(loop_scope="function")
async def test_what_a_host_proved_for_itself_is_not_taken_over_for_names_below(tmp_path: Path) -> None:
    async with running(tmp_path / "data", config(authorization_reuse=True)) as lab:
        client = await registered(lab)
        await client.ready_order("own.lab.test")
        for _ in range(2):
            reply = await order(client, "a.own.lab.test", above="own.lab.test")
            assert reply.json()["status"] == "pending"
            await prove(lab, client, reply.json()["authorizations"][0], "own.lab.test")
            assert (await ended(client, reply.header("Location") or ""))["status"] == "ready"
