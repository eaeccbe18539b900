"""External account binding (RFC 8555 section 7.3.4): who may make an account, and what the account may then order."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from josepy.jwa import HS256
from josepy.jwk import JWKOct
from msgspec.structs import replace

from tests.acme import signing
from tests.acme.client import Client, registered
from tests.acme.signing import b64url
from tests.web.fixtures import store_of
from tests.web.lab import HOST, Lab, running, settings
from tests.web.wire import Reply
from zonemint.acme import external_accounts
from zonemint.config import Provisioner
from zonemint.store.external_keys import ExternalKey
from zonemint.store.opening import open_store

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOUND = f"https://{HOST}/acme/bound"
NEW = f"{BOUND}/new-account"
CONFIG = settings(
    provisioners={"bound": Provisioner(external_account_required=True), "other": Provisioner()},
)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["sqlite", "postgresql"])
async def lab(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> AsyncIterator[Lab]:
    async with running(tmp_path_factory.mktemp("data"), replace(CONFIG, store=store_of(request))) as lab:
        yield lab


async def made(lab: Lab, **changes: Any) -> ExternalKey:
    """What `zonemint eab create` does, from beside the server."""
    wanted = {"label": "test", "names": (), "uses": 0, "lifetime": None, **changes}
    key = external_accounts.new(wanted.pop("provisioner", "bound"), by="test", now=lab.clock(), **wanted)
    db = await open_store(lab.config.store.database, lab.data.database)
    await db.write(external_accounts.create(key, actor="test"))
    await db.close()
    return key


async def ended(lab: Lab, key: ExternalKey, *, with_accounts: bool = False) -> int | None:
    db = await open_store(lab.config.store.database, lab.data.database)
    steps = external_accounts.revoke(key.id, with_accounts=with_accounts, actor="test", via="test", now=lab.clock())
    count = await db.write(steps)
    await db.close()
    return count


def binding(
    client: Client, key: ExternalKey, *, alg: str = "HS256", jwk: object = None, **header: Any
) -> dict[str, Any]:
    """A binding as it should be, or with other members in its header; None takes one away."""
    protected = {"alg": alg, "kid": key.id, "url": f"{client.base}/new-account", **header}
    head = b64url(json.dumps({name: value for name, value in protected.items() if value is not None}).encode())
    payload = b64url(json.dumps(jwk or client.signer.jwk).encode())
    secret = urlsafe_b64decode(key.secret + "==")
    digest = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}.get(alg, "sha256")
    mac = hmac.digest(secret, f"{head}.{payload}".encode(), digest)
    return {"protected": head, "payload": payload, "signature": b64url(mac)}


def assert_refused(reply: Reply, status: int, problem: str, said: str = "") -> None:
    assert (reply.status, reply.problem) == (status, problem), reply
    assert said in reply.json()["detail"]
    assert reply.header("Replay-Nonce")


async def test_the_directory_says_whether_it_is_required(lab: Lab) -> None:
    bound = (await lab.send("GET", "/acme/bound/directory")).json()
    assert bound["meta"]["externalAccountRequired"] is True
    assert "externalAccountRequired" not in (await lab.send("GET", "/acme/other/directory")).json()["meta"]


@pytest.mark.parametrize("fields", [{}, {"externalAccountBinding": None}], ids=["absent", "null"])
async def test_without_one_there_is_no_account(lab: Lab, fields: dict[str, Any]) -> None:
    client = Client(lab, base=BOUND)
    assert_refused(await client.register(**fields), 403, "externalAccountRequired")
    client.kid = None
    assert_refused(await client.register(onlyReturnExisting=True), 400, "accountDoesNotExist")


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
async def test_with_one_the_account_shows_it_as_it_was_sent(lab: Lab, alg: str) -> None:
    key = await made(lab, label="Zoë")
    client = Client(lab, base=BOUND)
    sent = binding(client, key, alg=alg)
    reply = await client.register(externalAccountBinding=sent)
    assert reply.status == 201
    assert reply.json()["externalAccountBinding"] == sent
    assert client.kid is not None
    assert (await client.post(client.kid)).json()["externalAccountBinding"] == sent
    account = client.kid.rpartition("/")[2]
    assert lab.rows("SELECT external_key FROM accounts WHERE id = ?", account) == [(key.id,)]
    assert lab.rows("SELECT used FROM external_keys WHERE id = ?", key.id) == [(1,)]
    (told,) = lab.rows("SELECT actor, detail FROM audit WHERE event = 'eab-key.used' AND subject = ?", key.id)
    assert told[0] == f"account:{account}"
    assert json.loads(told[1])["label"] == "Zoë"
    assert key.secret not in json.dumps(lab.rows("SELECT detail FROM audit"))
    # Who has an account needs the key no more (section 7.3.1), and what is sent then is ignored.
    again = Client(lab, client.signer, BOUND)
    assert (await again.register()).status == 200
    assert lab.rows("SELECT used FROM external_keys WHERE id = ?", key.id) == [(1,)]


async def test_joseps_binding_is_taken(lab: Lab) -> None:
    key = await made(lab)
    client = Client(lab, base=BOUND)
    sent = binding(client, key)
    # josepy, which certbot uses, agrees about the MAC.
    oct_ = JWKOct(key=urlsafe_b64decode(key.secret + "=="))
    message = f"{sent['protected']}.{sent['payload']}".encode()
    assert HS256.verify(oct_.key, message, urlsafe_b64decode(sent["signature"] + "=="))
    assert (await client.register(externalAccountBinding=sent)).status == 201


async def test_the_key_in_it_is_compared_as_a_key(lab: Lab) -> None:
    key = await made(lab)
    client = Client(lab, base=BOUND)
    spelled = {"use": "sig", **dict(reversed(client.signer.jwk.items())), "kid": "mine"}
    assert (await client.register(externalAccountBinding=binding(client, key, jwk=spelled))).status == 201


Broken = Callable[[Client, ExternalKey], object]


def changed(**members: object) -> Broken:
    """Other members of the JWS than were signed; None takes one away."""
    return lambda client, key: {
        name: value for name, value in {**binding(client, key), **members}.items() if value is not None
    }


def header(**members: Any) -> Broken:
    return lambda client, key: binding(client, key, **members)


BROKEN: dict[str, tuple[Broken, int, str, str]] = {
    "a text": (lambda client, key: "x", 400, "malformed", "not a flattened JWS"),
    "a list": (lambda client, key: [], 400, "malformed", "not a flattened JWS"),
    "nothing in it": (lambda client, key: {}, 400, "malformed", "not a flattened JWS"),
    "no signature": (changed(signature=None), 400, "malformed", "not a flattened JWS"),
    "an empty signature": (changed(signature=""), 400, "malformed", "empty signature"),
    "a payload that is no ASCII": (changed(payload="\x80"), 400, "malformed", "base64url without padding"),
    "a padded signature": (changed(signature="AAAA="), 400, "malformed", "base64url without padding"),
    "signatures": (changed(signatures=[]), 400, "malformed", "'signatures'"),
    "an unprotected header": (changed(header={}), 400, "malformed", "unprotected 'header'"),
    "a header that is no JSON": (changed(protected=b64url(b"{")), 400, "malformed", "protected header"),
    "no kid": (header(kid=None), 400, "malformed", "protected header"),
    "a kid that is a number": (header(kid=7), 400, "malformed", "protected header"),
    "no url": (header(url=None), 400, "malformed", "protected header"),
    "a signature by a key pair": (header(alg="ES256"), 400, "badSignatureAlgorithm", "no MAC that is accepted"),
    "none": (header(alg="none"), 400, "badSignatureAlgorithm", "no MAC that is accepted"),
    "a shorter hash": (header(alg="HS1"), 400, "badSignatureAlgorithm", "no MAC that is accepted"),
    "a nonce": (header(nonce="AAAA"), 400, "malformed", "must not have a nonce"),
    "a nonce that is null": (header(nonce="null"), 400, "malformed", "must not have a nonce"),
    "a jwk beside kid": (
        lambda client, key: _head(client, key, jwk=client.signer.jwk),
        400,
        "malformed",
        "no 'jwk'",
    ),
    "crit": (header(crit=["b64"]), 400, "malformed", "'crit' or 'b64'"),
    "the url of another resource": (header(url=f"{BOUND}/new-order"), 400, "malformed", "url is not that"),
    "the url of another server": (
        header(url=f"https://{HOST}/acme/other/new-account"),
        400,
        "malformed",
        "url is not that",
    ),
    "an unknown key": (header(kid="nobody"), 403, "unauthorized", "no such key"),
    "another MAC": (changed(signature=b64url(bytes(32))), 403, "unauthorized", "no such key"),
    "a MAC cut short": (
        lambda client, key: {**binding(client, key), "signature": binding(client, key)["signature"][:-4]},
        403,
        "unauthorized",
        "no such key",
    ),
    "a MAC of another length": (
        lambda client, key: {**binding(client, key, alg="HS512"), "protected": binding(client, key)["protected"]},
        403,
        "unauthorized",
        "no such key",
    ),
    "another account key": (
        lambda client, key: binding(client, key, jwk=signing.es256().jwk),
        400,
        "malformed",
        "not the key that signed",
    ),
    "no key in it": (lambda client, key: binding(client, key, jwk=["x"]), 400, "malformed", "not a key in JSON"),
    "half a key in it": (
        lambda client, key: binding(client, key, jwk={"kty": "EC"}),
        400,
        "badPublicKey",
        "",
    ),
    "the MAC key as a key": (
        lambda client, key: binding(client, key, jwk={"kty": "oct", "k": "AAAA"}),
        400,
        "badPublicKey",
        "",
    ),
}


def _head(client: Client, key: ExternalKey, **more: object) -> dict[str, Any]:
    """A signed binding whose header has more in it."""
    head = {"alg": "HS256", "kid": key.id, "url": f"{client.base}/new-account", **more}
    protected, payload = b64url(json.dumps(head).encode()), b64url(json.dumps(client.signer.jwk).encode())
    secret = urlsafe_b64decode(key.secret + "==")
    mac = hmac.digest(secret, f"{protected}.{payload}".encode(), hashlib.sha256)
    return {"protected": protected, "payload": payload, "signature": b64url(mac)}


@pytest.mark.parametrize(("broken", "status", "problem", "said"), BROKEN.values(), ids=BROKEN)
async def test_a_binding_that_is_refused(lab: Lab, broken: Broken, status: int, problem: str, said: str) -> None:
    key = await made(lab)
    client = Client(lab, base=BOUND)
    refused = await client.register(externalAccountBinding=broken(client, key))
    assert_refused(refused, status, problem, said)
    if problem == "badSignatureAlgorithm":
        assert refused.json()["algorithms"] == ["HS256", "HS384", "HS512"]
    assert lab.rows("SELECT used FROM external_keys WHERE id = ?", key.id) == [(0,)]
    client.kid = None
    assert (await client.register(onlyReturnExisting=True)).problem == "accountDoesNotExist"


async def test_a_key_is_for_one_provisioner(lab: Lab) -> None:
    key = await made(lab)
    client = Client(lab, base=f"https://{HOST}/acme/other")
    # Nothing is required there, but who sends a binding means it.
    refused = await client.register(externalAccountBinding=binding(client, key))
    assert_refused(refused, 403, "unauthorized", "no such key")
    own = await made(lab, provisioner="other")
    client.kid = None
    reply = await client.register(externalAccountBinding=binding(client, own))
    assert (reply.status, "externalAccountBinding" in reply.json()) == (201, True)


async def test_a_key_is_good_for_so_many_accounts_whoever_comes_first(lab: Lab) -> None:
    key = await made(lab, uses=2)
    clients = [Client(lab, base=BOUND) for _ in range(6)]
    replies = await asyncio.gather(*(one.register(externalAccountBinding=binding(one, key)) for one in clients))
    assert sorted(reply.status for reply in replies) == [201, 201, 403, 403, 403, 403]
    assert lab.rows("SELECT used FROM external_keys WHERE id = ?", key.id) == [(2,)]
    assert lab.rows("SELECT count(*) FROM accounts WHERE external_key = ?", key.id) == [(2,)]
    late = Client(lab, base=BOUND)
    refused = await late.register(externalAccountBinding=binding(late, key))
    assert_refused(refused, 403, "unauthorized", "used up: ask for another one")


async def test_a_key_that_has_ended_makes_no_account(lab: Lab) -> None:
    late = await made(lab, lifetime=-1.0)
    client = Client(lab, base=BOUND)
    refused = await client.register(externalAccountBinding=binding(client, late))
    assert_refused(refused, 403, "unauthorized", "is expired")
    revoked = await made(lab)
    assert await ended(lab, revoked) == 0
    client.kid = None
    refused = await client.register(externalAccountBinding=binding(client, revoked))
    assert_refused(refused, 403, "unauthorized", "no such key")
    assert lab.rows("SELECT secret FROM external_keys WHERE id = ?", revoked.id) == [("",)]
    # The empty secret that is left is no key.
    client.kid = None
    forged = binding(client, replace(revoked, secret=""))
    assert_refused(await client.register(externalAccountBinding=forged), 403, "unauthorized", "no such key")


async def test_accounts_outlive_their_key_unless_they_are_ended_with_it(lab: Lab) -> None:
    key = await made(lab)
    clients = [Client(lab, base=BOUND) for _ in range(2)]
    for client in clients:
        assert (await client.register(externalAccountBinding=binding(client, key))).status == 201
    assert await ended(lab, key) == 0
    for client in clients:
        assert (await client.order("a.lab.test")).status == 201
    assert await ended(lab, key, with_accounts=True) == 2
    for client in clients:
        assert_refused(await client.order("a.lab.test"), 401, "unauthorized", "deactivated")
    told = lab.rows("SELECT event FROM audit WHERE subject = ? ORDER BY sequence", key.id)
    assert [one for (one,) in told] == ["eab-key.created", "eab-key.used", "eab-key.used", "eab-key.revoked"]
    assert await ended(lab, replace(key, id="nobody")) is None


async def test_a_key_may_be_for_some_names_also_after_its_end(lab: Lab) -> None:
    key = await made(lab, names=("web.lab.test", "*.web.lab.test", "10.1.0.0/16"))
    client = Client(lab, base=BOUND)
    assert (await client.register(externalAccountBinding=binding(client, key))).status == 201
    assert await ended(lab, key) == 0
    assert (await client.order("web.lab.test", "a.web.lab.test", "*.web.lab.test", ips=["10.1.2.3"])).status == 201
    refused = await client.order("web.lab.test", "mail.lab.test", "*.lab.test", ips=["10.2.0.1"])
    assert_refused(refused, 400, "rejectedIdentifier", "3 names are refused")
    told = {one["identifier"]["value"]: one["detail"] for one in refused.json()["subproblems"]}
    assert set(told) == {"mail.lab.test", "*.lab.test", "10.2.0.1"}
    assert "external accounts is for: web.lab.test, *.web.lab.test, 10.1.0.0/16" in told["mail.lab.test"]
    # An account of nobody's is for every name, as far as the policy goes.
    assert (await (await registered(lab)).order("mail.lab.test")).status == 201


async def test_a_new_account_key_keeps_the_binding(lab: Lab) -> None:
    key = await made(lab, names=("web.lab.test",))
    client = Client(lab, base=BOUND)
    sent = binding(client, key)
    await client.register(externalAccountBinding=sent)
    new = signing.es256()
    url = f"{BOUND}/key-change"
    payload = json.dumps({"account": client.kid, "oldKey": client.signer.jwk}).encode()
    outer = await client.draft(url)
    outer.payload = signing.Draft({"alg": new.alg, "jwk": new.jwk, "url": url}, payload, new).body()
    changed = await client.send(url, outer.body())
    assert (changed.status, changed.json()["externalAccountBinding"]) == (200, sent)
    client.signer = new
    assert (await client.order("mail.lab.test")).problem == "rejectedIdentifier"
