"""Any bytes as an external account binding: refused in words that we have, whatever they are."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.acme.signing import b64url
from zonemint.acme import external_accounts
from zonemint.acme.external_accounts import Binding
from zonemint.acme.keys import Jwk
from zonemint.core.errors import AcmeError

NEW = "https://ca.lab.test/acme/bound/new-account"
KEY = external_accounts.new("bound", label="", names=(), uses=0, lifetime=None, by="test", now=1.0)
ROW = (KEY.id, "bound", "", KEY.secret, "[]", 0, 0, 1, "test", None, None)

parts = st.text("AQ_-", max_size=12) | st.binary(max_size=60).map(b64url)
heads = st.dictionaries(
    st.sampled_from(["alg", "kid", "url", "nonce", "jwk", "crit", "x"]),
    st.sampled_from(["HS256", "HS512", "k", NEW, "", None, 7, [], {}]),
    max_size=6,
).map(lambda head: b64url(json.dumps(head).encode()))
bindings = st.fixed_dictionaries({"protected": heads | parts, "payload": parts, "signature": parts}) | st.dictionaries(
    st.sampled_from(["protected", "payload", "signature", "header"]), parts, max_size=4
)


def checked(given_: bytes) -> Binding:
    """Hold a binding against a key that is found whatever its name is: only the MAC is missing."""
    steps = external_accounts.check(given_, provisioner="bound", url=NEW, jwk=Jwk("{}", "thumbprint"), now=1)
    try:
        next(steps)
        steps.send([ROW])
    except StopIteration as end:
        found: Binding = end.value
        return found
    raise AssertionError("it asked for more than the key")


@given(bindings.map(lambda one: json.dumps(one).encode()) | st.binary(max_size=80))
def test_any_bytes_are_refused(given_: bytes) -> None:
    with pytest.raises(AcmeError):
        checked(given_)
