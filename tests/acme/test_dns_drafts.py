"""dns-account-01 and dns-persist-01 on the wire: offered where the settings say so, and proved by records of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from msgspec.structs import replace

from tests.acme.client import Client, csr_of, registered
from tests.acme.signing import b64url
from tests.acme.test_challenges import ended, expected
from tests.web.lab import Lab, running, settings
from zonemint.app.registration import Registrar
from zonemint.config import Acme
from zonemint.store.opening import open_store
from zonemint.validation.dnsaccount01 import label


@pytest_asyncio.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    challenges = ("dns-01", "dns-account-01", "dns-persist-01")
    config = replace(settings(), acme=Acme(challenges=challenges, authorization_reuse=True))
    async with running(tmp_path / "data", config) as lab:
        yield lab


def test_the_label_is_that_of_the_draft() -> None:
    assert label("https://example.com/acme/acct/ExampleAccount") == "_ujmmovf2vn55tgye"


async def certificate(client: Client, url: str, *names: str) -> str:
    order = await ended(client, url)
    assert order["status"] == "ready", order
    done = await client.post(order["finalize"], {"csr": b64url(csr_of(*names))})
    status: str = done.json()["status"]
    return status


async def test_an_account_has_a_name_of_its_own_for_its_proof(lab: Lab) -> None:
    client = await registered(lab)
    assert client.kid is not None
    reply = await client.order("host.lab.test")
    challenge = await client.challenge(reply.json()["authorizations"][0], "dns-account-01")
    await lab.add_record(f"{label(client.kid)}._acme-challenge.host.lab.test", "TXT", expected(client, challenge))
    assert (await client.post(challenge["url"], {})).json()["status"] == "valid"
    assert await certificate(client, reply.header("Location") or "", "host.lab.test") == "valid"


async def test_register_makes_the_cname_of_an_account(lab: Lab) -> None:
    client = await registered(lab)
    assert client.kid is not None
    db = await open_store("", lab.data.database)
    file = lab.data.path / "acmedns.json"
    file.touch(mode=0o600)
    file.write_text("{}")
    registrar = Registrar(db, lab.config, lab.data, file, "test", "test", client.kid)
    made, (alias,) = await registrar.register(["two.lab.test"])
    await db.close()
    assert alias.name == f"{label(client.kid)}._acme-challenge.two.lab.test"
    account = made["two.lab.test"]
    lab.txt |= {"username": account.username, "password": account.password, "subdomain": account.subdomain}
    reply = await client.order("two.lab.test")
    challenge = await client.challenge(reply.json()["authorizations"][0], "dns-account-01")
    await lab.set_txt(expected(client, challenge))
    assert (await client.post(challenge["url"], {})).json()["status"] == "valid"


async def test_what_is_missing_is_said_with_the_command_that_makes_it(lab: Lab) -> None:
    client = await registered(lab)
    reply = await client.order("none.lab.test")
    challenge = await client.challenge(reply.json()["authorizations"][0], "dns-account-01")
    await client.post(challenge["url"], {})
    error = (await ended(client, reply.header("Location") or ""))["error"]
    assert error["type"] == "urn:ietf:params:acme:error:dns"
    assert f"TXT {label(client.kid or '')}._acme-challenge.none.lab.test, asked of" in error["detail"]
    assert f"zonemint register none.lab.test --account {client.kid}" in error["detail"]


async def test_a_record_that_stays_proves_each_order_and_is_asked_for_anew(lab: Lab) -> None:
    client = await registered(lab)
    record = f"ca.lab.test; accounturi={client.kid}; policy=wildcard"
    await lab.add_record("_validation-persist.lab.test", "TXT", f'"{record}"')
    for names in (["lab.test", "*.lab.test", "www.lab.test"], ["lab.test", "*.lab.test"]):
        reply = await client.order(*names)
        assert reply.json()["status"] == "pending"
        for authorization in reply.json()["authorizations"]:
            challenge = await client.challenge(authorization, "dns-persist-01")
            assert "token" not in challenge
            assert challenge["issuer-domain-names"] == ["ca.lab.test"]
            assert challenge["accounturi"] == client.kid
            assert (await client.post(challenge["url"], {})).json()["status"] == "valid"
        assert await certificate(client, reply.header("Location") or "", *names) == "valid"


async def test_a_record_for_another_account_proves_nothing(lab: Lab) -> None:
    first, second = await registered(lab), await registered(lab)
    await lab.add_record("_validation-persist.own.lab.test", "TXT", f'"ca.lab.test; accounturi={first.kid}"')
    reply = await second.order("own.lab.test")
    challenge = await second.challenge(reply.json()["authorizations"][0], "dns-persist-01")
    await second.post(challenge["url"], {})
    error = (await ended(second, reply.header("Location") or ""))["error"]
    assert error["type"] == "urn:ietf:params:acme:error:unauthorized"
    assert "which is for another account" in error["detail"]
    assert f"accounturi={second.kid}" in error["detail"]
