"""Copies of zones say what the zones say, in each view."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dns.asking import ask, lines, zone
from zonemint.core.errors import ConfigError
from zonemint.dns.workers.copies import Copies
from zonemint.dns.workers.messages import Changed, Frames, Gone, Loaded, ToWorker, frame
from zonemint.dns.workers.pool import whole
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.zone import Zone

_DECODER = msgspec.msgpack.Decoder(ToWorker)


def take(copies: Copies, frames: Iterable[bytes]) -> int | None:
    made = None
    for body in Frames().feed(b"".join(frames)):
        made = copies.take(_DECODER.decode(body))
    return made


def split(address: str) -> Zone:
    return zone(f"@ 60 SOA a b 1 1 1 1 1\nwww 60 A {address}\n", "split.test")


def said(catalog: Catalog) -> str:
    return str(lines(ask(catalog, "www.split.test.").answer))


def test_a_view_has_zones_of_its_own_over_the_usual_ones() -> None:
    below = Catalog()
    catalogs = {"": below, "home": Catalog(below)}
    copies = Copies(catalogs)
    outside, inside = split("192.0.2.1"), split("10.0.0.1")
    assert take(copies, whole("home", inside, 3)) == 3
    assert take(copies, whole("", outside, 4)) == 4
    assert ("192.0.2.1" in said(catalogs[""]), "10.0.0.1" in said(catalogs["home"])) == (True, True)
    delta = inside.put("www.split.test", "A", 60, ["10.0.0.2"], serial=2)
    assert take(copies, [frame(Changed("home", delta, 5))]) == 5
    assert ("192.0.2.1" in said(catalogs[""]), "10.0.0.2" in said(catalogs["home"])) == (True, True)
    assert take(copies, [frame(Gone("home", "split.test", 6))]) == 6
    assert "192.0.2.1" in said(catalogs["home"])


def test_a_copy_that_a_change_does_not_fit_is_worth_nothing() -> None:
    catalog = Catalog()
    copies = Copies({"": catalog})
    original = split("192.0.2.1")
    take(copies, whole("", original, 1))
    original.put("www.split.test", "A", 60, ["192.0.2.2"], serial=2)
    delta = original.put("www.split.test", "A", 60, ["192.0.2.3"], serial=3)
    with pytest.raises(ConfigError):
        take(copies, [frame(Changed("", delta, 2))])


@given(st.lists(st.integers(1, 60)), st.integers(1, 50))
def test_messages_come_whole_however_they_are_cut(cuts: list[int], count: int) -> None:
    sent = b"".join([frame(Loaded(number)) for number in range(count)])
    frames, got, at = Frames(), [], 0
    for cut in [*cuts, len(sent)]:
        got += [_DECODER.decode(body) for body in frames.feed(sent[at : at + cut])]
        at += cut
    assert got == [Loaded(number) for number in range(count)]
