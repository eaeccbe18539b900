"""Ids, times and places of errors."""

from __future__ import annotations

import re
import time
from itertools import pairwise

import pytest

from zonemint.core.clock import rfc3339
from zonemint.core.errors import ConfigError
from zonemint.core.ids import new_id


def test_ids_are_unique_and_later_ones_sort_later() -> None:
    made = []
    for _ in range(5):
        made.append({new_id() for _ in range(1000)})
        time.sleep(0.002)  # an id's time has milliseconds
    assert sum(map(len, made)) == len(set().union(*made)) == 5000
    assert all(re.fullmatch(r"[0-9a-hjkmnp-tv-z]{26}", one) for group in made for one in group)
    assert all(max(early) < min(late) for early, late in pairwise(made))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1970-01-01T00:00:00Z"), (951782400, "2000-02-29T00:00:00Z"), (4102444799.999, "2099-12-31T23:59:59Z")],
)
def test_times_are_utc_in_whole_seconds(seconds: float, text: str) -> None:
    assert rfc3339(seconds) == text


@pytest.mark.parametrize(
    ("place", "text"),
    [({}, "wrong"), ({"file": "a.zone"}, "a.zone: wrong"), ({"file": "a.zone", "line": 7}, "a.zone:7: wrong")],
)
def test_an_error_of_settings_says_where(place: dict[str, str | int], text: str) -> None:
    assert str(ConfigError("wrong", **place)) == text  # type: ignore[arg-type]
