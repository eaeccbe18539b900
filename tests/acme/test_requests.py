"""Every rule for a signed request, each broken alone on the wire (RFC 8555 sections 6.2 to 6.7)."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable

import pytest
import pytest_asyncio

from tests.acme import signing
from tests.acme.client import BASE, JOSE, Client, registered
from tests.acme.signing import Draft, b64url
from tests.web.lab import Lab
from tests.web.wire import Reply

pytestmark = pytest.mark.asyncio(loop_scope="module")

INDEX = f'<{BASE}/directory>;rel="index"'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(lab: Lab) -> Client:
    return await registered(lab)


def header(**changes: object) -> Callable[[Draft], bytes]:
    """Sign with other members in the protected header; None takes one away."""

    def change(draft: Draft) -> bytes:
        changed = {**draft.protected, **changes}
        draft.protected = {name: value for name, value in changed.items() if value is not None}
        return draft.body()

    return change


def member(**changes: object) -> Callable[[Draft], bytes]:
    """Send other members in the JWS after it was signed."""
    return lambda draft: draft.body(**changes)


def padded(name: str) -> Callable[[Draft], bytes]:
    return lambda draft: draft.body(**{name: draft.parts()[name] + "="})


def hmac_with_public_key(draft: Draft) -> bytes:
    """The classic confusion: a MAC whose key is what everyone knows."""
    draft.protected["alg"] = "HS256"
    secret = json.dumps(draft.signer.jwk).encode()
    draft.signer = signing.Signer(
        "HS256", draft.signer.key, draft.signer.jwk, lambda message: hmac.digest(secret, message, hashlib.sha256)
    )
    return draft.body()


def signed_by_another(draft: Draft) -> bytes:
    draft.signer = signing.es256()
    return draft.body()


def payload_swapped(draft: Draft) -> bytes:
    return draft.body(payload=b64url(b'{"status": "deactivated"}'))


def general_serialization(draft: Draft) -> bytes:
    parts = draft.parts()
    one = {"protected": parts["protected"], "signature": parts["signature"]}
    return json.dumps({"payload": parts["payload"], "signatures": [one]}).encode()


def compact_serialization(draft: Draft) -> bytes:
    return ".".join(draft.parts().values()).encode()


NESTED = 20_000

BROKEN: dict[str, tuple[Callable[[Draft], bytes], int, str]] = {
    # The JWS itself: section 6.2
    "no body": (lambda draft: b"", 400, "malformed"),
    "no JSON": (lambda draft: b"\xff\xfe", 400, "malformed"),
    "a list": (lambda draft: b"[]", 400, "malformed"),
    "general serialization": (general_serialization, 400, "malformed"),
    "compact serialization": (compact_serialization, 400, "malformed"),
    "signatures beside the flattened form": (member(signatures=[]), 400, "malformed"),
    "unprotected header": (member(header={}), 400, "malformed"),
    "empty signature": (member(signature=""), 400, "malformed"),
    "no signature": (member(signature=None), 400, "malformed"),
    "no payload": (member(payload=None), 400, "malformed"),
    "no protected header": (member(protected=None), 400, "malformed"),
    "padded signature": (padded("signature"), 400, "malformed"),
    "padded payload": (padded("payload"), 400, "malformed"),
    "padded protected header": (padded("protected"), 400, "malformed"),
    "plain base64": (member(signature="+/" * 43), 400, "malformed"),
    "protected header that is no JSON": (member(protected=b64url(b"{")), 400, "malformed"),
    "signature of another key": (signed_by_another, 400, "malformed"),
    "payload of another request": (payload_swapped, 400, "malformed"),
    "signature cut short": (lambda draft: draft.body(signature=draft.parts()["signature"][:-4]), 400, "malformed"),
    "crit": (header(crit=["b64"], b64=False), 400, "malformed"),
    "JSON nested beyond reason": (lambda draft: b"[" * NESTED + b"]" * NESTED, 400, "malformed"),
    "unknown member nested beyond reason": (
        lambda draft: draft.body()[:-1] + b', "x": ' + b"[" * NESTED + b"]" * NESTED + b"}",
        400,
        "malformed",
    ),
    # Algorithms: section 6.2
    "none": (header(alg="none"), 400, "badSignatureAlgorithm"),
    "HS256": (hmac_with_public_key, 400, "badSignatureAlgorithm"),
    "unknown algorithm": (header(alg="XY999"), 400, "badSignatureAlgorithm"),
    "no algorithm": (header(alg=None), 400, "malformed"),
    "algorithm of another key": (header(alg="RS256"), 400, "malformed"),
    "algorithm of another curve": (header(alg="ES384"), 400, "malformed"),
    # jwk and kid
    "neither jwk nor kid": (header(kid=None), 400, "malformed"),
    "both jwk and kid": (header(jwk=signing.es256().jwk), 400, "malformed"),
    "unknown account": (header(kid=f"{BASE}/account/nobody"), 400, "accountDoesNotExist"),
    "account of another server": (header(kid="https://elsewhere.test/acme/acme/account/x"), 400, "accountDoesNotExist"),
    "account id without its URL": (header(kid="x"), 400, "accountDoesNotExist"),
    "jwk where an account is asked for": (
        lambda draft: header(kid=None, jwk=draft.signer.jwk)(draft),
        400,
        "malformed",
    ),
    # url: section 6.4
    "url of another resource": (header(url=f"{BASE}/new-order"), 401, "unauthorized"),
    "url of another host": (header(url="https://localhost/acme/acme/account/x"), 401, "unauthorized"),
    "no url": (header(url=None), 401, "unauthorized"),
    # Nonces: section 6.5
    "no nonce": (header(nonce=None), 400, "badNonce"),
    "unknown nonce": (header(nonce="A" * 32), 400, "badNonce"),
    "short nonce": (header(nonce="AAAA"), 400, "badNonce"),
    "nonce of a foreign alphabet": (header(nonce="not base64url!"), 400, "malformed"),
    "nonce that is a number": (header(nonce=1), 400, "malformed"),
    # POST-as-GET: section 6.3; the account resource takes no list
    "payload of the wrong shape": (lambda draft: _with_payload(draft, b"[]"), 400, "malformed"),
    "payload that is no JSON": (lambda draft: _with_payload(draft, b"{"), 400, "malformed"),
    "payload nested beyond reason": (lambda draft: _with_payload(draft, b"[" * NESTED), 400, "malformed"),
}


def _with_payload(draft: Draft, payload: bytes) -> bytes:
    draft.payload = payload
    return draft.body()


def assert_refused(reply: Reply, status: int, problem: str) -> None:
    """What every error has: its type, a fresh nonce, the link to the directory, no leave to be kept."""
    assert (reply.status, reply.problem) == (status, problem), reply
    assert reply.header("Replay-Nonce")
    assert INDEX in reply.all("Link")
    assert reply.header("Cache-Control") == "no-store"


@pytest.mark.parametrize(("broken", "status", "problem"), BROKEN.values(), ids=BROKEN)
async def test_a_broken_request(client: Client, broken: Callable[[Draft], bytes], status: int, problem: str) -> None:
    assert client.kid is not None
    reply = await client.send(client.kid, broken(await client.draft(client.kid)))
    assert_refused(reply, status, problem)
    if problem == "badSignatureAlgorithm":
        assert "ES256" in reply.json()["algorithms"]
        assert not {"none", "HS256"} & set(reply.json()["algorithms"])
    # The nonce that came with the refusal works, and the account is as it was.
    retried = await client.send(client.kid, (await client.draft(client.kid, nonce=reply.header("Replay-Nonce"))).body())
    assert (retried.status, retried.json()["status"]) == (200, "valid")


KEYS: dict[str, tuple[object, str]] = {
    "no key at all": ("x", "malformed"),
    "no kty": ({}, "badPublicKey"),
    "symmetric": ({"kty": "oct", "k": "AAAA"}, "badPublicKey"),
    "unknown curve": ({**signing.es256().jwk, "crv": "P-192"}, "badPublicKey"),
    "point off the curve": ({**signing.es256().jwk, "y": b64url(b"\1" * 32)}, "badPublicKey"),
    "coordinate of another length": ({**signing.es256().jwk, "x": b64url(b"\1" * 31)}, "badPublicKey"),
    "missing coordinate": ({"kty": "EC", "crv": "P-256", "x": b64url(b"\1" * 32)}, "badPublicKey"),
    "coordinate that is a number": ({**signing.es256().jwk, "x": 7}, "badPublicKey"),
    "RSA of 1024 bits": (signing.rs256(1024).jwk, "badPublicKey"),
    "RSA with exponent 3": ({**signing.rs256().jwk, "e": signing.integer(3)}, "badPublicKey"),
    "RSA without a modulus": ({"kty": "RSA", "n": "", "e": "AQAB"}, "badPublicKey"),
    "X25519": ({"kty": "OKP", "crv": "X25519", "x": b64url(b"\1" * 32)}, "badPublicKey"),
    "Ed25519 cut short": ({"kty": "OKP", "crv": "Ed25519", "x": b64url(b"\1" * 31)}, "badPublicKey"),
}


@pytest.mark.parametrize(("jwk", "problem"), KEYS.values(), ids=KEYS)
async def test_a_bad_key(lab: Lab, jwk: object, problem: str) -> None:
    stranger = Client(lab)
    draft = await stranger.draft(f"{BASE}/new-account", {})
    assert_refused(await stranger.send(f"{BASE}/new-account", header(jwk=jwk)(draft)), 400, problem)


async def test_kid_where_a_key_is_asked_for(client: Client) -> None:
    assert_refused(await client.post(f"{BASE}/new-account", {}), 400, "malformed")


@pytest.mark.parametrize("media_type", [None, "application/json", "text/plain", "application/jose"])
async def test_another_media_type_is_415(client: Client, media_type: str | None) -> None:
    assert client.kid is not None
    headers = {} if media_type is None else {"Content-Type": media_type}
    body = (await client.draft(client.kid)).body()
    assert_refused(await client.lab.send("POST", _path(client.kid), headers, body), 415, "malformed")


@pytest.mark.parametrize("media_type", ["application/jose+json; charset=utf-8", "Application/JOSE+JSON"])
async def test_parameters_and_case_of_the_media_type_do_not_matter(client: Client, media_type: str) -> None:
    assert client.kid is not None
    body = (await client.draft(client.kid)).body()
    reply = await client.lab.send("POST", _path(client.kid), {"Content-Type": media_type}, body)
    assert reply.status == 200


RESOURCES = (
    "new-account", "new-order", "revoke-cert", "key-change", "account/x", "account/x/orders", "order/x",
    "order/x/finalize", "authz/x", "challenge/x/dns-01", "certificate/x",
)  # fmt: skip


@pytest.mark.parametrize("resource", RESOURCES)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_signed_resource_takes_only_post(lab: Lab, resource: str, method: str) -> None:
    reply = await lab.send(method, f"/acme/acme/{resource}")
    assert_refused(reply, 405, "malformed")
    assert reply.header("Allow") == "POST"


@pytest.mark.parametrize(
    ("resource", "problem"),
    [
        ("account/nobody", (403, "unauthorized")),
        ("account/nobody/orders", (403, "unauthorized")),
        ("order/nothing", (404, "malformed")),
        ("order/nothing/finalize", (404, "malformed")),
        ("authz/nothing", (404, "malformed")),
        ("challenge/nothing/dns-01", (404, "malformed")),
        ("certificate/0", (404, "malformed")),
        ("certificate/%00%ff", (401, "unauthorized")),
    ],
)
async def test_a_resource_that_is_not_there(client: Client, resource: str, problem: tuple[int, str]) -> None:
    assert_refused(await client.post(f"{BASE}/{resource}"), *problem)


@pytest.mark.parametrize("resource", ["new-nonce", "directory", "new-order"])
async def test_an_unknown_provisioner_is_not_found(lab: Lab, resource: str) -> None:
    method = "POST" if resource == "new-order" else "GET"
    reply = await lab.send(method, f"/acme/other/{resource}", JOSE)
    assert (reply.status, reply.problem) == (404, "malformed")


async def test_a_body_beyond_the_bound_is_413_announced_or_not(client: Client) -> None:
    assert client.kid is not None
    big = b"x" * 65537
    assert_refused(await client.send(client.kid, big), 413, "malformed")
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (big[:40000], big[40000:])) + b"0\r\n\r\n"
    head = (
        f"POST {_path(client.kid)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/jose+json\r\n"
    )
    reply = await client.lab.send_raw(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunked)
    assert_refused(reply, 413, "malformed")


@pytest.mark.parametrize("make", signing.ALGORITHMS.values(), ids=signing.ALGORITHMS)
async def test_every_algorithm_that_is_announced_works(lab: Lab, make: Callable[[], signing.Signer]) -> None:
    client = await registered(lab, make())
    assert client.kid is not None
    assert (await client.post(client.kid)).status == 200


def _path(url: str) -> str:
    return "/" + url.split("/", 3)[3]
