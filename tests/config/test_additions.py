from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zonemint.config.additions import toml, with_tables
from zonemint.core.errors import ConfigError

TEXT = """\
domain = "lab.test"  # mine
[dns]
# ttl = "5m"

[listen]
dns_port = 5353
"""


def test_settings_come_into_their_tables_and_all_else_stays() -> None:
    whole = with_tables(TEXT, {"dns": {"nsid": "a"}, "zones": {"x.test": {"primaries": ["10.0.0.1"]}}})
    assert tomllib.loads(whole) == {
        "domain": "lab.test",
        "dns": {"nsid": "a"},
        "listen": {"dns_port": 5353},
        "zones": {"x.test": {"primaries": ["10.0.0.1"]}},
    }
    assert all(line in whole.splitlines() for line in TEXT.splitlines())


def test_what_is_set_otherwise_is_refused_and_the_same_is_no_change() -> None:
    with pytest.raises(ConfigError, match=r"listen.dns_port is set already"):
        with_tables(TEXT, {"listen": {"dns_port": 53}})
    assert with_tables(TEXT, {"listen": {"dns_port": 5353}}) == TEXT
    with pytest.raises(ConfigError, match=r"cannot be added"):
        with_tables("listen = {dns_port = 1}\n", {"listen": {"dot_port": 853}})


NAMES = st.text(min_size=1, max_size=5)
PLAIN = st.text(max_size=8) | st.integers(-9, 9) | st.booleans() | st.lists(st.text(max_size=4), max_size=3)


@given(st.dictionaries(NAMES, st.dictionaries(NAMES, PLAIN | st.dictionaries(NAMES, PLAIN, max_size=2), max_size=3)))
def test_what_is_written_is_read_back(tree: dict[str, dict[str, object]]) -> None:
    assert tomllib.loads(toml(tree)) == tree
