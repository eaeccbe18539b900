"""The records that a zone has without being told: SOA, NS, the addresses of our hosts, the zones of ours below."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from zonemint.dns.zones.records import Record

__all__ = ["auth_zone", "private_zone"]

_REFRESH, _RETRY, _EXPIRE = 3600, 600, 604800  # seconds


def private_zone(
    origin: str,
    given: Callable[[str], Collection[str]],
    *,
    server: str,
    hosts: Sequence[str],
    cuts: Sequence[str],
    address: str,
    ttl: int,
    negative_ttl: int,
) -> list[Record]:
    """Return what to add to the records of a zone file; whatever the file says about a name stands.

    given: the types that the file has at a name; server: the name server, also of the zones below that are ours (cuts);
    hosts: names of the zone that have our address; TTLs in seconds.
    """
    apex = given(origin)
    added: list[Record] = []
    if "SOA" not in apex:
        added.append(_soa(origin, server, ttl, negative_ttl))
    if "NS" not in apex:
        added.append(Record(origin, ttl, "NS", f"{server}."))
    added += [_address(host, address, ttl) for host in hosts if not given(host)]
    added += [Record(cut, ttl, "NS", f"{server}.") for cut in cuts if not given(cut)]
    return added


def auth_zone(origin: str, host: str, *, address: str, ttl: int, negative_ttl: int) -> list[Record]:
    """Return the records of an auth zone's own name; the names below it come from the acme-dns API.

    host: the name server that its NS record has; address: its own name's.
    """
    return [
        _soa(origin, host, ttl, negative_ttl),
        Record(origin, ttl, "NS", f"{host}."),
        _address(origin, address, ttl),
    ]


def _soa(origin: str, host: str, ttl: int, negative_ttl: int) -> Record:
    timers = f"{_REFRESH} {_RETRY} {_EXPIRE} {negative_ttl}"
    return Record(origin, ttl, "SOA", f"{host}. hostmaster.{origin}. 1 {timers}")


def _address(name: str, address: str, ttl: int) -> Record:
    return Record(name, ttl, "AAAA" if ":" in address else "A", address)
