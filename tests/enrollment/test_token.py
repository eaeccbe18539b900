from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from zonemint.acme.jws import b64url
from zonemint.core.errors import EnrollmentError
from zonemint.enrollment import token

KEY = ec.generate_private_key(ec.SECP256R1())
JWK = token.public_jwk(KEY)
NOW = 1_800_000_000.0
ROOT = "ab" * 32
OLD_ROOT = "0f" * 32
GOOD: dict[str, Any] = {
    "aud": "https://ca.lab.test/1.0/sign",
    "exp": NOW + 300,
    "iat": NOW,
    "nbf": NOW,
    "iss": "admin",
    "jti": "one",
    "sans": ["host.lab.test", "10.0.0.7"],
    "sha": ROOT,
    "sub": "host.lab.test",
}


def signed(claims: dict[str, Any], **header: Any) -> str:
    head = {"alg": "ES256", "kid": JWK.thumbprint, **header}
    body = ".".join(b64url(msgspec.json.encode(part)) for part in (head, claims))
    r, s = decode_dss_signature(KEY.sign(body.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{body}.{b64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def read(text: str, now: float = NOW) -> token.Claims:
    return token.read(token.parse(text), JWK.text, "admin", host="ca.lab.test", roots={ROOT, OLD_ROOT}, now=now)


def without(*members: str) -> dict[str, Any]:
    return {name: value for name, value in GOOD.items() if name not in members}


def test_a_token_as_step_makes_it() -> None:
    claims = read(signed(GOOD))
    assert (claims.names, claims.ips, claims.issuer) == (("host.lab.test",), ("10.0.0.7",), "admin")


def test_ours_is_read_back() -> None:
    made, text = token.made(
        KEY, "admin", ["*.a.lab.test", "::1"], url="https://ca.lab.test:8443", root=ROOT, now=NOW, lifetime=300
    )
    claims = read(text)
    assert claims.hosts == ("*.a.lab.test", "::1")
    assert made in text or claims.id
    assert (
        read(token.made(KEY, "admin", ["a.lab.test"], url="https://ca.lab.test", root=ROOT, now=NOW, lifetime=9)[1]).id
        != claims.id
    )


def test_the_subject_stands_for_names_that_are_not_said() -> None:
    assert read(signed(without("sans"))).names == ("host.lab.test",)


def test_a_root_that_is_trusted_beside_the_first_may_be_named() -> None:
    assert read(signed({**GOOD, "sha": OLD_ROOT.upper()})).names == ("host.lab.test",)


def test_without_an_id_the_whole_token_is_its_id() -> None:
    one, other = signed(without("jti")), signed({**without("jti"), "nbf": NOW - 1})
    assert read(one).id == read(one).id != read(other).id


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"aud": "https://other.test/1.0/sign"}, "not for https://ca.lab.test"),
        ({"aud": ["https://ca.lab.test/1.0/revoke"]}, "not for https://ca.lab.test"),
        ({"aud": "http://ca.lab.test/1.0/sign"}, "not for https://ca.lab.test"),
        ({"iss": "somebody"}, "its issuer is 'somebody'"),
        ({"sha": "cd" * 32}, "another root"),
        ({"exp": NOW - 61}, "its time is over"),
        ({"nbf": NOW + 61, "exp": NOW + 90}, "not yet valid"),
        ({"exp": NOW + 86401}, "longer than 86400"),
        ({"sans": ["user@lab.test"]}, "neither a DNS name nor an address"),
        ({"sans": ["https://lab.test"]}, "neither a DNS name nor an address"),
        ({"sans": [f"h{n}.lab.test" for n in range(101)]}, "it has 101 names"),
        ({"step": {"ssh": {"certType": "user"}}}, "it is for SSH"),
        ({"nbf": None, "iat": None}, "since when it is valid"),
        ({"exp": "soon"}, "its claims are not"),
        ({"exp": 1e300}, "longer than 86400"),
    ],
)
def test_what_is_refused(change: dict[str, Any], why: str) -> None:
    with pytest.raises(EnrollmentError, match=why) as caught:
        read(signed({**GOOD, **change}))
    assert caught.value.status == 401


@pytest.mark.parametrize(
    "aud", ["https://CA.lab.test:8443/sign", "https://ca.lab.test/1.0/sign#admin", ["x", GOOD["aud"]]]
)
def test_audiences_that_mean_us(aud: Any) -> None:
    assert read(signed({**GOOD, "aud": aud})).issuer == "admin"


def test_another_key_and_a_changed_claim() -> None:
    head, payload, signature = signed(GOOD).split(".")
    forged = b64url(msgspec.json.encode({**GOOD, "sans": ["ca.lab.test"]}))
    for text in (
        f"{head}.{forged}.{signature}",
        f"{head}.{payload}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}",
    ):
        with pytest.raises(EnrollmentError, match="signature"):
            read(text)


@pytest.mark.parametrize("header", [{"alg": "none"}, {"alg": "HS256"}, {"alg": 5}, {"kid": None}])
def test_headers_that_are_refused(header: dict[str, Any]) -> None:
    with pytest.raises(EnrollmentError):
        token.parse(signed(GOOD, **header))


@given(
    st.one_of(
        st.text(max_size=300), st.binary(max_size=200).map(lambda raw: f"{b64url(raw)}.{b64url(raw)}.{b64url(raw)}")
    )
)
def test_any_text_is_refused_and_nothing_else_happens(text: str) -> None:
    with pytest.raises(EnrollmentError):
        token.parse(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), JSON, max_size=4))
def test_any_signed_claims_are_read_or_refused(changes: dict[str, Any]) -> None:
    with suppress(EnrollmentError):
        read(signed({**GOOD, **changes}))
