from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zonemint.cli.names import Name, read, scope
from zonemint.core.errors import ConfigError
from zonemint.core.names import hostname


def texts(*words: str) -> list[str]:
    return [name.text for name in read(words, None, "lab.test")]


def test_names_are_relative_absolute_or_wild_and_kept_once() -> None:
    assert texts("web", "WEB.lab.test", "*.web", "@", "a.other.test.") == [
        "web.lab.test",
        "*.web.lab.test",
        "lab.test",
        "a.other.test",
    ]


def test_a_scope_has_a_host_of_one_label_in_the_domain() -> None:
    words = ["web", "*.apps", "*", "a.other.test", "*.other.test"]
    assert scope(words, "lab.test") == ["web.lab.test", "*.apps.lab.test", "*", "a.other.test", "*.other.test"]


def test_a_name_knows_its_line_and_its_domain(tmp_path: Path) -> None:
    (tmp_path / "names").write_text("\n*.web # all\n")
    [name] = read((), tmp_path / "names", "lab.test")
    assert (name.text, name.domain, name.line) == ("*.web.lab.test", "web.lab.test", 2)
    assert str(name.refuse("no")) == f"{tmp_path}/names:2: no"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(octets=st.binary() | st.text("ab.*#-@ \r\n").map(str.encode))
def test_any_file_is_names_or_one_error_with_its_line(tmp_path: Path, octets: bytes) -> None:
    file = tmp_path / "names"
    file.write_bytes(octets)
    found: list[Name] = []
    lines = range(1, len(octets.splitlines()) + 1)
    try:
        found = read((), file, "lab.test")
        told = [name.line for name in found]
    except ConfigError as error:
        told = [error.line]
    assert all(line in lines for line in told)
    assert all(hostname(name.domain) == name.domain for name in found)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"names cannot be read: Is a directory"):
        read((), tmp_path, "lab.test")
