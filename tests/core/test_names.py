"""Domain names as text (RFC 1035 section 2.3.4, RFC 1123 section 2.1)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zonemint.core import names
from zonemint.core.errors import BadName

GOOD = {
    "lab.test": "lab.test",
    "LAB.Test.": "lab.test",
    "_acme-challenge.a.lab.test": "_acme-challenge.a.lab.test",
    "xn--bcher-kva.test": "xn--bcher-kva.test",
    "a" * 63 + ".test": "a" * 63 + ".test",
    "1.2.test": "1.2.test",
    ".".join(["a" * 61] * 4) + ".abcde": ".".join(["a" * 61] * 4) + ".abcde",
}
BAD = (
    *("", ".", "..", "a..b", ".a", "a.b..", "-a.test", "a-.test", "a b.test", "a/b", "*.test", "a\n", "a\0.test"),
    *("a" * 64 + ".test", "a." * 127 + "a", "bücher.test", "\u212aelvin.test", "\u0131.test", "٣.test", "a\u3002test"),
)


@pytest.mark.parametrize(("text", "name"), GOOD.items())
def test_a_name_is_normalized(text: str, name: str) -> None:
    assert names.normalize(text) == name


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_name_is_refused_and_shown_safely(text: str) -> None:
    for read in (names.normalize, names.hostname):
        with pytest.raises(BadName) as caught:
            read(text)
        assert str(caught.value).isascii()
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 300


@pytest.mark.parametrize("text", ["_a.test", "a_b.test", "10.0.0.1", "test.7", "7"])
def test_a_name_that_is_no_hosts(text: str) -> None:
    assert names.normalize(text) == text
    with pytest.raises(BadName):
        names.hostname(text)


@given(st.text() | st.from_regex(r"[a-zA-Z0-9_.\-]{0,260}", fullmatch=True))
def test_any_text_is_a_normal_name_or_refused(text: str) -> None:
    try:
        name = names.normalize(text)
    except BadName:
        return
    assert names.normalize(name) == name == names.normalize(name.upper() + ".")
    assert len(name) <= 253
    assert all(re.fullmatch(r"[a-z0-9_-]{1,63}", label) for label in name.split("."))
    assert text.isascii()
    assert name == text.lower().removesuffix(".")


@pytest.mark.parametrize(
    ("name", "zone", "within"),
    [
        ("lab.test", "lab.test", True),
        ("a.lab.test", "lab.test", True),
        ("xlab.test", "lab.test", False),
        ("test", "lab.test", False),
        ("lab.test.example", "lab.test", False),
    ],
)
def test_within_a_zone(name: str, zone: str, within: bool) -> None:
    assert names.is_within(name, zone) == within


def test_parents_end_with_nothing() -> None:
    assert [names.parent("a.lab.test"), names.parent("test"), names.parent("")] == ["lab.test", "", ""]


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("@", "lab.test"),
        ("server-1", "server-1.lab.test"),
        ("Server-1.Lab.Test", "server-1.lab.test"),
        ("a.b", "a.b.lab.test"),
        ("www.example.com.", "www.example.com"),
        ("lab.test", "lab.test"),
        ("xlab.test", "xlab.test.lab.test"),
    ],
)
def test_a_typed_name_is_relative_unless_it_is_in_the_zone_or_ends_in_a_dot(typed: str, name: str) -> None:
    assert names.absolute(typed, "lab.test") == name
