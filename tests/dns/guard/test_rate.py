"""How many answers a network is sent: pure, with time as a number."""

from __future__ import annotations

import pytest

from zonemint.dns.guard.rate import RateLimit, Verdict

ANSWER, NODATA = b"\0\0\x84\0\0\1\0\1\0\0\0\0", b"\0\0\x84\0\0\1\0\0\0\1\0\0"
NXDOMAIN, REFUSED = b"\0\0\x84\3\0\1\0\0\0\1\0\0", b"\0\0\x80\5\0\1\0\0\0\0\0\0"
HERE, NEIGHBOUR, THERE = bytes((192, 0, 2, 1)), bytes((192, 0, 2, 200)), bytes((192, 0, 3, 1))


def limiter(rate: int, *, slip: int = 2, burst: int = 1, now: list[float] | None = None) -> RateLimit:
    """Make one for which it is as late as the list says."""
    times = now or [1.0]
    return RateLimit(rate, slip=slip, burst=burst, clock=lambda: int(times[-1] * 10**9))


def sent(limit: RateLimit, count: int, *, address: bytes = HERE, reply: bytes = ANSWER) -> int:
    return sum(limit.judge(address, reply) is Verdict.SEND for _ in range(count))


def test_a_burst_is_sent_and_then_the_rate() -> None:
    now = [50.0]
    limit = limiter(100, burst=2, now=now)
    for second, expected in ((50.0, 200), (51.0, 100), (52.0, 100), (60.0, 200)):
        now.append(second)
        assert sent(limit, 1000) == expected


def test_who_stays_below_the_rate_never_notices() -> None:
    now = [1.0]
    limit = limiter(100, now=now)
    for second in range(600):
        now.append(float(second))
        assert sent(limit, 100) == 100
    assert limit.dropped == limit.truncated == 0


def test_a_network_shares_a_limit_and_others_have_their_own() -> None:
    limit = limiter(10)
    assert sent(limit, 100) == 10
    assert sent(limit, 100, address=NEIGHBOUR) == 0
    assert sent(limit, 100, address=THERE) == 10
    for prefix, expected in (("20010db8000000ff", 10), ("20010db8000000ee", 0), ("20010db8000001ff", 10)):
        assert sent(limit, 100, address=bytes.fromhex(prefix) + bytes(8)) == expected


def test_each_kind_of_answer_has_a_limit_of_its_own() -> None:
    limit = limiter(10)
    for reply in (ANSWER, NODATA, NXDOMAIN, REFUSED):
        assert sent(limit, 100, reply=reply) == 10


@pytest.mark.parametrize(("slip", "truncated"), [(0, 0), (1, 90), (2, 45), (10, 9)])
def test_some_of_what_is_beyond_is_truncated(slip: int, truncated: int) -> None:
    limit = limiter(10, slip=slip)
    verdicts = [limit.judge(HERE, ANSWER) for _ in range(100)]
    assert verdicts.count(Verdict.SEND) == 10
    assert verdicts.count(Verdict.TRUNCATE) == limit.truncated == truncated
    assert verdicts.count(Verdict.DROP) == limit.dropped == 90 - truncated


def test_a_flood_of_networks_does_not_make_the_table_grow() -> None:
    """A network that goes on asking is remembered through it."""
    limit = limiter(10)
    assert sent(limit, 100) == 10
    for number in range(100_000):
        limit.judge(number.to_bytes(16, "little"), ANSWER)
        if not number % 16_000:
            assert sent(limit, 1) == 0
    assert len(limit._young) + len(limit._old) <= 2 * 16_384
