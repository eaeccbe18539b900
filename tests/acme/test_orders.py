"""Orders and authorizations: what is taken, what is refused, what is shown (RFC 8555 sections 7.1 and 7.4)."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from msgspec.structs import replace

from tests.acme.client import BASE, csr_of, registered
from tests.acme.signing import b64url
from tests.acme.test_requests import assert_refused
from tests.web.lab import Clock, Lab, running, settings
from zonemint.config import Acme
from zonemint.config.values import Seconds

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEW = f"{BASE}/new-order"


def dns(*names: str) -> list[dict[str, str]]:
    return [{"type": "dns", "value": name} for name in names]


REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "no identifiers": ({}, 400, "malformed"),
    "an empty list": ({"identifiers": []}, 400, "malformed"),
    "an identifier without a value": ({"identifiers": [{"type": "dns"}]}, 400, "malformed"),
    "an identifier that is a text": ({"identifiers": ["a.lab.test"]}, 400, "malformed"),
    "an unknown type": ({"identifiers": [{"type": "email", "value": "a@lab.test"}]}, 400, "unsupportedIdentifier"),
    "an unknown type among others": (
        {"identifiers": [*dns("a.lab.test"), {"type": "x", "value": "y"}]},
        400,
        "unsupportedIdentifier",
    ),
    "a foreign domain": ({"identifiers": dns("www.example.com")}, 400, "rejectedIdentifier"),
    "a domain that only ends like ours": ({"identifiers": dns("evillab.test")}, 400, "rejectedIdentifier"),
    "an address as a name": ({"identifiers": dns("10.0.0.1")}, 400, "rejectedIdentifier"),
    "a single label": ({"identifiers": dns("server")}, 400, "rejectedIdentifier"),
    "an empty name": ({"identifiers": dns("")}, 400, "rejectedIdentifier"),
    "a final dot": ({"identifiers": dns("a.lab.test.")}, 400, "rejectedIdentifier"),
    "an empty label": ({"identifiers": dns("a..lab.test")}, 400, "rejectedIdentifier"),
    "an underscore": ({"identifiers": dns("a_b.lab.test")}, 400, "rejectedIdentifier"),
    "a U-label": ({"identifiers": dns("bücher.lab.test")}, 400, "rejectedIdentifier"),
    "a letter that only lower case makes ASCII": ({"identifiers": dns("\u212a.lab.test")}, 400, "rejectedIdentifier"),
    "a label of 64 octets": ({"identifiers": dns("a" * 64 + ".lab.test")}, 400, "rejectedIdentifier"),
    "a name of 255 octets": ({"identifiers": dns("a." * 123 + "lab.test")}, 400, "rejectedIdentifier"),
    "a wildcard within": ({"identifiers": dns("a.*.lab.test")}, 400, "rejectedIdentifier"),
    "a partial wildcard": ({"identifiers": dns("a*.lab.test")}, 400, "rejectedIdentifier"),
    "two wildcards": ({"identifiers": dns("*.*.lab.test")}, 400, "rejectedIdentifier"),
    "101 names": ({"identifiers": dns(*(f"n{n}.lab.test" for n in range(101)))}, 400, "rejectedIdentifier"),
    "an unknown profile": ({"identifiers": dns("a.lab.test"), "profile": "gold"}, 400, "invalidProfile"),
    "a date that is none": ({"identifiers": dns("a.lab.test"), "notAfter": "tomorrow"}, 400, "malformed"),
    "a date without a zone": ({"identifiers": dns("a.lab.test"), "notAfter": "2030-01-01T00:00:00"}, 400, "malformed"),
    "a notAfter that has passed": (
        {"identifiers": dns("a.lab.test"), "notAfter": "2020-01-01T00:00:00Z"},
        400,
        "malformed",
    ),
    "a notBefore long ago": ({"identifiers": dns("a.lab.test"), "notBefore": "2020-01-01T00:00:00Z"}, 400, "malformed"),
    "a notAfter beyond the profile": (
        {"identifiers": dns("a.lab.test"), "notAfter": "9999-12-31T23:59:59Z"},
        400,
        "malformed",
    ),
    "a notBefore in a year, which the CA lives to see": (
        {"identifiers": dns("a.lab.test"), "notBefore": f"{time.gmtime().tm_year + 1}-12-31T23:59:59Z"},
        400,
        "malformed",
    ),
    "a notBefore beyond the life of the CA": (
        {"identifiers": dns("a.lab.test"), "notBefore": "9999-01-01T00:00:00Z"},
        400,
        "malformed",
    ),
    "the first moment of all": (
        {"identifiers": dns("a.lab.test"), "notBefore": "0001-01-01T00:00:00+23:59"},
        400,
        "malformed",
    ),
}


@pytest.mark.parametrize(("wanted", "status", "problem"), REFUSED.values(), ids=REFUSED)
async def test_an_order_that_is_refused(lab: Lab, wanted: dict[str, Any], status: int, problem: str) -> None:
    client = await registered(lab)
    assert_refused(await client.post(NEW, wanted), status, problem)
    assert (await client.post(f"{client.kid}/orders")).json() == {"orders": []}


async def test_each_refused_name_has_its_own_subproblem(lab: Lab) -> None:
    client = await registered(lab)
    refused = await client.order("good.lab.test", "www.example.com", "a*.lab.test")
    assert_refused(refused, 400, "rejectedIdentifier")
    subproblems = refused.json()["subproblems"]
    assert [one["identifier"] for one in subproblems] == dns("www.example.com", "a*.lab.test")
    assert {one["type"] for one in subproblems} == {"urn:ietf:params:acme:error:rejectedIdentifier"}
    assert "outside the domains" in subproblems[0]["detail"]


async def test_names_are_lower_case_and_once_each(lab: Lab) -> None:
    client = await registered(lab)
    order = (await client.order("B.lab.test", "a.LAB.test", "b.lab.test", "*.b.lab.test")).json()
    assert order["identifiers"] == dns("b.lab.test", "a.lab.test", "*.b.lab.test")
    shown = [(await client.post(url)).json() for url in order["authorizations"]]
    assert [one["identifier"]["value"] for one in shown] == ["b.lab.test", "a.lab.test", "b.lab.test"]
    assert [one.get("wildcard", False) for one in shown] == [False, False, True]
    assert "Z" in order["expires"]


async def test_a_token_has_256_random_bits_and_each_authorization_its_own(lab: Lab) -> None:
    client = await registered(lab)
    order = (await client.order("a.lab.test", "b.lab.test")).json()
    tokens = {(await client.challenge(url))["token"] for url in order["authorizations"]}
    assert len(tokens) == 2
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", token) for token in tokens)


async def test_profiles_decide_the_lifetime(lab: Lab) -> None:
    client = await registered(lab)
    for profile, lifetime in (("shortlived", timedelta(hours=160)), ("default", timedelta(days=90))):
        _, order = await client.ready_order("profile.lab.test", profile=profile)
        assert order["profile"] == profile
        leaf = await _finalized(client, order, "profile.lab.test")
        length = leaf.not_valid_after_utc - leaf.not_valid_before_utc + timedelta(seconds=1)
        assert length == lifetime
    assert (await client.order("profile.lab.test")).json()["profile"] == "default"


async def test_dates_that_an_order_asks_for_are_the_certificates(lab: Lab) -> None:
    client = await registered(lab)
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    end = start + timedelta(days=3)
    # Written in another time zone, and with a fraction of a second.
    wanted = {"notBefore": f"{start:%Y-%m-%dT%H:%M:%S}.25+00:00", "notAfter": _in_zone(end, 5)}
    _, order = await client.ready_order("dated.lab.test", **wanted)
    assert (order["notBefore"], order["notAfter"]) == (f"{start:%Y-%m-%dT%H:%M:%S}Z", f"{end:%Y-%m-%dT%H:%M:%S}Z")
    leaf = await _finalized(client, order, "dated.lab.test")
    assert (leaf.not_valid_before_utc, leaf.not_valid_after_utc) == (start, end)


def _in_zone(moment: datetime, hours: int) -> str:
    return f"{moment + timedelta(hours=hours):%Y-%m-%dT%H:%M:%S}+{hours:02}:00"


async def _finalized(client: Any, order: dict[str, Any], *names: str) -> x509.Certificate:
    done = (await client.post(order["finalize"], {"csr": b64url(csr_of(*names))})).json()
    return x509.load_pem_x509_certificates((await client.post(done["certificate"])).body)[0]


async def test_what_belongs_to_another_account_is_not_shown(lab: Lab) -> None:
    one, two = await registered(lab), await registered(lab)
    reply = await one.order("mine.lab.test")
    authorization = reply.json()["authorizations"][0]
    challenge = (await one.challenge(authorization))["url"]
    for url, payload in (
        (reply.header("Location") or "", None),
        (reply.json()["finalize"], {"csr": ""}),
        (authorization, None),
        (authorization, {"status": "deactivated"}),
        (challenge, None),
        (challenge, {}),
    ):
        assert_refused(await two.post(url, payload), 403, "unauthorized")
    assert (await one.post(authorization)).json()["status"] == "pending"


async def test_an_order_is_read_with_an_empty_payload_only(lab: Lab) -> None:
    client = await registered(lab)
    reply = await client.order("a.lab.test")
    assert_refused(await client.post(reply.header("Location") or "", {}), 400, "malformed")


async def test_a_deactivated_authorization_ends_its_order(lab: Lab) -> None:
    client = await registered(lab)
    url, order = await client.ready_order("given-up.lab.test")
    authorization = order["authorizations"][0]
    assert_refused(await client.post(authorization, {"status": "valid-ish"}), 400, "malformed")
    gone = await client.post(authorization, {"status": "deactivated"})
    assert (gone.status, gone.json()["status"]) == (200, "deactivated")
    assert (await client.post(authorization, {"status": "deactivated"})).json() == gone.json()
    ended = (await client.post(url)).json()
    assert ended["status"] == "invalid"
    assert "deactivated by the account" in ended["error"]["detail"]
    refused = await client.post(order["finalize"], {"csr": b64url(csr_of("given-up.lab.test"))})
    assert_refused(refused, 403, "orderNotReady")


# The clock moves in servers of their own.


@pytest.mark.asyncio(loop_scope="function")
async def test_an_order_and_its_authorizations_expire(tmp_path: Path) -> None:
    clock = Clock()
    config = replace(settings(), acme=Acme(order_lifetime=Seconds(600), authorization_lifetime=Seconds(600)))
    async with running(tmp_path / "data", config, clock=clock) as lab:
        client = await registered(lab)
        pending = await client.order("late.lab.test")
        url, ready = await client.ready_order("ready.lab.test")
        clock.offset = 601
        for expired in (pending.header("Location") or "", url):
            shown = (await client.post(expired)).json()
            assert shown["status"] == "invalid"
            assert "expired" in shown["error"]["detail"]
        assert (await client.post(pending.json()["authorizations"][0])).json()["status"] == "invalid"
        assert (await client.post(ready["authorizations"][0])).json()["status"] == "expired"
        refused = await client.post(ready["finalize"], {"csr": b64url(csr_of("ready.lab.test"))})
        assert_refused(refused, 403, "orderNotReady")


@pytest.mark.asyncio(loop_scope="function")
async def test_an_order_does_not_outlive_the_dates_that_it_asks_for(tmp_path: Path) -> None:
    clock = Clock()
    async with running(tmp_path / "data", clock=clock) as lab:
        client = await registered(lab)
        end = datetime.now(UTC) + timedelta(minutes=5)
        url, order = await client.ready_order("brief.lab.test", notAfter=f"{end:%Y-%m-%dT%H:%M:%SZ}")
        assert order["expires"] == order["notAfter"]
        clock.offset = 301
        refused = await client.post(order["finalize"], {"csr": b64url(csr_of("brief.lab.test"))})
        assert_refused(refused, 403, "orderNotReady")
        assert (await client.post(url)).json()["status"] == "invalid"
