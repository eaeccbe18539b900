"""Terms of service (RFC 8555 sections 7.3 and 7.3.3): who must agree, and what a client is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acme.client import BASE, Client, registered
from tests.web.lab import Lab, running, settings
from tests.web.wire import Reply
from zonemint.acme import administration
from zonemint.config import Provisioner
from zonemint.store.opening import open_store

OLD, NEW = "https://www.lab.test/terms/1", "https://www.lab.test/terms/2"


def with_terms(url: str, *, again: bool = False) -> Provisioner:
    return Provisioner(terms=url, terms_again=again)


def assert_asked(reply: Reply, url: str) -> None:
    assert (reply.status, reply.problem) == (403, "userActionRequired"), reply
    assert f'<{url}>;rel="terms-of-service"' in reply.all("Link")
    assert f'<{BASE}/directory>;rel="index"' in reply.all("Link")
    assert reply.json()["instance"] == f"{BASE}/terms"
    assert url in reply.json()["detail"]
    assert reply.header("Replay-Nonce")


@pytest.mark.parametrize("fields", [{}, {"termsOfServiceAgreed": False}])
async def test_a_new_account_must_agree(tmp_path: Path, fields: dict[str, bool]) -> None:
    async with running(tmp_path, settings(provisioners={"acme": with_terms(OLD)})) as lab:
        assert (await lab.send("GET", "/acme/acme/directory")).json()["meta"]["termsOfService"] == OLD
        client = Client(lab)
        assert_asked(await client.register(**fields), OLD)
        client.kid = None
        # To look for an account is to agree to nothing.
        assert (await client.register(onlyReturnExisting=True)).problem == "accountDoesNotExist"
        client.kid = None
        made = await client.register(termsOfServiceAgreed=True)
        assert (made.status, made.json()["termsOfServiceAgreed"]) == (201, True)
        client.kid = None
        assert (await client.register()).status == 200


async def test_without_terms_there_is_nothing_to_agree_to(tmp_path: Path) -> None:
    async with running(tmp_path, settings()) as lab:
        assert "termsOfService" not in (await lab.send("GET", "/acme/acme/directory")).json()["meta"]
        assert (await lab.send("GET", "/acme/acme/terms")).status == 404
        assert (await Client(lab).register()).status == 201


async def agree(lab: Lab, client: Client) -> bool | None:
    """What `zonemint accounts agree` does, from beside the server."""
    assert client.kid is not None
    db = await open_store(lab.config.store.database, lab.data.database)
    account = client.kid.rpartition("/")[2]
    try:
        return await db.write(administration.agree(account, NEW, actor="test", via="test", now=lab.clock()))
    finally:
        await db.close()


async def test_when_the_terms_change_an_account_goes_on_or_agrees_again(tmp_path: Path) -> None:
    async with running(tmp_path, settings(provisioners={"acme": with_terms(OLD)})) as lab:
        client = await registered_with_terms(lab)
    async with running(tmp_path, settings(provisioners={"acme": with_terms(NEW)})) as lab:
        client.lab = lab
        assert (await client.order("a.lab.test")).status == 201
    async with running(tmp_path, settings(provisioners={"acme": with_terms(NEW, again=True)})) as lab:
        client.lab = lab
        assert client.kid is not None
        assert_asked(await client.order("a.lab.test"), NEW)
        # The rest of the account works, and the client's own word is ignored (sections 7.3.1 and 7.3.2).
        assert (await client.post(client.kid, {"termsOfServiceAgreed": True})).status == 200
        kid, client.kid = client.kid, None
        assert (await client.register(termsOfServiceAgreed=True)).status == 200
        client.kid = kid
        assert_asked(await client.order("a.lab.test"), NEW)
        page = await lab.send("GET", "/acme/acme/terms")
        assert page.status == 200
        assert NEW in page.body.decode()
        assert await agree(lab, client)
        assert (await client.order("a.lab.test")).status == 201
        assert await agree(lab, client) is False
        assert [one for (one,) in lab.rows("SELECT event FROM audit WHERE event = 'account.agreed'")] == [
            "account.agreed"
        ]
        # Who comes now has agreed to these.
        assert (await (await registered_with_terms(lab)).order("b.lab.test")).status == 201


async def registered_with_terms(lab: Lab) -> Client:
    client = Client(lab)
    assert (await client.register(termsOfServiceAgreed=True)).status == 201
    return client


async def test_terms_are_a_provisioners_own(tmp_path: Path) -> None:
    async with running(tmp_path, settings(provisioners={"other": with_terms(OLD, again=True)})) as lab:
        assert (await (await registered(lab)).order("a.lab.test")).status == 201
