from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zonemint.pki.profiles import BUILT_IN, DEFAULT, SHORTLIVED, USAGES, Profile

NOW = 1_800_000_000.75
FAR = NOW + 10**9


def test_the_built_in_profiles() -> None:
    assert {name: profile.lifetime for name, profile in BUILT_IN.items()} == {
        "default": 90 * 24 * 3600,
        "shortlived": 160 * 3600,
    }


def test_a_profile_says_how_long_its_certificates_live() -> None:
    assert DEFAULT.description == "server certificates that live 90 days"
    assert SHORTLIVED.description == "server certificates that live 160 hours"


@pytest.mark.parametrize(
    ("usages", "said"),
    [(("clientAuth",), "client"), (("clientAuth", "serverAuth"), "server and client")],
)
def test_it_says_what_they_are_good_for(usages: tuple[str, ...], said: str) -> None:
    profile = Profile("x", 86400, extended_key_usages=tuple(USAGES[one] for one in usages))
    assert profile.description == f"{said} certificates that live 24 hours"
    assert Profile("x", 86400, said="for printers").description == "for printers"


def test_keys_may_be_limited() -> None:
    strict = Profile("strict", 86400, keys=frozenset({"p384", "rsa"}), rsa_bits=3072)
    assert strict.key_refusal("p384", 384) is None
    assert strict.key_refusal("rsa", 3072) is None
    assert strict.key_refusal("p256", 256) == "the profile 'strict' takes keys of the kinds p384, rsa, not p256"
    assert strict.key_refusal("rsa", 2048) == "the profile 'strict' takes RSA keys of 3072 bits and more, not 2048"
    assert DEFAULT.key_refusal("anything", 1) is None


@given(st.sampled_from([DEFAULT, SHORTLIVED]), st.floats(0, 4e9), st.floats(0, 1e9), st.floats(0, 1e9))
def test_a_certificate_is_valid_when_made_and_within_its_bounds(
    profile: Profile, now: float, age: float, rest: float
) -> None:
    start, end = profile.validity(now=now, issuer_not_before=now - age, issuer_not_after=now + rest)
    assert int(now - age) <= start <= now
    assert end <= now + rest
    assert end - start + 1 <= profile.lifetime


@pytest.mark.parametrize(
    ("not_before", "not_after", "said"),
    [
        (None, None, None),
        (NOW, None, None),
        (NOW, NOW + 3600, None),
        (NOW - 3600, NOW + 60, None),
        (None, NOW + 90 * 86400 - 3601, None),
        (NOW - 3602, None, "past"),
        (NOW + 60, NOW + 60, "not lie after"),
        (None, NOW - 1, "not lie after"),
        (NOW, NOW + 91 * 86400, "asks for more"),
        (NOW + 30 * 86400, None, None),
        (NOW + 30 * 86400, NOW + 90 * 86400, None),
        (NOW + 30 * 86400, NOW + 91 * 86400, "asks for more"),
        (NOW + 90 * 86400, None, "ahead"),
    ],
)
def test_times_that_an_order_may_ask_for(not_before: float | None, not_after: float | None, said: str | None) -> None:
    refusal = DEFAULT.refusal(now=NOW, not_before=not_before, not_after=not_after)
    if said is None:
        assert refusal is None
        start, end = DEFAULT.validity(
            now=NOW, issuer_not_before=0, issuer_not_after=FAR, not_before=not_before, not_after=not_after
        )
        assert end - start < DEFAULT.lifetime
        assert end <= NOW + DEFAULT.lifetime
    else:
        assert refusal is not None
        assert said in refusal
