"""Cookies: the vectors of RFC 9018, and what makes one good."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.thorough import examples
from zonemint.core.errors import ForeignDataError
from zonemint.dns.guard.cookies import Cookies

NOW = 1_800_000_000
CLIENT = bytes.fromhex("2464c4abcf10c957")
HERE, THERE = bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2))


class Fixed(Cookies):
    """The vectors name the key itself."""

    def __init__(self, key: str) -> None:
        super().__init__(b"")
        self._fixed = bytes.fromhex(key)

    def key(self, era: int) -> bytes:
        return self._fixed


@pytest.mark.parametrize(
    ("key", "client", "address", "now", "server"),
    [
        # RFC 9018 appendix A.1 to A.4
        (
            "e5e973e5a6b2a43f48e7dc849e37bfcf",
            "2464c4abcf10c957",
            "198.51.100.100",
            1559731985,
            "010000005cf79f111f8130c3eee29480",
        ),
        (
            "e5e973e5a6b2a43f48e7dc849e37bfcf",
            "2464c4abcf10c957",
            "198.51.100.100",
            1559734385,
            "010000005cf7a871d4a564a1442aca77",
        ),
        (
            "e5e973e5a6b2a43f48e7dc849e37bfcf",
            "fc93fc62807ddb86",
            "203.0.113.203",
            1559734700,
            "010000005cf7a9acf73a7810aca2381e",
        ),
        (
            "445536bcd2513298075a5d379663c962",
            "22681ab97d52c298",
            "2001:db8:220:1:59de:d0f4:8769:82b8",
            1559741961,
            "010000005cf7c609a6bb79d16625507a",
        ),
    ],
)
def test_the_vectors_of_rfc_9018(key: str, client: str, address: str, now: int, server: str) -> None:
    packed = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    made = Fixed(key).make(bytes.fromhex(client), packed, now)
    assert made.hex() == client + server
    assert Fixed(key).answer(made, packed, now) == (made, True)


@pytest.fixture
def cookies() -> Cookies:
    return Cookies(bytes(range(32)))


def test_a_client_learns_its_cookie_and_is_known_by_it(cookies: Cookies) -> None:
    learnt, known = cookies.answer(CLIENT, HERE, NOW)
    assert not known
    assert learnt.startswith(CLIENT)
    assert cookies.answer(learnt, HERE, NOW + 1800) == (learnt, True)


def test_it_is_good_for_its_address_alone(cookies: Cookies) -> None:
    learnt, _ = cookies.answer(CLIENT, HERE, NOW)
    renewed, known = cookies.answer(learnt, THERE, NOW)
    assert not known
    assert renewed != learnt


@pytest.mark.parametrize(("age", "known"), [(1801, True), (3600, True), (3601, False), (-300, True), (-301, False)])
def test_it_is_renewed_and_runs_out(cookies: Cookies, age: int, known: bool) -> None:
    """RFC 9018 section 4.3: an hour back, five minutes ahead, a new one after half an hour."""
    learnt = cookies.make(CLIENT, HERE, NOW)
    renewed, was_known = cookies.answer(learnt, HERE, NOW + age)
    assert was_known == known
    assert cookies.answer(renewed, HERE, NOW + age) == (renewed, True)
    assert renewed != learnt


def test_a_new_day_has_a_new_key_and_knows_the_last_one(cookies: Cookies) -> None:
    midnight = NOW // 86_400 * 86_400
    assert cookies.key(midnight // 86_400) != cookies.key(midnight // 86_400 - 1)
    learnt = cookies.make(CLIENT, HERE, midnight - 1)
    assert cookies.answer(learnt, HERE, midnight + 1) == (learnt, True)


def test_nodes_with_one_secret_know_each_others_cookies(cookies: Cookies) -> None:
    learnt = cookies.make(CLIENT, HERE, NOW)
    assert Cookies(bytes(range(32))).answer(learnt, HERE, NOW) == (learnt, True)
    assert not Cookies(bytes(32)).answer(learnt, HERE, NOW)[1]


@pytest.mark.parametrize("size", range(50))
def test_lengths(cookies: Cookies, size: int) -> None:
    """RFC 7873 section 4: 8 bytes of the client, and none or 8 to 32 of the server."""
    if size == 8 or 16 <= size <= 40:
        assert cookies.answer(bytes(size), HERE, NOW) == (cookies.make(bytes(8), HERE, NOW), False)
    else:
        with pytest.raises(ForeignDataError):
            cookies.answer(bytes(size), HERE, NOW)


@given(st.integers(0, 24 * 8 - 1))
def test_a_changed_bit_makes_it_no_cookie(bit: int) -> None:
    cookies = Cookies(bytes(range(32)))
    learnt = bytearray(cookies.make(CLIENT, HERE, NOW))
    learnt[bit // 8] ^= 1 << bit % 8
    assert not cookies.answer(bytes(learnt), HERE, NOW)[1]


def test_the_keys_that_are_kept_are_few(cookies: Cookies) -> None:
    for day in range(examples(100)):
        cookies.make(CLIENT, HERE, day * 86_400)
    assert len(cookies._keys) <= 3
