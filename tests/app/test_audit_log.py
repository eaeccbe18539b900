"""What is done through the server leaves its entry, and what fails leaves none."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from josepy.jwk import JWK

from tests.acme import signing
from tests.acme.client import BASE, Client, csr_of, public_pem, registered
from tests.acme.signing import Draft, b64url, es256
from tests.acme.test_finalize import FailingSigner
from tests.acme.test_requests import assert_refused
from tests.acme.test_revocation import REVOKE, _named
from tests.postgres import Postgres, query
from tests.web.fixtures import pytest_asyncio_loop_factories
from tests.web.lab import DOMAIN, Lab, running, settings
from zonemint.config import Store
from zonemint.core.hash_chain import Chain, Entry
from zonemint.pki import authority
from zonemint.pki.keys import spki_sha256
from zonemint.store import audit
from zonemint.store.opening import open_store

__all__ = ["pytest_asyncio_loop_factories"]

LOOPBACK = "127.0.0.1"


@pytest_asyncio.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with running(tmp_path / "data") as one:
        yield one


async def log(lab: Lab) -> list[Entry]:
    """Every entry, oldest first, after the chain was followed and the certificates were held against it."""
    db = await open_store(lab.config.store.database, lab.data.database)
    try:
        entries = await db.read(audit.page(after=0, until=10**6, limit=10**6))
        missing = await db.read(audit.unaccounted())
    finally:
        await db.close()
    chain = Chain(whole=True)
    for entry in entries:
        chain.follow(entry)
    assert [one.certificates for one in missing] == [0, 0]
    return entries


async def since(lab: Lab, before: list[Entry]) -> list[tuple[str, str, str, dict[str, Any]]]:
    """What was recorded since then."""
    return [(one.event, one.actor, one.subject, one.detail) for one in (await log(lab))[len(before) :]]


def account_of(client: Client) -> str:
    assert client.kid is not None
    return client.kid.rpartition("/")[2]


def thumbprint_of(signer: signing.Signer) -> str:
    return b64url(JWK.load(public_pem(signer)).thumbprint())


async def test_a_start_records_the_authority_and_our_own_certificate(lab: Lab) -> None:
    loaded, own = await log(lab)
    intermediate = lab.authority.intermediate
    assert (loaded.event, loaded.actor) == ("authority.loaded", "server")
    assert loaded.subject == intermediate.fingerprint(SHA256()).hex()
    assert loaded.detail == {
        "name": "CN=Lab Intermediate CA",
        "not_after": int(intermediate.not_valid_after_utc.timestamp()),
        "root": lab.authority.root.fingerprint(SHA256()).hex(),
    }
    ((serial, key, not_before, not_after),) = lab.rows(
        "SELECT serial, key_hash, not_before, not_after FROM certificates"
    )
    assert (own.event, own.actor, own.subject) == ("certificate.issued", "server", serial)
    assert own.detail["names"] == ("ca.lab.test", "ns1.lab.test", "auth.lab.test", "localhost", "127.0.0.1", "::1")
    assert (own.detail["key"], own.detail["not_before"], own.detail["not_after"]) == (key, not_before, not_after)


async def test_another_start_records_nothing_unless_another_authority_signs(tmp_path: Path) -> None:
    for _ in range(2):
        async with running(tmp_path / "data") as lab:
            assert len(await log(lab)) == 2
    lab.data.pki.rename(tmp_path / "old")
    authority.create(lab.data.pki, name="Other", domains=[DOMAIN], now=time.time())
    async with running(tmp_path / "data") as lab:
        assert [one.event for one in await log(lab)][2:] == ["authority.loaded", "certificate.issued"]


async def test_issuance(lab: Lab) -> None:
    client = await registered(lab)
    key = ec.generate_private_key(ec.SECP256R1())
    _, order = await client.ready_order("a.lab.test", "*.a.lab.test", profile="shortlived")
    before = await log(lab)
    done = (await client.post(order["finalize"], {"csr": b64url(csr_of("a.lab.test", "*.a.lab.test", key=key))})).json()
    serial = done["certificate"].rpartition("/")[2]
    ((not_before, not_after),) = lab.rows("SELECT not_before, not_after FROM certificates WHERE serial = ?", serial)
    told = {
        "key": spki_sha256(key.public_key()),
        "names": ("a.lab.test", "*.a.lab.test"),
        "not_before": not_before,
        "not_after": not_after,
        "order": order["finalize"].split("/")[-2],
        "profile": "shortlived",
        "via": LOOPBACK,
    }
    assert await since(lab, before) == [("certificate.issued", f"account:{account_of(client)}", serial, told)]
    # The same again issues nothing.
    await client.post(order["finalize"], {"csr": b64url(csr_of("a.lab.test", "*.a.lab.test", key=key))})
    assert len(await since(lab, before)) == 1


async def test_issuance_that_failed(tmp_path: Path) -> None:
    armed = asyncio.Event()
    error = OSError("the token is gone")
    async with running(
        tmp_path / "data", refit=lambda ca: ca.with_key(FailingSigner(ca.current.signer, error, armed))
    ) as lab:
        client = await registered(lab)
        _, order = await client.ready_order("a.lab.test")
        before = await log(lab)
        armed.set()
        await client.post(order["finalize"], {"csr": b64url(csr_of("a.lab.test"))})
        ((event, actor, _, told),) = await since(lab, before)
    assert (event, actor) == ("certificate.failed", f"account:{account_of(client)}")
    assert (told["names"], told["via"]) == (("a.lab.test",), LOOPBACK)
    assert "the CA could not sign" in told["why"]
    assert "token" not in json.dumps(told)


async def test_a_request_that_is_refused_leaves_no_entry(lab: Lab) -> None:
    client = await registered(lab)
    _, order = await client.ready_order("a.lab.test")
    before = await log(lab)
    assert_refused(await client.post(order["finalize"], {"csr": b64url(csr_of("b.lab.test"))}), 400, "badCSR")
    assert await since(lab, before) == []


async def test_revocation_by_the_account(lab: Lab) -> None:
    client = await registered(lab)
    certificate = await client.certificate("a.lab.test")
    before = await log(lab)
    for status in (200, 400):
        reply = await client.post(REVOKE, {"certificate": _named(certificate), "reason": 4})
        assert reply.status == status
    told = {"names": ("a.lab.test",), "reason": 4, "via": LOOPBACK}
    serial = f"{certificate.serial_number:x}"
    assert await since(lab, before) == [("certificate.revoked", f"account:{account_of(client)}", serial, told)]


async def test_revocation_by_the_key_blocks_it_and_a_second_one_of_the_key_does_not(lab: Lab) -> None:
    client = await registered(lab)
    key = ec.generate_private_key(ec.SECP256R1())
    one, two = [await client.certificate("a.lab.test", key=key) for _ in range(2)]
    before = await log(lab)
    for certificate in (one, two):
        finder = Client(lab, signing.of(key))
        assert (await finder.post(REVOKE, {"certificate": _named(certificate)})).status == 200
    hash_ = spki_sha256(key.public_key())
    told = {"names": ("a.lab.test",), "reason": 1, "via": LOOPBACK}
    serials = [f"{certificate.serial_number:x}" for certificate in (one, two)]
    assert await since(lab, before) == [
        ("certificate.revoked", f"key:{hash_}", serials[0], told),
        ("key.blocked", f"key:{hash_}", hash_, {"serial": serials[0], "via": LOOPBACK}),
        ("certificate.revoked", f"key:{hash_}", serials[1], told),
    ]


async def test_the_life_of_an_account(lab: Lab) -> None:
    before = await log(lab)
    client = await registered(lab)
    assert (await Client(lab, client.signer).register()).status == 200
    account, first = account_of(client), thumbprint_of(client.signer)
    assert client.kid is not None
    for _ in range(2):
        contacts = {"contact": ["mailto:one@lab.test", "mailto:two@lab.test"]}
        assert (await client.post(client.kid, contacts)).status == 200
    new = es256()
    inner = Draft(
        {"alg": new.alg, "jwk": new.jwk, "url": f"{BASE}/key-change"},
        json.dumps({"account": client.kid, "oldKey": client.signer.jwk}).encode(),
        new,
    )
    assert (await client.post(f"{BASE}/key-change", json.loads(inner.body()))).status == 200
    client.signer = new
    assert (await client.post(client.kid, {"status": "deactivated"})).status == 200
    actor, second = f"account:{account}", thumbprint_of(new)
    assert await since(lab, before) == [
        ("account.created", actor, account, {"provisioner": "acme", "thumbprint": first, "via": LOOPBACK}),
        ("account.contacts", actor, account, {"contacts": 2, "via": LOOPBACK}),
        ("account.rekeyed", actor, account, {"thumbprint": second, "was": first, "via": LOOPBACK}),
        ("account.deactivated", actor, account, {"via": LOOPBACK}),
    ]


async def test_a_registration_is_recorded_without_its_key_and_an_update_is_not(lab: Lab) -> None:
    before = await log(lab)
    body = json.dumps({"allowfrom": ["127.0.0.0/8"]}).encode()
    lab.txt |= (await lab.send("POST", "/register", body=body)).json()
    await lab.set_txt("x" * 43)
    told = {"allowfrom": ("127.0.0.0/8",), "via": LOOPBACK}
    assert await since(lab, before) == [("txt-account.registered", f"address:{LOOPBACK}", lab.txt["fulldomain"], told)]
    assert not any(lab.txt["password"] in text for row in lab.rows("SELECT * FROM audit") for text in map(str, row))


async def test_issuance_and_its_entry_are_there_both_or_neither(lab: Lab) -> None:
    client = await registered(lab)
    url, order = await client.ready_order("a.lab.test")
    before = await log(lab)
    with closing(sqlite3.connect(lab.data.database, isolation_level=None)) as other:
        other.execute("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END")
        assert (await client.post(order["finalize"], {"csr": b64url(csr_of("a.lab.test"))})).status == 500
        other.execute("DROP TRIGGER full")
    assert (await client.post(url)).json()["status"] == "ready"
    assert lab.rows("SELECT count(*) FROM certificates WHERE order_id IS NOT NULL") == [(0,)]
    assert await since(lab, before) == []


async def test_two_nodes_go_on_with_one_chain_and_one_of_them_signs_for_the_other(
    tmp_path: Path, postgres: Postgres
) -> None:
    url = postgres.database()
    config = settings(store=Store(url))
    async with running(tmp_path / "one", config) as one:
        shutil.copytree(one.data.pki, tmp_path / "two/pki", ignore=shutil.ignore_patterns("server.*"))
        (tmp_path / "two/zones").mkdir()
        async with running(tmp_path / "two", config, refit=lambda ca: ca.with_key(None)) as two:
            clients = await asyncio.gather(*(registered(lab) for _ in range(4) for lab in (one, two)))
            orders = [await client.order(f"a{number}.lab.test") for number, client in enumerate(clients)]
            # What matters here comes after the validation.
            proved = "replace(challenges, 'pending', 'valid')"
            query(url, f"UPDATE authorizations SET status = 'valid', challenges = {proved}")
            query(url, "UPDATE orders SET status = 'ready'")
            before = await log(two)
            await asyncio.gather(
                *(
                    client.post(order.json()["finalize"], {"csr": b64url(csr_of(f"a{number}.lab.test"))})
                    for number, (client, order) in enumerate(zip(clients, orders, strict=True))
                )
            )
            async with asyncio.timeout(20):
                while len(issued := await since(two, before)) < len(clients):  # noqa: ASYNC110 - the others are servers
                    await asyncio.sleep(0.05)
    assert sorted((event, actor, told["names"], told["via"]) for event, actor, _, told in issued) == sorted(
        ("certificate.issued", f"account:{account_of(client)}", (f"a{number}.lab.test",), LOOPBACK)
        for number, client in enumerate(clients)
    )
    events = [one.event for one in before]
    assert {event: events.count(event) for event in events} == {
        "authority.loaded": 1,
        "certificate.issued": 2,
        "account.created": len(clients),
    }


async def test_the_head_is_told_to_the_other_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with running(tmp_path / "data") as lab:
        last = (await log(lab))[-1]
    assert f"{last.sequence}:{last.hash}" in capsys.readouterr().out
