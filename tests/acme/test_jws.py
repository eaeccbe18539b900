"""Reading JWS and keys: josepy agrees with what is taken, and nothing but AcmeError comes of what is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import josepy.jwa
import josepy.jwk
import josepy.jws
import josepy.util
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.acme import signing
from tests.acme.client import public_pem
from tests.acme.signing import Draft, Signer, b64url
from zonemint.acme import jws, keys
from zonemint.core.errors import AcmeError, AcmeErrorType

URL = "https://ca.lab.test/acme/acme/new-order"
SIGNERS = {name: make() for name, make in signing.ALGORITHMS.items()}
JOSEPY = {name: signer for name, signer in SIGNERS.items() if name != "EdDSA"}  # which josepy does not know


def draft(signer: Signer, payload: bytes = b'{"a":1}') -> Draft:
    return Draft({"alg": signer.alg, "nonce": "AAAA", "url": URL, "jwk": signer.jwk}, payload, signer)


@pytest.mark.parametrize("signer", SIGNERS.values(), ids=SIGNERS)
def test_a_request_is_read_and_verified(signer: Signer) -> None:
    parsed = jws.parse(draft(signer).body())
    assert (parsed.protected.alg, parsed.protected.url, parsed.protected.nonce) == (signer.alg, URL, "AAAA")
    assert parsed.payload == b'{"a":1}'
    assert parsed.protected.jwk == signer.jwk
    jws.verify(parsed, keys.load(keys.canonical(signer.jwk).text))


@pytest.mark.parametrize("signer", JOSEPY.values(), ids=JOSEPY)
def test_josepy_agrees_on_what_we_sign_and_we_on_what_josepy_signs(signer: Signer) -> None:
    members = json.loads(draft(signer).body())
    theirs = josepy.jws.JWS.from_json(
        {"payload": members["payload"], "signatures": [{k: members[k] for k in ("protected", "signature")}]}
    )
    assert cast(Any, theirs).verify(josepy.jwk.JWK.load(public_pem(signer)))

    wrap = {
        "EC": (josepy.jwk.JWKEC, josepy.util.ComparableECKey),
        "RSA": (josepy.jwk.JWKRSA, josepy.util.ComparableRSAKey),
    }
    kind, comparable = wrap[signer.jwk["kty"]]
    key: Any = cast(Any, kind)(key=cast(Any, comparable)(signer.key))
    algorithm: Any = getattr(josepy.jwa, signer.alg)
    made = josepy.jws.JWS.sign(payload=b"hello", key=key, alg=algorithm, protect=frozenset(["alg", "jwk"]))
    one = made.to_json()["signatures"][0] if "signatures" in made.to_json() else made.to_json()
    body = {"protected": one["protected"], "payload": b64url(b"hello"), "signature": one["signature"]}
    parsed = jws.parse(json.dumps(body).encode())
    assert parsed.protected.jwk is not None
    jws.verify(parsed, keys.load(keys.canonical(parsed.protected.jwk).text))


@pytest.mark.parametrize("signer", JOSEPY.values(), ids=JOSEPY)
def test_josepy_agrees_on_thumbprints(signer: Signer) -> None:
    theirs = josepy.jwk.JWK.load(public_pem(signer)).thumbprint()
    assert keys.canonical(signer.jwk).thumbprint == b64url(theirs)


def test_the_thumbprint_of_the_rfcs_example() -> None:
    """RFC 8037 appendix A.3, with members that do not count."""
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "k", "use": "sig"}
    assert keys.canonical(jwk).thumbprint == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


@pytest.mark.parametrize("algorithm", SIGNERS)
@pytest.mark.parametrize("signer", SIGNERS.values(), ids=SIGNERS)
def test_a_key_verifies_only_its_own_algorithm(signer: Signer, algorithm: str) -> None:
    key = keys.load(keys.canonical(signer.jwk).text)
    signature = signer.sign(b"message")
    assert keys.verifies(key, algorithm, signature, b"message") == (algorithm == signer.alg)
    assert not keys.verifies(key, algorithm, signature, b"messagf")


@pytest.mark.parametrize("signer", SIGNERS.values(), ids=SIGNERS)
@pytest.mark.parametrize("signature", [b"", b"\0", b"\0" * 64, b"\xff" * 64, b"\0" * 256, b"\0" * 132], ids=len)
def test_a_signature_of_nothing_is_none(signer: Signer, signature: bytes) -> None:
    assert not keys.verifies(keys.load(keys.canonical(signer.jwk).text), signer.alg, signature, b"message")


def _respelled(text: str) -> str:
    """Change the bits of the last letter that no octet has."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + alphabet[alphabet.index(text[-1]) ^ 1]


RESPELLINGS: dict[str, Callable[[str], str]] = {
    "unused bits": _respelled,
    "padding": lambda text: text + "=",
    "a letter that is skipped": lambda text: text[:5] + "!" + text[5:],
    "a line break": lambda text: text + "\n",
    "plain base64": lambda text: text[:-2] + "+/",
    "a foreign letter": lambda text: text[:-1] + "\u00e9",
}


@pytest.mark.parametrize("member", ["x", "y"])
@pytest.mark.parametrize("respell", RESPELLINGS.values(), ids=RESPELLINGS)
def test_a_key_has_one_spelling_so_that_it_has_one_account(respell: Callable[[str], str], member: str) -> None:
    jwk = SIGNERS["ES256"].jwk
    with pytest.raises(AcmeError) as caught:
        keys.load(keys.canonical({**jwk, member: respell(jwk[member])}).text)
    assert caught.value.type is AcmeErrorType.BAD_PUBLIC_KEY


def test_an_rsa_key_has_no_leading_zero() -> None:
    """RFC 7518 section 6.3.1.1."""
    jwk = SIGNERS["RS256"].jwk
    for changed in ({"n": signing.b64url(b"\0" + _octets(jwk["n"]))}, {"e": signing.b64url(b"\0\1\0\1")}):
        with pytest.raises(AcmeError) as caught:
            keys.load(keys.canonical({**jwk, **changed}).text)
        assert caught.value.type is AcmeErrorType.BAD_PUBLIC_KEY


def _octets(text: str) -> bytes:
    return jws.from_b64url(text, "test")


@given(st.binary())
def test_any_body_is_refused_in_order(body: bytes) -> None:
    with pytest.raises(AcmeError):
        jws.parse(body)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
_MEMBERS = ("alg", "nonce", "url", "jwk", "kid", "crit", "b64")


def _take(body: bytes) -> None:
    """Go as far as a request goes without a store; only AcmeError may come of it."""
    try:
        parsed = jws.parse(body)
        if parsed.protected.jwk is not None:
            jws.verify(parsed, keys.load(keys.canonical(parsed.protected.jwk).text))
    except AcmeError as error:
        refusal = error.type
    else:
        return
    assert refusal in {
        AcmeErrorType.MALFORMED,
        AcmeErrorType.BAD_PUBLIC_KEY,
        AcmeErrorType.BAD_SIGNATURE_ALGORITHM,
    }


@given(st.sampled_from(list(SIGNERS.values())), st.sampled_from(_MEMBERS), _JSON)
def test_any_member_of_the_header_is_taken_or_refused(signer: Signer, member: str, value: object) -> None:
    changed = draft(signer)
    changed.protected[member] = value
    _take(changed.body())


@given(st.sampled_from(list(SIGNERS.values())), st.sampled_from(["kty", "crv", "x", "y", "n", "e"]), _JSON)
def test_any_member_of_a_key_is_taken_or_refused(signer: Signer, member: str, value: object) -> None:
    changed = draft(signer)
    changed.protected["jwk"] = {**signer.jwk, member: value}
    _take(changed.body())


@given(st.sampled_from(["protected", "payload", "signature", "header", "x"]), _JSON)
def test_any_member_of_the_jws_is_taken_or_refused(member: str, value: object) -> None:
    _take(draft(SIGNERS["ES256"]).body(**{member: value}))


@given(st.data())
def test_a_request_with_any_octet_changed_is_taken_or_refused(data: st.DataObject) -> None:
    body = bytearray(_BODY)
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    _take(bytes(body))


_BODY = draft(SIGNERS["EdDSA"]).body()
