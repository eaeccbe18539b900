"""How many answers a network is sent: pure, with time as a number."""

from __future__ import annotations

import pytest

from zonemint.dns.guard.rate import RateLimit, Verdict

ANSWER, NODATA = b"\0\0\x84\0\0\1\0\1\0\0\0\0", b"\0\0\x84\0\0\1\0\0\0\1\0\0"
NXDOMAIN, REFUSED = b"\0\0\x84\3\0\1\0\0\0\1\0\0", b"\0\0\x80\5\0\1\0\0\0\0\0\0"
HERE, NEIGHBOUR, THERE = bytes((192, 0, 2, 1)), bytes((192, 0, 2, 200)), bytes((192, 0, 3, 1))


def sent(limit: RateLimit, count: int, *, now: float, address: bytes = HERE, reply: bytes = ANSWER) -> int:
    return sum(limit.judge_at(int(now * 10**9), address, reply) is Verdict.SEND for _ in range(count))


def test_a_burst_is_sent_and_then_the_rate() -> None:
    limit = RateLimit(100, burst=2)
    assert sent(limit, 1000, now=50.0) == 200
    assert [sent(limit, 1000, now=50.0 + second) for second in (1, 2, 3)] == [100, 100, 100]
    assert sent(limit, 1000, now=60.0) == 200


def test_who_stays_below_the_rate_never_notices() -> None:
    limit = RateLimit(100)
    assert all(sent(limit, 99, now=float(second)) == 99 for second in range(600))
    assert limit.dropped == limit.truncated == 0


def test_a_network_shares_a_limit_and_others_have_their_own() -> None:
    limit = RateLimit(10, burst=1)
    assert sent(limit, 100, now=1.0) == 10
    assert sent(limit, 100, now=1.0, address=NEIGHBOUR) == 0
    assert sent(limit, 100, now=1.0, address=THERE) == 10
    six = bytes.fromhex("20010db8000000ff") + bytes(8)
    assert sent(limit, 100, now=1.0, address=six) == 10
    assert sent(limit, 100, now=1.0, address=bytes.fromhex("20010db8000000ee") + bytes(8)) == 0
    assert sent(limit, 100, now=1.0, address=bytes.fromhex("20010db8000001ff") + bytes(8)) == 10


def test_each_kind_of_answer_has_a_limit_of_its_own() -> None:
    limit = RateLimit(10, burst=1)
    for reply in (ANSWER, NODATA, NXDOMAIN, REFUSED):
        assert sent(limit, 100, now=1.0, reply=reply) == 10


@pytest.mark.parametrize(("slip", "truncated"), [(0, 0), (1, 90), (2, 45), (10, 9)])
def test_some_of_what_is_beyond_is_truncated(slip: int, truncated: int) -> None:
    limit = RateLimit(10, slip=slip, burst=1)
    verdicts = [limit.judge_at(10**9, HERE, ANSWER) for _ in range(100)]
    assert verdicts.count(Verdict.SEND) == 10
    assert verdicts.count(Verdict.TRUNCATE) == limit.truncated == truncated
    assert verdicts.count(Verdict.DROP) == limit.dropped == 90 - truncated


def test_a_flood_of_networks_does_not_make_the_table_grow() -> None:
    limit = RateLimit(10, burst=1)
    assert sent(limit, 100, now=1.0) == 10
    for number in range(100_000):
        limit.judge_at(10**9, number.to_bytes(16, "little"), ANSWER)
        if not number % 16_000:
            # Who is still there is remembered through it.
            assert sent(limit, 1, now=1.0) == 0
    assert len(limit._young) + len(limit._old) <= 2 * 16_384
