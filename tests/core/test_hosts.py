from __future__ import annotations

from ipaddress import ip_address

import pytest

from zonemint.core.errors import BadName
from zonemint.core.hosts import address_of, is_address, parted, with_wildcard


@pytest.mark.parametrize(
    ("text", "whether"),
    [("10.0.0.1", True), ("::1", True), ("fe80::1%eth0", True), ("10.0.0", False), ("a.test", False), ("", False)],
)
def test_what_is_an_address(text: str, whether: bool) -> None:
    assert is_address(text) is whether


def test_names_and_addresses_are_parted_in_their_order() -> None:
    assert parted(["b.test", "::1", "*.a.test", "10.0.0.1"]) == (("b.test", "*.a.test"), ("::1", "10.0.0.1"))
    assert parted(()) == ((), ())


def test_a_client_over_ipv6_has_its_ipv4_address() -> None:
    assert address_of("::ffff:10.0.0.1") == ip_address("10.0.0.1")
    assert address_of("2001:db8::1") == ip_address("2001:db8::1")
    assert address_of("unknown") is None


@pytest.mark.parametrize(("text", "name"), [("A.test.", "a.test"), ("*.A.test", "*.a.test")])
def test_a_wildcard_may_stand_before_a_name(text: str, name: str) -> None:
    assert with_wildcard(text) == name


@pytest.mark.parametrize("text", ["*", "*.", "*.*.a.test", "a*.test", "a_b.test"])
def test_no_other_wildcard(text: str) -> None:
    with pytest.raises(BadName):
        with_wildcard(text)
