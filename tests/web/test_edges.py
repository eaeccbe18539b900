"""The edge where bytes of strangers come in: whatever they are, the reply is a refusal and never our mistake."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.acme.client import BASE, JOSE, Client
from tests.web.lab import HOST, Lab
from tests.web.wire import exchange, request

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOUNDED = settings(max_examples=40)
RESOURCES = ("new-account", "new-order", "revoke-cert", "key-change", "order/x", "authz/x", "certificate/x")


@BOUNDED
@given(resource=st.sampled_from(RESOURCES), body=st.binary(max_size=300))
async def test_any_body_to_acme_is_refused(lab: Lab, resource: str, body: bytes) -> None:
    reply = await lab.send("POST", f"/acme/acme/{resource}", JOSE, body)
    assert (reply.status, reply.problem) == (400, "malformed")
    assert reply.header("Replay-Nonce")


@BOUNDED
@given(place=st.floats(0, 1, exclude_max=True), octet=st.integers(0, 255))
async def test_a_request_with_an_octet_changed_is_taken_or_refused(lab: Lab, place: float, octet: int) -> None:
    body = bytearray((await Client(lab).draft(f"{BASE}/new-account", {})).body())
    body[int(place * len(body))] = octet
    reply = await lab.send("POST", "/acme/acme/new-account", JOSE, bytes(body))
    assert reply.status in (201, 400, 401), reply


@BOUNDED
@given(
    payload=st.recursive(
        st.none() | st.integers() | st.text(max_size=20) | st.booleans(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["contact", "identifiers", "type", "value", "notAfter", "profile", "csr", "certificate"]
                ),
                inner,
                max_size=3,
            )
        ),
    ),
    resource=st.sampled_from(["new-account", "revoke-cert"]),
)
async def test_any_signed_payload_is_taken_or_refused(lab: Lab, payload: object, resource: str) -> None:
    reply = await Client(lab).post(f"{BASE}/{resource}", payload)
    assert reply.status in (201, 400, 404), reply


@BOUNDED
@given(path=st.sampled_from(["/register", "/update"]), body=st.binary(max_size=200))
async def test_any_body_to_the_txt_api_is_taken_or_refused(lab: Lab, path: str, body: bytes) -> None:
    reply = await lab.send("POST", path, {}, body)
    assert reply.status in {"/register": (201, 400), "/update": (401,)}[path], reply


@pytest.mark.parametrize("path", ["/acme/acme/directory", "/register", "/update", "/health"])
async def test_the_plain_listener_has_neither_acme_nor_the_txt_api(lab: Lab, path: str) -> None:
    method = "POST" if path in ("/register", "/update") else "GET"
    assert (await exchange(lab.server.http_port, request(method, path, HOST))).status == 404
