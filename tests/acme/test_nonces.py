"""Nonces (RFC 8555 section 6.5): only ours, only once, only for a while, whatever the clock does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zonemint.acme.nonces import LocalNonces, Nonces

HOUR = 3600.0


class Clock:
    def __init__(self, now: float = 1e9) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def redeem(nonces: Nonces, text: str) -> bool:
    """Nonces of one process never wait, so no event loop is needed."""
    with pytest.raises(StopIteration) as end:
        nonces.redeem(text).__await__().send(None)
    return bool(end.value.value)


def test_a_nonce_is_32_characters_of_base64url_and_redeems_once() -> None:
    nonces = LocalNonces(Clock())
    issued = [nonces.issue() for _ in range(1000)]
    assert len(set(issued)) == 1000
    assert all(len(one) == 32 and set(one) <= set(_ALPHABET) for one in issued)
    assert all(redeem(nonces, one) for one in reversed(issued))
    assert not any(redeem(nonces, one) for one in issued)


_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@given(st.text() | st.text(_ALPHABET, min_size=32, max_size=32))
def test_no_text_redeems_that_was_not_issued(text: str) -> None:
    nonces = LocalNonces(Clock())
    issued = nonces.issue()
    assert not redeem(nonces, text) or text == issued


@given(st.integers(0, 31), st.sampled_from(_ALPHABET))
def test_no_neighbour_of_an_issued_nonce_redeems(place: int, letter: str) -> None:
    nonces = LocalNonces(Clock())
    issued = nonces.issue()
    changed = issued[:place] + letter + issued[place + 1 :]
    assert redeem(nonces, changed) == (changed == issued)
    assert redeem(nonces, issued) == (changed != issued)


def test_a_nonce_of_another_process_or_an_earlier_start_is_unknown() -> None:
    clock = Clock()
    assert not redeem(LocalNonces(clock), LocalNonces(clock).issue())


def test_a_nonce_lives_an_hour_and_not_much_longer() -> None:
    clock = Clock()
    nonces = LocalNonces(clock)
    early, late = nonces.issue(), nonces.issue()
    clock.now += HOUR - 1
    nonces.issue()
    assert redeem(nonces, early)
    clock.now += 600
    nonces.issue()
    assert not redeem(nonces, late)


def test_a_nonce_lives_as_long_where_each_bitmap_begins() -> None:
    clock = Clock()
    nonces = LocalNonces(clock)
    issued: list[tuple[float, str]] = []
    for _ in range(300):
        clock.now += 61
        issued.append((clock.now, nonces.issue()))
    for at, nonce in issued:
        age = clock.now - at
        assert redeem(nonces, nonce) if age < HOUR else (age < HOUR + 301 or not redeem(nonces, nonce))


def test_a_clock_that_steps_back_loses_no_nonce_and_repeats_none() -> None:
    clock = Clock()
    nonces = LocalNonces(clock)
    before = [nonces.issue() for _ in range(3)]
    clock.now -= 10 * HOUR
    after = [nonces.issue() for _ in range(3)]
    assert len({*before, *after}) == 6
    assert all(redeem(nonces, one) for one in (*before, *after))
    assert not any(redeem(nonces, one) for one in (*before, *after))


def test_nonces_from_before_a_step_back_go_too() -> None:
    clock = Clock()
    nonces = LocalNonces(clock)
    old = nonces.issue()
    clock.now -= 10 * HOUR
    for _ in range(20):
        nonces.issue()
        clock.now += 301
    assert not redeem(nonces, old)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(-1e5, 1e5), st.integers(0, 5)), max_size=30))
def test_no_nonce_redeems_twice_however_the_clock_moves(steps: list[tuple[float, int]]) -> None:
    clock = Clock()
    nonces = LocalNonces(clock)
    issued: list[str] = []
    redeemed: list[str] = []
    for step, count in steps:
        clock.now += step
        issued += [nonces.issue() for _ in range(count)]
        redeemed += [one for one in issued if redeem(nonces, one)]
    assert len(redeemed) == len(set(redeemed))
    assert len(issued) == len(set(issued))
