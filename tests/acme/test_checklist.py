"""Orders, authorizations, challenges, finalize, certificates, revocation: one line for each rule of RFC 8555 section 7.

A line is a raw request of one account in a small world where everything is in each of its states, and the exact status,
problem and headers of the reply. Directory, nonces, accounts and the JWS itself have lines of their own elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tests.acme.client import BASE, JOSE, Client, csr_of, registered
from tests.acme.signing import b64url, of
from tests.acme.test_requests import assert_refused
from tests.web.lab import HOST, Lab

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEW, REVOKE = f"{BASE}/new-order", f"{BASE}/revoke-cert"
INDEX = f'<{BASE}/directory>;rel="index"'


@dataclass
class World:
    """One account's orders by their status, each with its URL and the object; `other` is another account."""

    me: Client
    other: Client
    orders: dict[str, tuple[str, dict[str, Any]]]
    leaf: bytes
    revoked: bytes

    def url(self, status: str) -> str:
        return self.orders[status][0]

    def order(self, status: str) -> dict[str, Any]:
        return self.orders[status][1]

    def authorization(self, status: str) -> str:
        return str(self.order(status)["authorizations"][0])

    def challenge(self, status: str, type_: str = "dns-01") -> str:
        return self.authorization(status).replace("/authz/", "/challenge/") + f"/{type_}"

    def csr(self, status: str, **changes: Any) -> dict[str, str]:
        return {"csr": b64url(csr_of(f"{status}.world.lab.test", **changes))}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(lab: Lab) -> World:
    me, other = await registered(lab), await registered(lab)
    orders: dict[str, tuple[str, dict[str, Any]]] = {}
    for status in ("pending", "wildcard"):
        reply = await me.order(f"{'*.' if status == 'wildcard' else ''}{status}.world.lab.test")
        orders[status] = reply.header("Location") or "", reply.json()
    for status in ("ready", "valid", "deactivated"):
        orders[status] = await me.ready_order(f"{status}.world.lab.test")
    reply = await me.order("invalid.world.lab.test")
    failing = await me.challenge(reply.json()["authorizations"][0])
    assert (await me.post(failing["url"], {})).json()["status"] == "invalid"
    orders["invalid"] = reply.header("Location") or "", reply.json()
    await me.post(orders["deactivated"][1]["authorizations"][0], {"status": "deactivated"})
    made = World(me, other, orders, b"", b"")
    done = await me.post(orders["valid"][1]["finalize"], made.csr("valid"))
    orders["valid"] = orders["valid"][0], done.json()
    chain = (await me.post(done.json()["certificate"])).body
    made.leaf = x509.load_pem_x509_certificates(chain)[0].public_bytes(Encoding.DER)
    made.revoked = (await me.certificate("revoked.world.lab.test")).public_bytes(Encoding.DER)
    assert (await me.post(REVOKE, {"certificate": b64url(made.revoked)})).status == 200
    return made


def dns(*names: str) -> list[dict[str, str]]:
    return [{"type": "dns", "value": name} for name in names]


@dataclass(frozen=True)
class Line:
    """A request and its reply: `url` and `payload` (None is POST-as-GET) of the world, `has` members of the body."""

    url: Callable[[World], str]
    payload: Callable[[World], object] = lambda _: None
    status: int = 200
    problem: str = ""
    by_other: bool = False
    headers: dict[str, Callable[[World], list[str]]] = field(default_factory=dict)
    has: dict[str, Any] = field(default_factory=dict)


def at(kind: str, status: str) -> Callable[[World], str]:
    """The URL of an object of an order with a status."""
    match kind:
        case "order":
            return lambda world: world.url(status)
        case "authz":
            return lambda world: world.authorization(status)
        case "challenge":
            return lambda world: world.challenge(status)
        case "finalize" | "certificate":
            return lambda world: str(world.order(status)[kind])
    raise AssertionError(kind)


def sent(payload: object) -> Callable[[World], object]:
    return lambda _: payload


def fixed(url: str) -> Callable[[World], str]:
    return lambda _: url


def location(status: str) -> dict[str, Callable[[World], list[str]]]:
    return {"Location": lambda world: [world.url(status)]}


def up(status: str) -> dict[str, Callable[[World], list[str]]]:
    return {"Link": lambda world: [f'<{world.authorization(status)}>;rel="up"', INDEX]}


NO_RETRY: dict[str, Callable[[World], list[str]]] = {"Retry-After": lambda _: []}

LINES: dict[str, Line] = {
    # New orders, section 7.4
    "an order is made": Line(
        fixed(NEW),
        sent({"identifiers": dns("new.world.lab.test")}),
        201,
        has={"status": "pending", "profile": "default"},
    ),
    "POST-as-GET makes none": Line(fixed(NEW), status=400, problem="malformed"),
    "an unknown type": Line(
        fixed(NEW), sent({"identifiers": [{"type": "email", "value": "x"}]}), 400, "unsupportedIdentifier"
    ),
    "a name outside the policy": Line(
        fixed(NEW),
        sent({"identifiers": dns("www.example.com")}),
        400,
        "rejectedIdentifier",
    ),
    "an unknown profile": Line(
        fixed(NEW), sent({"identifiers": dns("a.lab.test"), "profile": "x"}), 400, "invalidProfile"
    ),
    "dates that cannot be honoured": Line(
        fixed(NEW), sent({"identifiers": dns("a.lab.test"), "notAfter": "2001-01-01T00:00:00Z"}), 400, "malformed"
    ),
    # Orders, section 7.1.3
    "a pending order": Line(at("order", "pending"), has={"status": "pending"}, headers=location("pending") | NO_RETRY),
    "a ready order": Line(at("order", "ready"), has={"status": "ready"}, headers=location("ready")),
    "a valid order": Line(at("order", "valid"), has={"status": "valid"}, headers=location("valid") | NO_RETRY),
    "an invalid order": Line(at("order", "invalid"), has={"status": "invalid"}, headers=location("invalid")),
    "an order whose authorization was given up": Line(at("order", "deactivated"), has={"status": "invalid"}),
    "an order takes no payload": Line(at("order", "ready"), sent({}), 400, "malformed"),
    "the order of another account": Line(at("order", "ready"), status=403, problem="unauthorized", by_other=True),
    "an order that is not there": Line(fixed(f"{BASE}/order/none"), status=404, problem="malformed"),
    # Authorizations, sections 7.1.4 and 7.5
    "a pending authorization": Line(
        at("authz", "pending"), has={"status": "pending", "identifier": dns("pending.world.lab.test")[0]}
    ),
    "the authorization of a wildcard": Line(
        at("authz", "wildcard"), has={"wildcard": True, "identifier": dns("wildcard.world.lab.test")[0]}
    ),
    "a valid authorization": Line(at("authz", "ready"), has={"status": "valid"}, headers=NO_RETRY),
    "an invalid authorization": Line(at("authz", "invalid"), has={"status": "invalid"}),
    "a deactivated authorization": Line(at("authz", "deactivated"), has={"status": "deactivated"}),
    "to give up what was given up": Line(
        at("authz", "deactivated"), sent({"status": "deactivated"}), has={"status": "deactivated"}
    ),
    "to give up what is invalid": Line(at("authz", "invalid"), sent({"status": "deactivated"}), 400, "malformed"),
    "a status that nobody can ask for": Line(at("authz", "pending"), sent({"status": "valid"}), 400, "malformed"),
    "the authorization of another account": Line(
        at("authz", "ready"), status=403, problem="unauthorized", by_other=True
    ),
    "an authorization that is not there": Line(fixed(f"{BASE}/authz/none"), status=404, problem="malformed"),
    "pre-authorization is not offered": Line(fixed(f"{BASE}/new-authz"), sent({}), 404),
    # Challenges, section 7.5.1
    "a look at a challenge": Line(
        at("challenge", "pending"), has={"status": "pending", "type": "dns-01"}, headers=up("pending") | NO_RETRY
    ),
    "an answer to one that is decided": Line(
        at("challenge", "ready"), sent({}), has={"status": "valid"}, headers=up("ready")
    ),
    "an answer to one that failed": Line(at("challenge", "invalid"), sent({}), has={"status": "invalid"}),
    "an answer that is no object": Line(at("challenge", "pending"), sent([]), 400, "malformed"),
    "the challenge of another account": Line(at("challenge", "pending"), sent({}), 403, "unauthorized", by_other=True),
    "a challenge of an unknown type": Line(
        lambda world: world.challenge("pending", "dns-99"), sent({}), 404, "malformed"
    ),
    "a challenge that is not there": Line(fixed(f"{BASE}/challenge/none/dns-01"), sent({}), 404, "malformed"),
    # Finalize, section 7.4
    "finalize a pending order": Line(
        at("finalize", "pending"), lambda world: world.csr("pending"), 403, "orderNotReady"
    ),
    "finalize an invalid order": Line(
        at("finalize", "invalid"), lambda world: world.csr("invalid"), 403, "orderNotReady"
    ),
    "finalize once more": Line(
        at("finalize", "valid"), lambda world: world.csr("valid"), has={"status": "valid"}, headers=location("valid")
    ),
    "finalize without a payload": Line(at("finalize", "ready"), status=400, problem="malformed"),
    "finalize without a CSR": Line(at("finalize", "ready"), sent({}), 400, "malformed"),
    "a CSR with padding": Line(at("finalize", "ready"), sent({"csr": "AAA="}), 400, "malformed"),
    "a CSR that is none": Line(at("finalize", "ready"), sent({"csr": b64url(b"0")}), 400, "badCSR"),
    "a CSR for other names": Line(at("finalize", "ready"), lambda world: world.csr("valid"), 400, "badCSR"),
    "a CSR with the account's key": Line(
        at("finalize", "ready"), lambda world: world.csr("ready", key=world.me.signer.key), 400, "badCSR"
    ),
    "finalize the order of another account": Line(
        at("finalize", "ready"), lambda world: world.csr("ready"), 403, "unauthorized", by_other=True
    ),
    "finalize an order that is not there": Line(fixed(f"{BASE}/order/none/finalize"), sent({}), 404, "malformed"),
    # Certificates, section 7.4.2
    "a certificate": Line(
        at("certificate", "valid"), headers={"Content-Type": lambda _: ["application/pem-certificate-chain"]}
    ),
    "a certificate takes no payload": Line(at("certificate", "valid"), sent({}), 400, "malformed"),
    "the certificate of another account": Line(
        at("certificate", "valid"), status=403, problem="unauthorized", by_other=True
    ),
    "a certificate that is not there": Line(fixed(f"{BASE}/certificate/5e"), status=404, problem="malformed"),
    # Revocation, section 7.6
    "revoke without a certificate": Line(fixed(REVOKE), sent({}), 400, "malformed"),
    "revoke what is no certificate": Line(fixed(REVOKE), sent({"certificate": "AAAA"}), 400, "malformed"),
    "revoke with padding": Line(fixed(REVOKE), sent({"certificate": "AAA="}), 400, "malformed"),
    "revoke for a reason that is none": Line(
        fixed(REVOKE), lambda world: {"certificate": b64url(world.leaf), "reason": 7}, 400, "badRevocationReason"
    ),
    "revoke for a CA's reason": Line(
        fixed(REVOKE), lambda world: {"certificate": b64url(world.leaf), "reason": 2}, 400, "badRevocationReason"
    ),
    "a reason that is a text": Line(
        fixed(REVOKE), lambda world: {"certificate": b64url(world.leaf), "reason": "1"}, 400, "malformed"
    ),
    "revoke the certificate of another account": Line(
        fixed(REVOKE), lambda world: {"certificate": b64url(world.leaf)}, 403, "unauthorized", by_other=True
    ),
    "revoke what is revoked": Line(
        fixed(REVOKE), lambda world: {"certificate": b64url(world.revoked)}, 400, "alreadyRevoked"
    ),
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
async def test_a_line(world: World, line: Line) -> None:
    client = world.other if line.by_other else world.me
    reply = await client.post(line.url(world), line.payload(world))
    if line.problem:
        assert_refused(reply, line.status, line.problem)
        return
    assert reply.status == line.status, reply
    if line.status >= 400:
        return
    assert INDEX in reply.all("Link")
    assert reply.header("Replay-Nonce")
    assert reply.header("Cache-Control") == "no-store"
    for name, values in line.headers.items():
        assert reply.all(name) == values(world)
    if line.has:
        assert reply.header("Content-Type") == "application/json"
        shown = reply.json()
        assert {key: shown[key] for key in line.has} == line.has


async def test_an_order_has_every_member(world: World) -> None:
    """Section 7.1.3: `error` of a failed one and `certificate` of a valid one, and of no other."""
    always = {"status", "expires", "identifiers", "profile", "authorizations", "finalize"}
    for status, more in (("pending", set()), ("ready", set()), ("valid", {"certificate"}), ("invalid", {"error"})):
        shown = (await world.me.post(world.url(status))).json()
        assert shown.keys() == always | more
        assert all(url.startswith(f"{BASE}/authz/") for url in shown["authorizations"])


async def test_a_decided_authorization_shows_the_challenge_that_decided(world: World) -> None:
    for status, more in (("ready", "validated"), ("invalid", "error")):
        (challenge,) = (await world.me.post(world.authorization(status))).json()["challenges"]
        assert (challenge["status"], more in challenge) == ("valid" if more == "validated" else "invalid", True)
    assert challenge["error"]["type"].startswith("urn:ietf:params:acme:error:")


async def test_each_refused_name_is_a_subproblem(world: World) -> None:
    refused = await world.me.post(NEW, {"identifiers": dns("a.lab.test", "www.example.com", "b.example.com")})
    assert_refused(refused, 400, "rejectedIdentifier")
    assert [one["identifier"] for one in refused.json()["subproblems"]] == dns("www.example.com", "b.example.com")


@pytest.mark.parametrize("kind", ["order", "authz", "challenge", "finalize", "certificate"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_what_is_signed_has_no_other_method(world: World, kind: str, method: str) -> None:
    reply = await world.me.lab.send(method, at(kind, "valid")(world).removeprefix(f"https://{HOST}"))
    assert (reply.status, reply.header("Allow")) == (405, "POST")
    assert reply.header("Replay-Nonce")
    if method != "HEAD":
        assert reply.problem == "malformed"


@pytest.mark.parametrize("kind", ["order", "authz", "challenge", "finalize", "certificate"])
async def test_what_is_signed_has_one_media_type(world: World, kind: str) -> None:
    url = at(kind, "valid")(world)
    body = (await world.me.draft(url)).body()
    path = url.removeprefix(f"https://{HOST}")
    assert_refused(await world.me.lab.send("POST", path, {"Content-Type": "application/json"}, body), 415, "malformed")
    assert_refused(await world.me.lab.send("POST", path, JOSE, b"x" * 65537), 413, "malformed")


@pytest.mark.parametrize("reason", [None, 0, 1, 3, 4, 5, 9])
async def test_every_reason_that_a_subscriber_can_have(world: World, reason: int | None) -> None:
    leaf = (await world.me.certificate("reasons.world.lab.test")).public_bytes(Encoding.DER)
    wanted = {"certificate": b64url(leaf)} | ({} if reason is None else {"reason": reason})
    done = await world.me.post(REVOKE, wanted)
    assert (done.status, done.body, INDEX in done.all("Link")) == (200, b"", True)
    assert_refused(await world.me.post(REVOKE, wanted), 400, "alreadyRevoked")


async def test_three_may_revoke_and_the_key_is_blocked_for_whom_it_concerns(world: World) -> None:
    """The account that ordered it, one that holds its names, and the key itself, which is then refused."""
    name = "three.world.lab.test"
    key = ec.generate_private_key(ec.SECP256R1())
    one, two, three = [await world.me.certificate(name, key=each) for each in (None, None, key)]
    named = [{"certificate": b64url(leaf.public_bytes(Encoding.DER))} for leaf in (one, two, three)]
    assert (await world.me.post(REVOKE, named[0])).status == 200
    assert_refused(await world.other.post(REVOKE, named[1]), 403, "unauthorized")
    await world.other.ready_order(name)
    assert (await world.other.post(REVOKE, named[1])).status == 200
    assert_refused(await Client(world.me.lab).post(REVOKE, named[2]), 403, "unauthorized")
    assert (await Client(world.me.lab, of(key)).post(REVOKE, named[2])).status == 200
    _, order = await world.me.ready_order(name)
    refused = await world.me.post(order["finalize"], {"csr": b64url(csr_of(name, key=key))})
    assert_refused(refused, 400, "badCSR")


async def test_the_certificate_comes_first_and_each_is_issued_by_the_next(world: World) -> None:
    """Section 9.1: the PEM of RFC 7468 with nothing between, and no root."""
    reply = await world.me.post(str(world.order("valid")["certificate"]))
    chain = x509.load_pem_x509_certificates(reply.body)
    assert reply.body.startswith(b"-----BEGIN CERTIFICATE-----\n")
    assert reply.body.endswith(b"-----END CERTIFICATE-----\n")
    assert b"\n\n" not in reply.body
    assert chain[0].public_bytes(Encoding.DER) == world.leaf
    for subject, issuer in zip(chain, [*chain[1:], world.me.lab.authority.root], strict=True):
        subject.verify_directly_issued_by(issuer)
    assert world.me.lab.authority.root not in chain
