"""Records that zones have because of something else: names of a hosts file, and pointers back from addresses."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Iterator
from ipaddress import ip_address
from pathlib import Path

from zonemint.app.zone_list import nearest
from zonemint.core.errors import BadName, ConfigError
from zonemint.core.names import is_within, normalize
from zonemint.dns import codes, wire
from zonemint.dns.zones.records import Record
from zonemint.dns.zones.zone import Zone

__all__ = ["hosts", "hosts_in", "pointers"]

_ADDRESSES = (codes.A, codes.AAAA)


def hosts(file: Path) -> list[tuple[str, str]]:
    """Read a hosts file: each name with an address, in order; raises ConfigError with the line.

    Names that are none in the DNS are left out, since such files have them: `ip6-allnodes` is one, `a_` is not.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the hosts file cannot be read: {error}", file=file) from error
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            address = str(ip_address(words[0].partition("%")[0]))
        except ValueError:
            raise ConfigError(f"'{words[0][:60]}' is not an address", file=file, line=number) from None
        for word in words[1:]:
            try:
                found.append((normalize(word), address))
            except BadName:
                continue
    return found


def hosts_in(origin: str, found: Iterable[tuple[str, str]], zones: Container[str], *, ttl: int) -> list[Record]:
    """Return the records of those hosts whose zone this is."""
    return [
        Record(name, ttl, "AAAA" if ":" in address else "A", address)
        for name, address in dict.fromkeys(found)
        if is_within(name, origin) and nearest(name, zones) == origin
    ]


def pointers(origin: str, sources: Iterable[Zone], given: Callable[[str], Collection[str]]) -> Iterator[Record]:
    """Yield the PTR records that a reverse zone has for addresses in other zones, but for names that it has already.

    They are in the order of the sources' names (RFC 1035 section 3.5, RFC 3596 section 2.5). A wildcard has no name to
    point to.
    """
    for zone in sources:
        for owner, node in zone.nodes.items():
            for rrset in node:
                if rrset.type not in _ADDRESSES or owner.startswith(b"\x01*"):
                    continue
                for data in rrset.data:
                    name = ip_address(data).reverse_pointer
                    if is_within(name, origin) and not given(name):
                        yield Record(name, rrset.ttl, "PTR", f"{wire.name_to_text(owner)}.")
