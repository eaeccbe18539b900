"""How often an address may ask."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from zonemint.core import rates
from zonemint.core.rates import Rates


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_minutes_requests_may_come_at_once_and_then_as_they_are_earned() -> None:
    time = Time()
    limit = Rates(6, time)
    assert [limit.wait("10.0.0.1") for _ in range(7)] == [0] * 6 + [10]
    assert limit.wait("10.0.0.2") == 0  # another address has its own
    time.now += 9
    assert limit.wait("10.0.0.1") == 1
    time.now += 1
    assert [limit.wait("10.0.0.1") for _ in range(2)] == [0, 10]
    time.now += 3600
    assert [limit.wait("10.0.0.1") for _ in range(7)] == [0] * 6 + [10]


def test_what_is_refused_costs_nothing_more() -> None:
    time = Time()
    limit = Rates(1, time)
    assert [limit.wait("a") for _ in range(100)] == [0] + [60] * 99
    time.now += 60
    assert limit.wait("a") == 0


def test_zero_is_no_limit_and_remembers_nobody() -> None:
    limit = Rates(0, Time())
    assert not any(limit.wait("10.0.0.1") for _ in range(1000))
    assert len(limit) == 0


def test_an_ipv6_network_is_one_client_and_a_mapped_address_is_the_ipv4_one() -> None:
    limit = Rates(1, Time())
    assert [limit.wait(one) for one in ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1")] == [0, 60, 0]
    assert [limit.wait(one) for one in ("10.0.0.1", "::ffff:10.0.0.1")] == [0, 60]
    assert [limit.wait(one) for one in ("no:address", "no:address")] == [0, 60]


def test_the_memory_is_bounded_and_forgets_who_was_silent_longest() -> None:
    time = Time()
    limit = Rates(1, time)
    limit.wait("first")
    for number in range(rates._CLIENTS - 1):
        limit.wait(f"address {number}")
    assert limit.wait("first") == 60
    for number in range(rates._CLIENTS - 1):
        limit.wait(f"other {number}")
    assert len(limit) == rates._CLIENTS
    assert limit.wait("first") == 60
    assert limit.wait("address 5") == 0


def test_a_period_of_another_length_and_a_look_that_costs_nothing() -> None:
    time = Time()
    limit = Rates(2, time, period=3600)
    assert [limit.left("a b") for _ in range(5)] == [0] * 5
    assert [limit.wait("a b") for _ in range(3)] == [0, 0, 1800]
    assert [limit.left("a b") for _ in range(5)] == [1800] * 5
    time.now += 1800
    assert limit.left("a b") == limit.wait("a b") == 0
    assert limit.left("a c") == Rates(0, time).left("a b") == 0


@example(per_minute=1, pauses=[1.1095873337647788])
@given(per_minute=st.integers(1, 1000), pauses=st.lists(st.floats(0, 100), max_size=60))
def test_no_minute_has_more_than_twice_the_number_and_waiting_helps(per_minute: int, pauses: list[float]) -> None:
    time = Time()
    limit = Rates(per_minute, time)
    taken: list[float] = []
    for pause in pauses:
        time.now += pause
        wait = limit.wait("a")
        if wait:
            time.now += wait
            assert limit.wait("a") == 0
        taken.append(time.now)
    for at in taken:
        assert sum(at <= one < at + 60 for one in taken) <= 2 * per_minute
