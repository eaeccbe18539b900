"""Whatever is sent to whichever ACME resource, well signed or not: it is taken or refused, and never our mistake."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.acme.client import BASE, JOSE, Client, csr_of, registered
from tests.acme.signing import Draft, b64url, es256
from tests.thorough import examples
from tests.web.lab import HOST, Lab
from tests.web.wire import Reply

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOUNDED = settings(max_examples=examples(30))
NAME = "fuzzed.lab.test"
KEY = ec.generate_private_key(ec.SECP256R1())
CSR = csr_of(NAME, key=KEY)

# What has a meaning somewhere, so that more than the first check is reached.
_WORDS = """
alg nonce url jwk kid typ crit b64 kty crv x y n e k oct EC RSA OKP P-256 Ed25519 ES256 EdDSA HS256 none AQAB dns ip
contact status deactivated valid termsOfServiceAgreed onlyReturnExisting externalAccountBinding protected payload
signature identifiers identifier type value notBefore notAfter profile replaces default shortlived csr certificate
reason account oldKey mailto:a@lab.test 2030-01-01T00:00:00Z *.lab.test lab.test
"""
WORDS = st.sampled_from(_WORDS.split())
TEXT = (
    WORDS
    | st.text(max_size=12)
    | st.sampled_from(["", "\0", "\ud800", "\N{SNOWMAN}", "a" * 3000, "..", "%00", "=" * 4])
)
SCALAR = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | TEXT
JSON = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=8
)
OCTETS = st.binary(max_size=60)


@st.composite
def spoiled(draw: st.DrawFn, whole: bytes) -> bytes:
    """Octets with some of them changed, taken out or put in."""
    octets = bytearray(whole)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(octets)))
        octets[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(octets)


class Target:
    """An account with an order that waits and one that is ready, and the URLs of everything that it has."""

    def __init__(self, client: Client, ready: str, urls: list[str]) -> None:
        self.client = client
        self.ready = ready
        self.urls = urls


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def target(lab: Lab) -> Target:
    client = await registered(lab)
    assert client.kid is not None
    ready, _ = await client.ready_order(NAME)
    waiting = await client.order(f"waits.{NAME}")
    order = waiting.header("Location")
    assert order is not None
    (authorization,) = waiting.json()["authorizations"]
    challenges = [one["url"] for one in (await client.post(authorization)).json()["challenges"]]
    leaf = await client.certificate(f"done.{NAME}")
    directory = (await lab.send("GET", "/acme/acme/directory")).json()
    listed = [url for url in directory.values() if isinstance(url, str)]
    own = [client.kid, f"{client.kid}/orders", order, f"{order}/finalize", authorization, *challenges]
    return Target(client, f"{ready}/finalize", [*listed, *own, f"{BASE}/certificate/{leaf.serial_number:x}", ready])


async def still_an_account(target: Target) -> None:
    """What a story did to the account must not end the next ones."""
    reply = await target.client.register()
    if reply.status >= 400:
        fresh = await registered(target.client.lab)
        target.client.signer, target.client.kid = fresh.signer, fresh.kid


def sound(reply: Reply) -> None:
    """It is taken or refused, and what refuses it says so in a problem document."""
    assert reply.status < 500, reply
    if reply.status >= 400 and reply.status != 404:
        assert reply.header("Content-Type") in ("application/problem+json", "text/plain"), reply


def at(target: Target, number: int) -> str:
    return target.urls[number % len(target.urls)]


NUMBER = st.integers(0, 63)


@BOUNDED
@given(number=NUMBER, changes=st.dictionaries(WORDS, JSON, max_size=3), gone=st.sets(WORDS, max_size=2))
async def test_any_protected_header(target: Target, number: int, changes: dict[str, Any], gone: set[str]) -> None:
    draft = await target.client.draft(at(target, number), {})
    protected = {name: value for name, value in (draft.protected | changes).items() if name not in gone}
    sound(await target.client.send(at(target, number), Draft(protected, draft.payload, draft.signer).body()))


@BOUNDED
@given(
    number=NUMBER,
    members=st.dictionaries(
        st.sampled_from(["protected", "payload", "signature", "header", "signatures"]), JSON, max_size=3
    ),
)
async def test_any_members(target: Target, number: int, members: dict[str, Any]) -> None:
    parts = (await target.client.draft(at(target, number), {})).parts()
    sound(await target.client.send(at(target, number), json.dumps(parts | members).encode()))


@BOUNDED
@given(number=NUMBER, data=st.data())
async def test_any_signed_octets(target: Target, number: int, data: st.DataObject) -> None:
    """The payload, and then the whole body, with octets that it should not have."""
    draft = await target.client.draft(at(target, number), {})
    draft.payload = data.draw(OCTETS | spoiled(b'{"identifiers":[{"type":"dns","value":"a.lab.test"}]}'))
    sound(await target.client.send(at(target, number), draft.body()))
    sound(await target.client.send(at(target, number), data.draw(spoiled(draft.body()))))


@BOUNDED
@given(number=NUMBER, payload=JSON)
async def test_any_signed_payload(target: Target, number: int, payload: Any) -> None:
    await still_an_account(target)
    reply = await target.client.post(at(target, number), payload)
    sound(reply)


@BOUNDED
@given(
    jwk=st.dictionaries(st.sampled_from(["kty", "crv", "x", "y", "n", "e", "d", "k", "alg", "use"]), JSON, max_size=5),
    whole=st.booleans(),
)
async def test_any_key(target: Target, jwk: dict[str, Any], whole: bool) -> None:
    signer = es256()
    draft = await Client(target.client.lab, signer).draft(f"{BASE}/new-account", {})
    draft.protected["jwk"] = jwk if whole else signer.jwk | jwk
    sound(await target.client.send(f"{BASE}/new-account", draft.body()))


@BOUNDED
@given(data=st.data())
async def test_any_inner_jws_of_a_key_change(target: Target, data: st.DataObject) -> None:
    """RFC 8555 section 7.3.5."""
    await still_an_account(target)
    client, url, new = target.client, f"{BASE}/key-change", es256()
    protected: dict[str, Any] = {"alg": new.alg, "jwk": new.jwk, "url": url}
    payload: dict[str, Any] = {"account": client.kid, "oldKey": client.signer.jwk}
    protected |= data.draw(st.dictionaries(WORDS, JSON, max_size=2))
    payload |= data.draw(st.dictionaries(st.sampled_from(["account", "oldKey"]), JSON, min_size=1, max_size=2))
    inner = Draft(protected, json.dumps(payload).encode(), new).parts()
    inner |= data.draw(st.dictionaries(st.sampled_from(["protected", "payload", "signature"]), JSON, max_size=1))
    sound(await client.post(url, inner))


@BOUNDED
@given(data=st.data())
async def test_any_external_account_binding(lab: Lab, data: st.DataObject) -> None:
    """Section 7.3.4."""
    client = Client(lab)
    protected: dict[str, Any] = {"alg": "HS256", "kid": "unknown", "url": f"{BASE}/new-account"}
    protected |= data.draw(st.dictionaries(WORDS, JSON, max_size=2))
    binding: Any = Draft(protected, json.dumps(client.signer.jwk).encode(), es256()).parts()
    binding |= data.draw(st.dictionaries(st.sampled_from(["protected", "payload", "signature"]), JSON, max_size=1))
    sound(await client.register(externalAccountBinding=data.draw(st.just(binding) | JSON)))


@BOUNDED
@given(csr=spoiled(CSR) | OCTETS | st.text(max_size=20))
async def test_any_csr(target: Target, csr: bytes | str) -> None:
    await still_an_account(target)
    text = csr if isinstance(csr, str) else b64url(csr)
    reply = await target.client.post(target.ready, {"csr": text})
    sound(reply)
    assert reply.status >= 400, "a CSR whose octets were changed proves no key"


_HOST = st.from_regex(r"[a-z*.\-]{0,20}(\.lab\.test)?", fullmatch=True)
_GENERAL = (
    _HOST.map(x509.DNSName)
    | st.ip_addresses().map(x509.IPAddress)
    | st.from_regex(r"[a-z]{1,5}@[a-z]{1,5}\.test", fullmatch=True).map(x509.RFC822Name)
    | st.from_regex(r"https://[a-z]{1,5}\.test/", fullmatch=True).map(x509.UniformResourceIdentifier)
    | OCTETS.map(lambda octets: x509.OtherName(x509.ObjectIdentifier("1.2.3.4"), b"\4" + bytes([len(octets)]) + octets))
)
_EXTENSION = (
    st.lists(_GENERAL, max_size=3).map(x509.SubjectAlternativeName)
    | st.builds(lambda octets: x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.5"), octets), OCTETS)
    | OCTETS.map(lambda octets: x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), octets))
    | st.builds(x509.BasicConstraints, st.booleans(), st.none())
    | st.just(x509.TLSFeature([x509.TLSFeatureType.status_request]))
)


@BOUNDED
@given(extensions=st.lists(_EXTENSION, max_size=3), common=st.none() | st.text(min_size=1, max_size=16), name=_HOST)
async def test_any_csr_that_is_well_made(
    target: Target, extensions: list[x509.ExtensionType], common: str | None, name: str
) -> None:
    await still_an_account(target)
    subject = x509.Name([] if common is None else [x509.NameAttribute(NameOID.COMMON_NAME, common)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    for one in {extension.oid: extension for extension in extensions}.values():
        builder = builder.add_extension(one, critical=False)
    csr = builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)
    sound(await target.client.post(target.ready, {"csr": b64url(csr)}))


@BOUNDED
@given(data=st.data(), reason=JSON)
async def test_any_revocation(target: Target, data: st.DataObject, reason: Any) -> None:
    await still_an_account(target)
    certificate = data.draw(OCTETS | spoiled(target.client.lab.authority.intermediate.public_bytes(Encoding.DER)))
    sound(await target.client.post(f"{BASE}/revoke-cert", {"certificate": b64url(certificate), "reason": reason}))


@BOUNDED
@given(
    resource=st.sampled_from(
        ["renewal-info", "order", "authz", "challenge", "certificate", "account", "directory", ""]
    ),
    tail=st.lists(TEXT | st.text(max_size=40), max_size=3),
    provisioner=st.just("acme") | TEXT,
    query=st.text(max_size=10),
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]),
)
async def test_any_url(lab: Lab, resource: str, tail: list[str], provisioner: str, query: str, method: str) -> None:
    parts = ["acme", provisioner, resource, *tail]
    path = "/" + "/".join(quote(part.encode(errors="surrogatepass"), safe="") for part in parts)
    asked = f"?{quote(query.encode(errors='surrogatepass'))}" if query else ""
    sound(await lab.send(method, path + asked, JOSE))


@BOUNDED
@given(
    number=NUMBER,
    headers=st.dictionaries(
        st.sampled_from(
            ["Content-Type", "Accept", "Accept-Language", "X-Forwarded-For", "Cookie", "Origin", "If-Match"]
        ),
        st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40).map(
            str.strip
        ),
        max_size=4,
    ),
)
async def test_any_headers(target: Target, number: int, headers: dict[str, str]) -> None:
    url = at(target, number)
    body = (await target.client.draft(url, {})).body()
    sound(await target.client.lab.send("POST", url.removeprefix(f"https://{HOST}"), JOSE | headers, body))
