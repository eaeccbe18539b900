"""What the cache holds to, whatever is put into it: no answer past its time, no more room than it has."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zonemint.dns import wire
from zonemint.dns.answers.compiled import compile_answer
from zonemint.dns.answers.foreign import Foreign, Question, records
from zonemint.dns.answers.lookup import Answer
from zonemint.dns.forward.cache import Cache, key_of
from zonemint.dns.zones.records import RRset


def answer(name: bytes, *ttls: int, size: int = 4) -> Foreign:
    sets = [(name, RRset(1000 + at, ttl, (bytes(size),))) for at, ttl in enumerate(ttls)]
    return Foreign(0, compile_answer(name, Answer(answer=sets)).tail, (len(sets), 0))


def put(cache: Cache, text: str, *ttls: int, now: float = 0.0, size: int = 4) -> bytes:
    name = wire.name_from_text(text)
    key = key_of(Question(name, 1))
    cache.put(key, name, answer(name, *ttls, size=size), min(ttls), now)
    return key


def test_questions_differ_by_all_that_answers_differ_by() -> None:
    name = b"\1a\0"
    questions = [Question(name, type_, ok, cd) for type_ in (1, 28) for ok in (False, True) for cd in (False, True)]
    assert len({key_of(one) for one in (*questions, Question(b"\1b\0", 1))}) == 9


def test_ttls_count_down() -> None:
    cache = Cache(1 << 20)
    key = put(cache, "a.example", 60, 300, now=100.0)
    for now, left in ((100.0, 60), (100.9, 60), (101.0, 59), (159.9, 1)):
        entry = cache.get(key, now)
        assert entry is not None
        found, _ = records(b"\1a\7example\0", entry.at(now))
        assert [rrset.ttl for _, rrset in found] == [left, left + 240]
    assert cache.get(key, 160.0) is None


def test_what_is_stale_says_thirty_seconds_until_it_is_useless() -> None:
    cache = Cache(1 << 20, stale=1000.0)
    key = put(cache, "a.example", 60, 300)
    entry = cache.get(key, 500.0)
    assert entry is not None
    found, _ = records(b"\1a\7example\0", entry.at(500.0))
    assert [rrset.ttl for _, rrset in found] == [30, 30]
    assert cache.get(key, 1060.0) is None


def test_a_flood_of_random_names_does_not_push_out_what_is_asked_for() -> None:
    cache = Cache(200_000)
    popular = [put(cache, f"popular{n}.example", 10_000) for n in range(50)]
    for _ in range(2):
        assert all(cache.get(key, 1.0) for key in popular)
    for n in range(20_000):
        put(cache, f"random{n}.example", 10_000)
        if n % 1000 == 0:
            assert all(cache.get(key, 1.0) for key in popular)
    assert cache.used <= 200_000
    assert all(cache.get(key, 1.0) for key in popular)


def test_what_nobody_asks_for_any_more_goes() -> None:
    cache = Cache(100_000)
    old = [put(cache, f"old{n}.example", 10_000) for n in range(60)]
    for key in old:
        cache.get(key, 1.0)
    for n in range(5000):
        key = put(cache, f"new{n}.example", 10_000)
        cache.get(key, 1.0)
    assert not any(cache.get(key, 1.0) for key in old)


STEP = st.one_of(
    st.tuples(st.just("put"), st.integers(0, 30), st.integers(1, 50), st.integers(0, 4000)),
    st.tuples(st.just("get"), st.integers(0, 30), st.just(0), st.just(0)),
    st.tuples(st.just("wait"), st.integers(0, 100), st.just(0), st.just(0)),
)


@given(st.lists(STEP, max_size=120), st.sampled_from([0.0, 20.0]))
def test_never_past_its_time_and_never_beyond_its_room(steps: list[tuple[str, int, int, int]], stale: float) -> None:
    cache = Cache(20_000, stale=stale)
    now = 0.0
    ends: dict[int, float] = {}
    for what, number, ttl, size in steps:
        name = wire.name_from_text(f"n{number}.example")
        key = key_of(Question(name, 1))
        if what == "wait":
            now += number / 8
        elif what == "put":
            put(cache, f"n{number}.example", ttl, now=now, size=size)
            ends[number] = now + ttl
        elif (entry := cache.get(key, now)) is not None:
            assert entry.until == ends[number]
            assert now < entry.until + stale
            ((_, rrset),), _ = records(name, entry.at(now))
            left = ends[number] - now
            assert rrset.ttl == 30 if left <= 0 else left <= rrset.ttl < left + 1
        assert cache.used <= cache.size
        assert cache.used == sum(one.size for one in cache._entries.values())
        assert len(cache._small) + len(cache._main) == len(cache)
