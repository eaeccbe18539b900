"""Account resources to the letter (RFC 8555 section 7.3): what each payload comes to, one row for each rule."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acme.client import BASE, Client, registered
from tests.acme.signing import es256
from tests.acme.test_accounts import change_key
from tests.acme.test_requests import assert_refused
from tests.web.lab import Lab

pytestmark = pytest.mark.asyncio(loop_scope="module")

MADE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    # what is sent, what the account then shows beside status and orders
    "nothing": ({}, {"contact": []}),
    "no contacts": ({"contact": []}, {"contact": []}),
    "two contacts": (
        {"contact": ["mailto:a@lab.test", "mailto:b@lab.test"]},
        {"contact": ["mailto:a@lab.test", "mailto:b@lab.test"]},
    ),
    "terms that nobody asked for": ({"termsOfServiceAgreed": True}, {"contact": [], "termsOfServiceAgreed": True}),
    "orders of its own": ({"orders": "https://elsewhere.test"}, {"contact": []}),
    "a status": ({"status": "deactivated"}, {"contact": []}),
    "fields that are not reflected": ({"onlyReturnExisting": False, "color": "red"}, {"contact": []}),
}


@pytest.mark.parametrize(("sent", "shown"), MADE.values(), ids=MADE)
async def test_a_new_account_shows(lab: Lab, sent: dict[str, Any], shown: dict[str, Any]) -> None:
    client = Client(lab)
    made = await client.register(**sent)
    assert (made.status, made.header("Content-Type")) == (201, "application/json")
    assert client.kid is not None
    assert client.kid.startswith(f"{BASE}/account/")
    assert made.json() == {"status": "valid", "orders": f"{client.kid}/orders", **shown}
    assert (await client.post(client.kid)).json() == made.json()


REFUSED: dict[str, tuple[object, int, str]] = {
    "a list": ([], 400, "malformed"),
    "contacts that are a text": ({"contact": "mailto:a@lab.test"}, 400, "malformed"),
    "a contact that is a number": ({"contact": [1]}, 400, "malformed"),
    "a telephone": ({"contact": ["tel:+1"]}, 400, "unsupportedContact"),
    "one good and one bad": ({"contact": ["mailto:a@lab.test", "mailto:b"]}, 400, "invalidContact"),
    "two in one": ({"contact": ["mailto:a@lab.test,b@lab.test"]}, 400, "invalidContact"),
    "header fields": ({"contact": ["mailto:a@lab.test?cc=b@lab.test"]}, 400, "invalidContact"),
    "too many": ({"contact": [f"mailto:a{number}@lab.test" for number in range(11)]}, 400, "invalidContact"),
}


@pytest.mark.parametrize(("sent", "status", "problem"), REFUSED.values(), ids=REFUSED)
async def test_neither_made_nor_changed(lab: Lab, sent: object, status: int, problem: str) -> None:
    stranger = Client(lab)
    assert_refused(await stranger.post(f"{BASE}/new-account", sent), status, problem)
    assert (await stranger.register(onlyReturnExisting=True)).problem == "accountDoesNotExist"
    client = Client(lab)
    before = (await client.register(contact=["mailto:old@lab.test"])).json()
    assert client.kid is not None
    assert_refused(await client.post(client.kid, sent), status, problem)
    assert (await client.post(client.kid)).json() == before


async def test_a_key_that_is_taken_is_a_conflict_whatever_its_account_is(lab: Lab) -> None:
    client = await registered(lab)
    gone = await registered(lab)
    assert gone.kid is not None
    assert (await gone.post(gone.kid, {"status": "deactivated"})).status == 200
    for signer, holder in ((client.signer, client.kid), (gone.signer, gone.kid)):
        refused = await change_key(client, signer)
        assert_refused(refused, 409, "malformed")
        assert refused.header("Location") == holder


async def test_a_deactivated_account_changes_no_key_and_lists_no_orders(lab: Lab) -> None:
    client = await registered(lab)
    assert client.kid is not None
    assert (await client.order("given-up.lab.test")).status == 201
    assert (await client.post(client.kid, {"status": "deactivated"})).status == 200
    assert_refused(await change_key(client, es256()), 401, "unauthorized")
    assert_refused(await client.post(f"{client.kid}/orders"), 401, "unauthorized")
    assert_refused(await client.post(client.kid, {"contact": []}), 401, "unauthorized")
