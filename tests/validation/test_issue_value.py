"""The grammar of RFC 8659 section 4.2, and any text at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zonemint.validation.issue_value import IssueValue, parse

READ: dict[str, IssueValue] = {
    "ca1.example.net": IssueValue("ca1.example.net"),
    "CA1.Example.NET": IssueValue("ca1.example.net"),
    "  ca1.example.net\t": IssueValue("ca1.example.net"),
    "ca1.example.net;": IssueValue("ca1.example.net"),
    "ca1.example.net; account=230123": IssueValue("ca1.example.net", (("account", "230123"),)),
    "ca1.example.net;a=1 ; B = 2 ": IssueValue("ca1.example.net", (("a", "1"), ("b", "2"))),
    "ca.example; accounturi=https://ca.example/acct/1?x=y": IssueValue(
        "ca.example", (("accounturi", "https://ca.example/acct/1?x=y"),)
    ),
    ";": IssueValue(""),
    "": IssueValue(""),
    " ; a=b": IssueValue("", (("a", "b"),)),
    "a--b.c": IssueValue("a--b.c"),
    "ca.example; tag=": IssueValue("ca.example", (("tag", ""),)),
}
MALFORMED = [
    "a=",
    "%%%%%",
    "-ca.example",
    "ca-.example",
    "ca..example",
    "ca.example.",
    "ca example",
    "ca.example; account",
    "ca.example; =1",
    "ca.example; a=1;",
    "ca.example;; a=1",
    "ca.example; a b=1",
    "ca.example; a=x y",
    "ca.example; a=\xe4",
    "c\xe4.example",
    "ca.example; a=\x7f",
    "ca.example\n",
]


@pytest.mark.parametrize(("text", "read"), READ.items())
def test_what_follows_the_grammar_is_read(text: str, read: IssueValue) -> None:
    assert parse(text) == read


@pytest.mark.parametrize("text", MALFORMED)
def test_what_does_not_is_malformed(text: str) -> None:
    assert parse(text) is None


label = st.from_regex(r"[a-z0-9]{1,5}(-{1,3}[a-z0-9]{1,5}){0,2}", fullmatch=True)
value = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=";"), max_size=20)
space = st.text(" \t", max_size=2)


@given(issuer=st.lists(label, min_size=1, max_size=4).map(".".join), tags=st.lists(st.tuples(label, value)), gap=space)
def test_what_the_grammar_makes_is_read_back(issuer: str, tags: list[tuple[str, str]], gap: str) -> None:
    text = f"{gap};{gap}".join([gap + issuer, *(f"{tag}{gap}={gap}{value}" for tag, value in tags)]) + gap
    assert parse(text) == IssueValue(issuer, tuple(tags))


@given(text=st.text(max_size=60) | st.text("ab-. ;=\t", max_size=20))
def test_any_text_is_read_or_malformed(text: str) -> None:
    read = parse(text)
    if read is not None and read.issuer:
        assert read.issuer in text.lower()
