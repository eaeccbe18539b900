from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zonemint.core.errors import BadName
from zonemint.core.patterns import Patterns, spelled
from zonemint.pki.policy import Policy

POLICY = Policy(domains=("lab.test", "example.internal"))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("dns", "lab.test"),
        ("dns", "server-1.lab.test"),
        ("dns", "a.b.c.example.internal"),
        ("dns", "*.lab.test"),
        ("dns", "*.deep.lab.test"),
        ("dns", "xn--bcher-kva.lab.test"),
        ("dns", "localhost"),
        ("ip", "10.0.0.1"),
        ("ip", "127.0.0.1"),
        ("ip", "100.100.1.1"),
        ("ip", "::1"),
        ("ip", "fd12::5"),
    ],
)
def test_issued_for(kind: str, value: str) -> None:
    assert POLICY.refusal(kind, value) is None


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("dns", "example.com", "outside the domains of this CA: lab.test, example.internal"),
        ("dns", "notlab.test", "outside the domains"),
        ("dns", "lab.test.example.com", "outside the domains"),
        ("dns", "test", "single label"),
        ("dns", "*.test", "single label"),
        ("dns", "*.localhost", "single label"),
        ("dns", "", "not a domain name"),
        ("dns", "*.", "not a domain name"),
        ("dns", "*", "wildcard"),
        ("dns", "*.*.lab.test", "wildcard"),
        ("dns", "a.*.lab.test", "wildcard"),
        ("dns", "a*.lab.test", "wildcard"),
        ("dns", "a_b.lab.test", "not a host name"),
        ("dns", "-a.lab.test", "label"),
        ("dns", "a..lab.test", "label"),
        ("dns", "b\u00fccher.lab.test", "label"),
        ("dns", "a\n.lab.test", "label"),
        ("dns", "a.lab.test.", "without a dot at its end"),
        ("dns", "A.lab.test", "lower case"),
        ("dns", "10.0.0.1", "number"),
        ("dns", "a" * 64 + ".lab.test", "label"),
        ("dns", "a." * 130 + "lab.test", "253"),
        ("ip", "8.8.8.8", "outside the networks"),
        ("ip", "169.254.169.254", "outside the networks"),
        ("ip", "::ffff:10.0.0.1", "::ffff:10.0.0.1"),
        ("ip", "fe80::1", "outside the networks"),
        ("ip", "fd12::5%eth0", "scope"),
        ("ip", "FD12::5", "canonical"),
        ("ip", "fd12:0::5", "canonical"),
        ("ip", "10.0.0.01", "not an IP address"),
        ("ip", "10.0.0.0/8", "not an IP address"),
        ("ip", "lab.test", "not an IP address"),
        ("email", "a@lab.test", "'dns' or 'ip'"),
    ],
)
def test_refused(kind: str, value: str, said: str) -> None:
    refusal = POLICY.refusal(kind, value)
    assert refusal is not None
    assert said in refusal


NARROW = Policy(
    domains=("lab.test", "lan"),
    allow=Patterns.read(["*.lab.test", "web.lan", "lan", "10.1.0.0/16"]),
    deny=Patterns.read(["admin.lab.test", "*.secret.lab.test", "10.1.2.0/24"]),
    single_labels=True,
)


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("dns", "a.lab.test", None),
        ("dns", "a.b.lab.test", None),
        ("dns", "*.b.lab.test", None),
        ("dns", "web.lan", None),
        ("dns", "lan", None),
        ("dns", "secret.lab.test", None),
        ("ip", "10.1.0.1", None),
        ("dns", "lab.test", "none of the names"),
        ("dns", "localhost", "none of the names"),
        ("dns", "mail.lan", "none of the names"),
        ("dns", "*.web.lan", "none of the names"),
        ("dns", "*.lan", "none of the names"),
        ("dns", "admin.lab.test", "not issued for here"),
        ("dns", "*.lab.test", "could stand for"),
        ("dns", "a.secret.lab.test", "not issued for here"),
        ("dns", "*.secret.lab.test", "not issued for here"),
        ("dns", "*.a.secret.lab.test", "not issued for here"),
        ("ip", "10.2.0.1", "none of the addresses"),
        ("ip", "10.1.2.3", "not issued for here"),
    ],
)
def test_a_policy_of_its_own(kind: str, value: str, said: str | None) -> None:
    refusal = NARROW.refusal(kind, value)
    assert (refusal is None) == (said is None), refusal
    assert said is None or said in (refusal or "")


def test_wildcards_may_be_refused() -> None:
    refusal = Policy(("lab.test",), wildcards=False).refusal("dns", "*.lab.test")
    assert refusal == "'*.lab.test' is refused: no wildcards are issued here"


names = st.lists(st.sampled_from("ab"), min_size=1, max_size=4).map(".".join)
patterns = st.lists(st.builds(str.__add__, st.sampled_from(["", "*."]), names), max_size=3)


@given(patterns, names)
def test_what_a_wildcard_stands_for_decides(texts: list[str], base: str) -> None:
    one = Patterns.read(texts)
    below = [f"{label}.{base}" for label in ("a", "b", "other")]
    # A certificate for *.base is good for each of these names and for no others.
    if one.hold(f"*.{base}"):
        assert all(map(one.hold, below))
    assert one.touch(f"*.{base}") == any(map(one.hold, below))


@given(st.text())
def test_any_text_is_a_pattern_or_refused(text: str) -> None:
    try:
        found, said = spelled(text), ""
    except BadName as error:
        found, said = "lab.test", str(error)
    assert spelled(found) == found
    assert said.isprintable()


@given(st.sampled_from(["dns", "ip", "x"]), st.text())
def test_any_text_is_answered_in_one_printable_line(kind: str, value: str) -> None:
    refusal = POLICY.refusal(kind, value)
    assert refusal is None or (refusal.isascii() and refusal.isprintable() and len(refusal) < 300)
