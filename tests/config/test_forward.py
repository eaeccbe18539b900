"""Whom to ask for names of others: what can be written, and what is told when it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from zonemint.config import Seconds, load
from zonemint.config.forward import Forward, upstream
from zonemint.core.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1", ("udp", "10.0.0.1", 53, "10.0.0.1")),
        ("udp://10.0.0.1:5353", ("udp", "10.0.0.1", 5353, "10.0.0.1")),
        ("[2001:DB8::1]:54", ("udp", "2001:db8::1", 54, "2001:db8::1")),
        ("2001:db8::1", ("udp", "2001:db8::1", 53, "2001:db8::1")),
        ("tcp://10.0.0.1", ("tcp", "10.0.0.1", 53, "10.0.0.1")),
        ("tls://10.0.0.1", ("tls", "10.0.0.1", 853, "10.0.0.1")),
        ("tls://DNS.example@10.0.0.1:8853", ("tls", "10.0.0.1", 8853, "dns.example")),
        ("tls://dns.example@[2001:db8::1]", ("tls", "2001:db8::1", 853, "dns.example")),
    ],
)
def test_a_server(text: str, expected: tuple[object, ...]) -> None:
    assert tuple(upstream(text)) == expected


@pytest.mark.parametrize(
    "text",
    ["", "dns.example", "10.0.0.1:0", "10.0.0.1:70000", "10.0.0.256", "name@10.0.0.1", "tcp://name@10.0.0.1",
     "https://10.0.0.1", "tls://-@10.0.0.1", "[10.0.0.1", "::1:2:3:4:5:6:7:8:9", "10.0.0.1/8"],
)  # fmt: skip
def test_no_server(text: str) -> None:
    with pytest.raises(ConfigError, match=r"forward\.servers"):
        Forward(servers=(text,))


def test_the_whole_table(tmp_path: Path) -> None:
    file = tmp_path / "zonemint.toml"
    file.write_text(
        'domain = "lab.test"\n[forward]\nservers = ["10.0.0.1", "tls://dns.example@10.0.0.2"]\npolicy = "random"\n'
        'serve_stale = "1d"\n[forward.zones]\n"corp.example" = "10.0.0.53"\n"secret.corp.example" = "none"\n'
        '"10.in-addr.arpa" = "system"\n'
    )
    forward = load(file).forward
    assert forward.serve_stale == Seconds(86400)
    assert forward.zones["corp.example"] == "10.0.0.53"


@pytest.mark.parametrize(
    "text",
    ['servers = []', 'policy = "fastest"', 'timeout = "5s"', 'deadline = "60s"', 'zones = { "Corp.example" = "none" }',
     'zones = { "corp.example" = "somebody" }', 'zones = { "corp.example" = [] }', "max_fails = 0"],
)  # fmt: skip
def test_what_cannot_be(text: str, tmp_path: Path) -> None:
    file = tmp_path / "zonemint.toml"
    file.write_text(f'domain = "lab.test"\n[forward]\n{text}\n')
    with pytest.raises(ConfigError, match=r"zonemint.toml:[23]: forward\."):
        load(file)
