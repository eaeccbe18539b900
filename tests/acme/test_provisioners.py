"""Several ACME servers in one program: each has what its settings say, and nothing of another's."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec.structs import replace

from tests.acme import signing
from tests.acme.client import BASE, JOSE, Client, csr_of, registered
from tests.acme.signing import Draft, b64url
from tests.web.fixtures import store_of
from tests.web.lab import HOST, Lab, running, settings
from tests.web.wire import Reply
from zonemint.config import AcmeDns, Profile, Provisioner, Seconds

pytestmark = pytest.mark.asyncio(loop_scope="module")

OTHER = f"https://{HOST}/acme/machines"
CONFIG = settings(
    profiles={"day": Profile(lifetime=Seconds(86400))},
    provisioners={
        "machines": Provisioner(
            profiles=("day",), challenges=("dns-01",), dates=False, website="https://www.lab.test/machines"
        ),
        "far": Provisioner(networks=("10.0.0.0/8",)),
    },
    # What stands before the server says whom it speaks for.
    acmedns=AcmeDns(trusted_proxies=("127.0.0.1",)),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["sqlite", "postgresql"])
async def lab(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> AsyncIterator[Lab]:
    async with running(tmp_path_factory.mktemp("data"), replace(CONFIG, store=store_of(request))) as lab:
        yield lab


def assert_refused(reply: Reply, status: int, problem: str, base: str = OTHER) -> None:
    assert (reply.status, reply.problem) == (status, problem), reply
    assert f'<{base}/directory>;rel="index"' in reply.all("Link")
    assert reply.header("Replay-Nonce")


async def test_each_has_a_directory_of_its_own(lab: Lab) -> None:
    for base in (BASE, OTHER):
        directory = (await lab.send("GET", f"{base.removeprefix(f'https://{HOST}')}/directory")).json()
        meta = directory.pop("meta")
        assert all(url.startswith(f"{base}/") for url in directory.values())
        assert meta.get("website") == ("https://www.lab.test/machines" if base == OTHER else None)
        assert set(meta["profiles"]) == ({"day"} if base == OTHER else {"default", "shortlived", "day"})
        # What is not asked for is not in the directory (RFC 8555 section 7.1.1).
        assert not {"termsOfService", "externalAccountRequired"} & set(meta)


@pytest.mark.parametrize(
    "path", ["new-nonce", "directory", "new-order", "account/x", "renewal-info/x.y", "revoke-cert"]
)
async def test_there_is_nothing_at_an_unknown_one(lab: Lab, path: str) -> None:
    for method in ("GET", "POST"):
        reply = await lab.send(method, f"/acme/nobody/{path}", JOSE)
        assert reply.status == (405 if reply.header("Allow") else 404)
        assert reply.problem == "malformed"
        assert reply.header("Content-Type") == "application/problem+json"


async def test_a_key_has_an_account_at_each(lab: Lab) -> None:
    one = await registered(lab)
    other = Client(lab, one.signer, OTHER)
    assert (await other.register(onlyReturnExisting=True)).problem == "accountDoesNotExist"
    other.kid = None
    assert (await other.register()).status == 201
    assert one.kid is not None
    assert other.kid is not None
    assert one.kid.startswith(f"{BASE}/account/")
    assert other.kid.startswith(f"{OTHER}/account/")
    assert one.kid.rpartition("/")[2] != other.kid.rpartition("/")[2]


async def test_an_order_gets_the_only_profile_there_is(lab: Lab) -> None:
    client = await registered(lab, base=OTHER)
    certificate = await client.certificate("day.lab.test")
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert life == timedelta(days=1, seconds=-1)
    assert (await client.order("day.lab.test", profile="default")).problem == "invalidProfile"


async def test_dates_may_be_refused(lab: Lab) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    client = await registered(lab, base=OTHER)
    for field in ("notBefore", "notAfter"):
        assert_refused(await client.order("a.lab.test", **{field: tomorrow}), 400, "malformed")
    assert (await (await registered(lab)).order("a.lab.test", notAfter=tomorrow)).status == 201


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def things(lab: Lab, key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    """An account of `acme` with an order that waits, and one that came to a certificate."""
    client = await registered(lab)
    pending = await client.order("pending.lab.test")
    authorization = pending.json()["authorizations"][0]
    url, order = await client.ready_order("done.lab.test")
    done = await client.post(order["finalize"], {"csr": b64url(csr_of("done.lab.test", key=key))})
    chain = await client.post(done.json()["certificate"])
    assert client.kid is not None
    return {
        "account": client.kid,
        "orders": f"{client.kid}/orders",
        "order": url,
        "pending order": pending.header("Location") or "",
        "finalize": pending.json()["finalize"],
        "authorization": authorization,
        "challenge": (await client.challenge(authorization))["url"],
        "certificate": done.json()["certificate"],
        "pem": chain.body.decode(),
    }


REFUSED = {
    "account": (403, "unauthorized"),
    "orders": (403, "unauthorized"),
    "order": (404, "malformed"),
    "pending order": (404, "malformed"),
    "finalize": (404, "malformed"),
    "authorization": (403, "unauthorized"),
    "challenge": (403, "unauthorized"),
    "certificate": (403, "unauthorized"),
}


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("payload", [None, {}, {"status": "deactivated"}], ids=["get", "empty", "deactivate"])
async def test_nothing_of_one_is_anothers(lab: Lab, things: dict[str, str], what: str, payload: object) -> None:
    url = things[what].replace(BASE, OTHER)
    assert url.startswith(OTHER)
    if payload == {} and what == "finalize":
        payload = {"csr": b64url(csr_of("pending.lab.test"))}
    stranger = await registered(lab, base=OTHER)
    reply = await stranger.post(url, payload)
    assert reply.status in (400, REFUSED[what][0])
    if reply.status != 400:  # a payload where none belongs is refused for that
        assert_refused(reply, *REFUSED[what])
    # By the account that it belongs to, which is none of the other server's.
    stranger.kid = things["account"]
    assert_refused(await stranger.post(url, payload), 400, "accountDoesNotExist")
    # And by the same id below the other server.
    stranger.kid = things["account"].replace(BASE, OTHER)
    assert_refused(await stranger.post(url, payload), 400, "accountDoesNotExist")


async def test_a_key_changes_for_one_alone(lab: Lab) -> None:
    one = await registered(lab)
    other = await registered(lab, one.signer, OTHER)
    new = signing.es256()
    url = f"{BASE}/key-change"
    # The inner request must name the account of this server.
    for account, status in ((other.kid, 400), (one.kid, 200)):
        payload = json.dumps({"account": account, "oldKey": one.signer.jwk}).encode()
        inner = Draft({"alg": new.alg, "jwk": new.jwk, "url": url}, payload, new)
        outer = await one.draft(url)
        outer.payload = inner.body()
        assert (await one.send(url, outer.body())).status == status
    one.signer = new
    assert one.kid is not None
    assert other.kid is not None
    assert (await one.post(one.kid)).status == 200
    assert (await other.post(other.kid)).status == 200
    # A key that is in use at one server is free at another.
    another = await registered(lab, base=OTHER)
    url = f"{OTHER}/key-change"
    payload = json.dumps({"account": another.kid, "oldKey": another.signer.jwk}).encode()
    outer = await another.draft(url)
    outer.payload = Draft({"alg": new.alg, "jwk": new.jwk, "url": url}, payload, new).body()
    assert (await another.send(url, outer.body())).status == 200


async def test_a_certificate_is_revoked_where_it_was_issued(
    lab: Lab, things: dict[str, str], key: ec.EllipticCurvePrivateKey
) -> None:
    der = x509.load_pem_x509_certificates(things["pem"].encode())[0].public_bytes(Encoding.DER)
    payload = {"certificate": b64url(der)}
    stranger = await registered(lab, base=OTHER)
    await stranger.ready_order("done.lab.test")  # authority over the name, of another server
    by_key = Client(lab, signing.of(key), OTHER)
    for client in (stranger, by_key):
        refused = await client.post(f"{OTHER}/revoke-cert", payload)
        assert_refused(refused, 404, "malformed")
        assert refused.json()["detail"] == f"the certificate is one of {BASE}/directory: revoke it there"
    assert (await Client(lab, signing.of(key)).post(f"{BASE}/revoke-cert", payload)).status == 200


@pytest.mark.parametrize(
    ("source", "status"),
    [("10.1.2.3", 201), ("::ffff:10.1.2.3", 201), ("192.0.2.1", 403), ("fd00::1", 403), ("unknown", 403)],
)
async def test_accounts_may_be_for_some_networks(lab: Lab, source: str, status: int) -> None:
    base = f"https://{HOST}/acme/far"
    client = Client(lab, base=base)
    headers = {**JOSE, "X-Forwarded-For": source}
    made = await lab.send(
        "POST", "/acme/far/new-account", headers, (await client.draft(f"{base}/new-account", {})).body()
    )
    assert made.status == status
    if status == 201:
        client.kid = made.header("Location")
        assert client.kid is not None
        # The account is not used from elsewhere, either; the proxy's own address is such a place.
        refused = await client.post(client.kid)
        assert_refused(refused, 403, "unauthorized", base)
        assert "not for use from 127.0.0.1" in refused.json()["detail"]
    else:
        assert made.problem == "unauthorized"
