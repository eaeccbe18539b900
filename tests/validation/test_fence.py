"""The fence: what validation may connect to, in each form in which an address can be written."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.validation.servers import HOST, reach
from zonemint.core.errors import AcmeErrorType, Unproven
from zonemint.validation.fence import Fence, unwrapped
from zonemint.validation.reach import Reach

CLOSED = {
    "127.0.0.1": "a loopback address",
    "127.255.255.254": "a loopback address",
    "::1": "a loopback address",
    "169.254.1.1": "a link-local address",
    "fe80::1": "a link-local address",
    "169.254.169.254": "a metadata address",
    "100.100.100.200": "a metadata address",
    "192.0.0.192": "a metadata address",
    "fd00:ec2::254": "a metadata address",
    "fd20:ce::254": "a metadata address",
    "224.0.0.1": "a multicast address",
    "ff02::1": "a multicast address",
    "0.0.0.0": "an address of no host",
    "0.1.2.3": "an address of no host",
    "255.255.255.255": "an address of no host",
    "::": "an address of no host",
    # Addresses that stand for others.
    "::ffff:127.0.0.1": "means 127.0.0.1",
    "::ffff:169.254.169.254": "means 169.254.169.254",
    "::127.0.0.1": "means 127.0.0.1",
    "::ffff:0:127.0.0.1": "means 127.0.0.1",
    "64:ff9b::169.254.169.254": "means 169.254.169.254",
    "64:ff9b:1::127.0.0.1": "means 127.0.0.1",
    "64:ff9b:1:7f00:0:100::": "means 127.0.0.1",
    "64:ff9b:1:7f:0:1::": "means 127.0.0.1",
    "64:ff9b:1::7f:0:100:0": "means 127.0.0.1",
    "2002:7f00:1::1": "means 127.0.0.1",
    "2001:0:102:304::80ff:fffe": "means 127.0.0.1",
}
OPEN = [
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "fd12::1",
    "192.0.2.1",
    "8.8.8.8",
    "2001:db8::1",
    "2606:4700::1111",
    "::ffff:10.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::10.0.0.1",
    "64:ff9b:1:a00:0:100::",
    "2002:a00:1::1",
]


@pytest.mark.parametrize(("address", "why"), CLOSED.items(), ids=CLOSED)
def test_what_is_closed_is_told_with_its_kind(address: str, why: str) -> None:
    refusal = Fence().refusal(ip_address(address))
    assert refusal is not None
    assert why in refusal
    assert "validation.allow" in refusal


@pytest.mark.parametrize("address", OPEN)
def test_private_and_public_addresses_are_open(address: str) -> None:
    assert Fence().refusal(ip_address(address)) is None


def test_allow_opens_and_deny_goes_before_it() -> None:
    loopback = ip_network("127.0.0.0/8")
    assert Fence(allow=(loopback,)).refusal(ip_address("127.0.0.1")) is None
    assert Fence(allow=(loopback,)).refusal(ip_address("::ffff:127.0.0.1")) is None
    assert Fence(allow=(loopback,)).refusal(ip_address("::1")) is not None
    closed = Fence(allow=(loopback,), deny=(ip_network("127.0.0.1/32"), ip_network("10.0.0.0/8")))
    for address in ("127.0.0.1", "::ffff:127.0.0.1", "10.1.1.1", "64:ff9b::10.1.1.1"):
        assert "validation.deny" in (closed.refusal(ip_address(address)) or "")
    assert closed.refusal(ip_address("127.0.0.2")) is None


def test_to_allow_the_form_of_an_address_does_not_allow_what_it_means() -> None:
    fence = Fence(allow=(ip_network("::ffff:0:0/96"), ip_network("64:ff9b::/96")))
    assert fence.refusal(ip_address("::ffff:127.0.0.1")) is not None
    assert fence.refusal(ip_address("64:ff9b::127.0.0.1")) is not None


@given(st.ip_addresses(v=4))
def test_no_form_of_a_closed_address_is_open(address: IPv4Address) -> None:
    low = int(address)
    fence = Fence()
    if fence.refusal(address) is None:
        return
    for prefix in ("::ffff:0:0", "::ffff:0:0:0", "64:ff9b::"):
        assert fence.refusal(IPv6Address(int(IPv6Address(prefix)) | low)) is not None
    assert fence.refusal(IPv6Address((0x2002 << 112) | (low << 80))) is not None


@given(st.ip_addresses())
def test_every_address_is_its_own_first_reading(address: IPv4Address | IPv6Address) -> None:
    assert unwrapped(address)[0] == address


async def connect(way: Reach) -> Unproven:
    with pytest.raises(Unproven) as refused:
        (await way.connect(HOST, 80, "GET", lambda event: None)).__exit__(None, None, None)
    return refused.value


async def test_a_name_whose_addresses_are_all_fenced_is_refused_and_not_tried_again() -> None:
    failure = await connect(reach(f"{HOST} A 127.0.0.1", f"{HOST} AAAA ::1", fence=Fence()))
    assert (failure.type, failure.again) == (AcmeErrorType.CONNECTION, False)
    for part in ("127.0.0.1:80", "[::1]:80", "a loopback address", "validation.allow"):
        assert part in failure.detail


async def test_localhost_is_loopback_without_a_question() -> None:
    way = reach("nothing.lab.test A 10.0.0.1", fence=Fence())
    with pytest.raises(Unproven, match="loopback"):
        await way.connect("localhost", 80, "GET", lambda event: None)


@pytest.mark.parametrize(
    ("records", "seen"),
    [
        (["other.lab.test A 10.0.0.1"], "NXDOMAIN"),
        ([f"{HOST} TXT x"], "no address"),
        ([f"{HOST} CNAME gone.lab.test"], "NXDOMAIN"),
        ([f"{HOST} CNAME {HOST}"], "more than 8 CNAMEs"),
        ([f"{HOST} CNAME a.test", "a.test CNAME b.test", f"b.test CNAME {HOST}"], "more than 8 CNAMEs"),
    ],
)
async def test_a_name_without_an_address_is_a_problem_of_dns(records: list[str], seen: str) -> None:
    failure = await connect(reach(*records))
    assert (failure.type, failure.again) == (AcmeErrorType.DNS, True)
    for part in (HOST, "192.0.2.53:53", seen, "expected an address"):
        assert part in failure.detail
