"""Words of a Corefile that mean the same wherever they stand: zones, servers, lengths of time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import NamedTuple

from zonemint.core.errors import BadName, ForeignDataError
from zonemint.core.hosts import is_address
from zonemint.core.names import normalize
from zonemint.core.text import shown
from zonemint.importers.corefile_text import Place

__all__ = ["Key", "endpoint", "keys", "length", "names", "upstreams"]

_PORT = re.compile(r"(.*?)(?::([0-9]{1,5}))?")
_LENGTH = re.compile(r"([0-9]+)(ms|s|m|h)?")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_SCHEMES = {"dns": 53, "tls": 853, "https": 443}


class Key(NamedTuple):
    """What stands before a server block: zone (`.` for all), scheme, port."""

    zone: str
    scheme: str
    port: int


def keys(word: str, place: Place) -> Iterator[Key]:
    """Read `[scheme://]zone[:port]`."""
    scheme, _, rest = word.rpartition("://")
    scheme = scheme or "dns"
    if scheme not in _SCHEMES:
        raise ForeignDataError(f"{place}: {shown(word, 80)}: DNS over {shown(scheme, 20)} is not spoken here")
    rest = rest.split("/dns-query")[0]
    match = _PORT.fullmatch(rest)
    zone, port = (match[1], match[2]) if match and not rest.endswith(".arpa") else (rest, None)
    for name in names(zone or ".", place):
        yield Key(name, scheme, int(port) if port else _SCHEMES[scheme])


def names(text: str, place: Place) -> tuple[str, ...]:
    """Read a zone's name, or a network that stands for its reverse zones (RFC 1035 section 3.5)."""
    if text in (".", ""):
        return (".",)
    if "/" in text:
        try:
            network = ip_network(text, strict=False)
        except ValueError as error:
            raise ForeignDataError(f"{place}: {error}") from None
        step = 8 if network.version == 4 else 4
        whole = -(-network.prefixlen // step) * step
        return tuple(_reverse(one, whole // step) for one in network.subnets(new_prefix=max(whole, step)))
    try:
        return (normalize(text),)
    except BadName as error:
        raise ForeignDataError(f"{place}: {error}") from None


def _reverse(network: IPv4Network | IPv6Network, labels: int) -> str:
    parts = network.network_address.reverse_pointer.split(".")
    return ".".join(parts[len(parts) - 2 - labels :])


def upstreams(word: str, name: str, options: dict[str, tuple[str, ...]], place: Place) -> list[str]:
    """Read one target of `forward`: an address with or without scheme and port, or a resolv.conf."""
    scheme, _, rest = word.rpartition("://")
    if scheme not in ("", "dns", "tls"):
        raise ForeignDataError(f"servers are not asked over {shown(scheme, 20)}")
    if "/" in rest:
        if rest == "/etc/resolv.conf":
            return ["system"]
        raise ForeignDataError("write the servers of that file themselves, or /etc/resolv.conf")
    server = endpoint(rest, place)
    if scheme == "tls":
        return [f"tls://{name}@{server}" if name else f"tls://{server}"]
    return [f"tcp://{server}" if "force_tcp" in options else server]


def endpoint(text: str, place: Place) -> str:
    """Read an address with or without a port, and write it as our settings have it."""
    address, _, port = text.rpartition(":")
    if is_address(text.strip("[]")):
        address, port = text.strip("[]"), ""
    elif not is_address(address.strip("[]")) or not port.isdigit():
        raise ForeignDataError(f"{place}: '{shown(text, 80)}' is not an address")
    address = address.strip("[]")
    if not port:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def length(text: str, place: Place) -> str:
    """Read a duration of Go and write it as ours, a second at least."""
    match = _LENGTH.fullmatch(text)
    if match is None:
        raise ForeignDataError(f"{place}: '{shown(text, 40)}' is no length of time")
    seconds = int(match[1]) // 1000 if match[2] == "ms" else int(match[1]) * _SECONDS[match[2] or "s"]
    return f"{max(seconds, 1)}s"
