"""The text of a Corefile: what CoreDNS's own reader takes, and what must not hang or fail in another way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zonemint.core.errors import ForeignDataError
from zonemint.importers.corefile_text import Block, Directive, read_blocks


def blocks(
    folder: Path, text: str, variables: Mapping[str, str] | None = None, others: Mapping[str, str] | None = None
) -> list[Block]:
    for name, content in (others or {}).items():
        (folder / name).write_text(content)
    file = folder / "Corefile"
    file.write_text(text)
    return read_blocks(file, variables or {})


def plain(directive: Directive) -> tuple[object, ...]:
    return (directive.name, *directive.words, *[plain(one) for one in directive.inside])


def test_blocks_keys_and_lines(tmp_path: Path) -> None:
    first, second, third = blocks(
        tmp_path,
        """\
# a comment
lab.test, home.arpa {
}
tls://corp.test:853 10.0.0.0/24 {   # and another
    cache
}
. { }
""",
    )
    assert first.keys == ("lab.test", "home.arpa")
    assert second.keys == ("tls://corp.test:853", "10.0.0.0/24")
    assert [plain(one) for one in second.directives] == [("cache",)]
    assert (third.keys, third.directives) == ((".",), ())
    assert [one.place.line for one in (first, second, third)] == [2, 4, 7]


def test_keys_go_on_after_a_comma(tmp_path: Path) -> None:
    (only,) = blocks(tmp_path, "a.test,\nb.test, c.test {\n  errors\n}\n")
    assert only.keys == ("a.test", "b.test", "c.test")
    assert [plain(one) for one in only.directives] == [("errors",)]
    assert only.place.line == 1


def test_quotes_comments_and_blocks_inside_lines(tmp_path: Path) -> None:
    (only,) = blocks(
        tmp_path,
        'lab.test {\n  file "db with space" { # comment\n    reload 10s # more\n  }\n'
        '  log . "a \\"b\\" #c"\n  x "two\nlines"\n  y\n}\n',
    )
    assert [plain(one) for one in only.directives] == [
        ("file", "db with space", ("reload", "10s")),
        ("log", ".", 'a "b" #c'),
        ("x", "two\nlines"),
        ("y",),
    ]
    assert [one.place.line for one in only.directives] == [2, 5, 6, 8]


def test_one_server_needs_no_braces(tmp_path: Path) -> None:
    (only,) = blocks(tmp_path, "lab.test:1053\nerrors\nfile db.lab\n")
    assert only.keys == ("lab.test:1053",)
    assert [plain(one) for one in only.directives] == [("errors",), ("file", "db.lab")]
    (bare,) = blocks(tmp_path, "lab.test\n")
    assert (bare.keys, bare.directives) == (("lab.test",), ())
    assert blocks(tmp_path, "# nothing\n\n") == []


def test_variables_are_those_of_the_environment(tmp_path: Path) -> None:
    (only,) = blocks(tmp_path, "{$ZONE} {\n  forward . {%UP%}:53\n}\n", {"ZONE": "lab.test", "UP": "10.0.0.1"})
    assert only.keys == ("lab.test",)
    assert plain(only.directives[0]) == ("forward", ".", "10.0.0.1:53")
    with pytest.raises(ForeignDataError, match=r"Corefile:2: the environment has no variable GONE"):
        blocks(tmp_path, ". {\n  forward . {$GONE}\n}\n")


def test_snippets_and_files_take_the_place_of_the_import(tmp_path: Path) -> None:
    first, second = blocks(
        tmp_path,
        "(base) {\n  errors\n  cache {\n    success 10\n  }\n}\nimport other*.conf\n"
        "lab.test {\n  import base\n  import more.conf\n}\n",
        others={"more.conf": "log\n", "other1.conf": "x.test {\n  import base\n}\n"},
    )
    assert (first.keys, first.directives[0].place.file.name) == (("x.test",), "Corefile")
    assert [plain(one) for one in first.directives] == [("errors",), ("cache", ("success", "10"))]
    assert [plain(one) for one in second.directives] == [("errors",), ("cache", ("success", "10")), ("log",)]
    assert str(second.directives[2].place) == f"{tmp_path / 'more.conf'}:1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lab.test {\n  errors\n", r"Corefile:1: the block is not closed"),
        ('lab.test {\n  log "x\n}\n', r"Corefile:2: a quote is not closed"),
        ("lab.test {\n  errors }\n}\n", r"Corefile:2: a brace that opens ends its line"),
        ("lab.test {\n  { a\n  }\n}\n", r"Corefile"),
        ("lab.test {\n  import gone\n}\n", r"Corefile:2: there is no snippet and no file 'gone'"),
        ("lab.test {\n  import a b\n}\n", r"Corefile:2: import takes one"),
        ("import Corefile\n", r"Corefile:1: imports go more than 16 deep"),
        ("(a) {\n  import a\n}\n. {\n  import a\n}\n", r"imports go more than 16 deep"),
        ("a {\n" + "b {\n" * 30 + "}\n" * 31, r"blocks go more than 16 deep"),
        ("x " * 300_000, r"more than 200000 words"),
        ("x" * (2 << 20), r"larger than"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ForeignDataError, match=said):
        blocks(tmp_path, text)


def test_imports_that_grow_without_end_are_bounded(tmp_path: Path) -> None:
    """Each file imports the next one twice: a kilobyte that would become a gigabyte."""
    files = {f"f{n}": f"import f{n + 1}\nimport f{n + 1}\n" for n in range(14)} | {"f14": "x y\n" * 2000}
    with pytest.raises(ForeignDataError, match=r"larger than|more than"):
        blocks(tmp_path, "import f0\n", others=files)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ForeignDataError, match=r"nowhere: it cannot be read"):
        read_blocks(tmp_path / "nowhere", {})
    (tmp_path / "latin").write_bytes(b"\xff\xfe{")
    with pytest.raises(ForeignDataError, match=r"latin: it cannot be read"):
        read_blocks(tmp_path / "latin", {})


@given(st.text(alphabet='{}"\\#$%()\n \tab.,import', max_size=80))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
def test_text_of_any_kind_is_read_or_refused(tmp_path: Path, text: str) -> None:
    try:
        found = blocks(tmp_path, text)
    except ForeignDataError:
        return
    assert all(isinstance(one, Block) for one in found)
