"""The settings' servers, those of resolv.conf as it changes, and our own address among them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from zonemint.app.forwarding import Forwarding
from zonemint.app.resolvers import SystemServers
from zonemint.config import Config, DataDir
from zonemint.config.forward import Forward, Servers
from zonemint.core.errors import ConfigError
from zonemint.dns import wire


@contextmanager
def made(folder: Path, forward: Forward, *hosts: str, resolv_conf: str = "") -> Iterator[tuple[Forwarding, Path]]:
    file = folder / "resolv.conf"
    file.write_text(resolv_conf)
    listening = hosts or ("127.0.0.1",)
    forwarding = Forwarding(Config("lab.test", forward=forward), DataDir(folder), listening, SystemServers(file))
    try:
        yield forwarding, file
    finally:
        forwarding.close()


def asked(forwarding: Forwarding, name: str) -> list[str] | None:
    """Return who is asked for a name; None for nobody, by intent."""
    pool = forwarding.resolver.routes.find(wire.name_from_text(name))[1]
    return None if pool is None else [str(one) for one in pool.upstreams]


async def test_servers_of_the_settings(tmp_path: Path) -> None:
    zones: dict[str, Servers] = {
        "corp.example": ("10.0.0.2", "tls://dns.example@10.0.0.3"),
        "ads.example": "none",
        "168.192.in-addr.arpa": "system",
    }
    forward = Forward(servers="10.0.0.1", zones=zones)
    with made(tmp_path, forward, resolv_conf="nameserver 10.0.0.9\n") as (forwarding, _):
        forwarding.start(53)
        assert forwarding.is_on
        assert asked(forwarding, "example.org") == ["10.0.0.1:53"]
        assert asked(forwarding, "a.corp.example") == ["10.0.0.2:53", "tls://10.0.0.3:853"]
        assert asked(forwarding, "ads.example") is None
        assert asked(forwarding, "1.1.168.192.in-addr.arpa") == ["10.0.0.9:53"]


async def test_resolv_conf_is_followed(tmp_path: Path) -> None:
    with made(tmp_path, Forward(), resolv_conf="nameserver 10.0.0.1\nnameserver fe80::1%eth0\n") as (forwarding, file):
        forwarding.start(53)
        assert asked(forwarding, "example.org") == ["10.0.0.1:53", "[fe80::1%eth0]:53"]
        assert not forwarding.follow()
        file.with_name("new").write_text("search lab.test\nnameserver 10.0.0.2\n")
        file.with_name("new").replace(file)
        assert forwarding.follow()
        assert asked(forwarding, "example.org") == ["10.0.0.2:53"]
        file.unlink()
        assert forwarding.follow()
        assert asked(forwarding, "example.org") == []


@pytest.mark.parametrize(
    ("hosts", "port", "left"),
    [
        (("127.0.0.1",), 53, ["127.0.0.2:53", "192.0.2.1:53"]),
        (("0.0.0.0", "::"), 53, ["192.0.2.1:53"]),
        (("127.0.0.1",), 5353, ["127.0.0.1:53", "127.0.0.2:53", "192.0.2.1:53"]),
    ],
)
async def test_our_own_address_is_left_out(tmp_path: Path, hosts: tuple[str, ...], port: int, left: list[str]) -> None:
    text = "nameserver 127.0.0.1\nnameserver 127.0.0.2\nnameserver 192.0.2.1\n"
    with made(tmp_path, Forward(), *hosts, resolv_conf=text) as (forwarding, _):
        forwarding.start(port)
        assert asked(forwarding, "example.org") == left


async def test_nobody_is_asked_where_the_settings_say_so(tmp_path: Path) -> None:
    with made(tmp_path, Forward(servers="none")) as (forwarding, _):
        assert not forwarding.is_on
    with made(tmp_path, Forward(servers="none", zones={"corp.example": "10.0.0.1"})) as (forwarding, _):
        assert forwarding.is_on
        assert asked(forwarding, "example.org") is None


async def test_roots_that_cannot_be_read(tmp_path: Path) -> None:
    forward = Forward(servers="tls://10.0.0.1", tls_roots="nowhere.pem")
    with pytest.raises(ConfigError, match=r"forward\.tls_roots cannot be read"), made(tmp_path, forward):
        pass
