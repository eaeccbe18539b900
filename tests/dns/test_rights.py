from __future__ import annotations

import pytest

from zonemint.core.errors import BadName
from zonemint.dns import codes, wire
from zonemint.dns.rights import NamePattern, Rights

LAB = wire.name_from_text("lab.test")


@pytest.mark.parametrize(
    ("pattern", "held", "others"),
    [
        ("www.lab.test", ["www.lab.test"], ["a.www.lab.test", "lab.test", "xwww.lab.test"]),
        ("WWW.Lab.Test.", ["www.lab.test"], ["lab.test"]),
        ("*.lab.test", ["a.lab.test", "a.b.lab.test", "*.lab.test"], ["lab.test", "a.xlab.test", "test"]),
        (
            "_acme-challenge.*",
            ["_acme-challenge.lab.test", "_acme-challenge.a.b.lab.test", "_acme-challenge.x"],
            ["_acme-challenge", "a._acme-challenge.lab.test", "x_acme-challenge.lab.test", "lab.test"],
        ),
        (
            "_acme-challenge.*.lab.test",
            ["_acme-challenge.a.lab.test", "_acme-challenge.a.b.lab.test"],
            ["_acme-challenge.lab.test", "a.lab.test", "_acme-challenge.a.lab.example"],
        ),
        ("*", ["lab.test", "a.b.lab.test"], ["."]),
    ],
)
def test_which_names_a_pattern_means(pattern: str, held: list[str], others: list[str]) -> None:
    read = NamePattern.read(pattern)
    assert [name for name in held + others if read.holds(wire.name_from_text(name))] == held


@pytest.mark.parametrize("pattern", ["a.*.*", "", "a..b", "x" * 64, "*..a"])
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(BadName):
        NamePattern.read(pattern)


def test_rights_are_none_until_they_are_given_and_each_limit_counts() -> None:
    name = wire.name_from_text("_acme-challenge.a.lab.test")
    assert not Rights().may_update(LAB, name, codes.TXT)
    assert not Rights().may_transfer(LAB)
    names = (NamePattern.read("_acme-challenge.*"),)
    assert Rights(names).may_update(LAB, name, codes.A)
    assert not Rights(names).may_update(LAB, LAB, codes.A)
    limited = Rights(names, frozenset({codes.TXT}), frozenset({LAB}), transfer=True)
    assert limited.may_update(LAB, name, codes.TXT)
    assert not limited.may_update(LAB, name, codes.A)
    assert not limited.may_update(wire.name_from_text("a.lab.test"), name, codes.TXT)
    assert limited.may_transfer(LAB)
    assert not limited.may_transfer(wire.name_from_text("other.test"))
