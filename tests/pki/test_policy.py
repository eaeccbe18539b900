from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@given(st.sampled_from(["dns", "ip", "x"]), st.text())
def test_any_text_is_answered_in_one_printable_line(kind: str, value: str) -> None:
    refusal = POLICY.refusal(kind, value)
    assert refusal is None or (refusal.isascii() and refusal.isprintable() and len(refusal) < 300)
