"""Classes of clients, held against what the rules say of each address by itself."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address, ip_network

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.thorough import examples
from zonemint.core.networks import Network, networks
from zonemint.dns.guard.access import Access, Rules, classes


def access(rules: Rules, text: str) -> Access:
    """Find the class of an address by the longest network, as views do."""
    address = ip_address(text)
    found = classes(rules)
    return found[max((one for one in found if address in one), key=lambda one: one.prefixlen)]


LAB = Rules(
    allow=networks(["any"]),
    deny=networks(["192.168.66.0/24", "2001:db8:66::/48"]),
    recursion=networks(["private"]),
    unlimited=networks(["private", "198.51.100.0/24"]),
    always=networks(["127.0.0.0/8", "192.168.66.1"]),
    views={"guests": networks(["192.168.0.0/16"]), "lab": networks(["192.168.1.0/24"])},
)


def test_the_classes_of_a_lab() -> None:
    stranger, friend = Access(True, False, True), Access(True, True, False)
    for text in ("203.0.113.1", "2001:db8::1", "8.8.8.8"):
        assert access(LAB, text) == stranger, text
    for text in ("127.0.0.1", "10.9.9.9", "100.64.0.1", "172.31.0.1", "169.254.1.1", "::1", "fd00::1", "fe80::1"):
        assert access(LAB, text) == friend, text
    assert access(LAB, "198.51.100.7") == Access(True, False, False)
    assert access(LAB, "192.168.2.1") == Access(True, True, False, "guests")
    assert access(LAB, "192.168.1.1") == Access(True, True, False, "lab")
    assert not access(LAB, "192.168.66.2").allowed
    assert not access(LAB, "2001:db8:66::1").allowed
    # The machine itself has to see the zones that records are registered in.
    assert access(LAB, "192.168.66.1") == Access(True, True, False)


def test_words_and_spellings_of_networks() -> None:
    assert networks(["::ffff:10.0.0.0/104", "::ffff:192.0.2.1"]) == networks(["10.0.0.0/8", "192.0.2.1/32"])
    assert networks(["::/0"]) == (IPv6Network("::/0"),)
    assert networks(["any"]) == (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))


_small = st.builds(
    lambda number, length: IPv4Network((number >> (32 - length) << (32 - length) if length else 0, length)),
    st.integers(0, 2**32 - 1).map(lambda number: number & 0xC0C0C0C0),
    st.sampled_from([0, 1, 2, 9, 10, 17, 18, 26, 32]),
)
_networks = st.lists(_small, max_size=4)


@given(_networks, _networks, _networks, _networks, _networks, st.lists(_networks, max_size=3), st.data())
@settings(max_examples=examples(100))
def test_the_longest_border_around_an_address_has_its_rights(
    allow: list[Network],
    deny: list[Network],
    recursion: list[Network],
    unlimited: list[Network],
    always: list[Network],
    views: list[list[Network]],
    data: st.DataObject,
) -> None:
    rules = Rules(allow, deny, recursion, unlimited, always, {f"v{n}": ones for n, ones in enumerate(views)})
    number = data.draw(st.integers(0, 2**32 - 1).map(lambda one: one & 0xC0C0C0C1))
    address = IPv4Address(number)
    assert access(rules, str(address)) == rules.access(ip_network(f"{address}/32"))
