"""The records that a zone has without being told: SOA, NS, the addresses of our hosts, the auth delegation."""

from __future__ import annotations

from collections.abc import Sequence

from zonemint.dns.zones.records import Record

__all__ = ["auth_zone", "delegates_to_us", "private_zone"]

_REFRESH, _RETRY, _EXPIRE = 3600, 600, 604800  # seconds


def private_zone(
    origin: str,
    given: Sequence[Record],
    *,
    address: str,
    ttl: int,
    negative_ttl: int,
    with_ca: bool,
    auth_zones: Sequence[str],
) -> list[Record]:
    """Return what to add to the records of a zone file; whatever the file says about a name stands.

    address: where `ns1`, and with `with_ca` also `ca`, are found; auth_zones: what is delegated to us; TTLs in seconds.
    """
    names = {record.name for record in given}
    apex_types = {record.type for record in given if record.name == origin}
    host = f"ns1.{origin}"
    added: list[Record] = []
    if "SOA" not in apex_types:
        added.append(_soa(origin, host, ttl, negative_ttl))
    if "NS" not in apex_types:
        added.append(Record(origin, ttl, "NS", f"{host}."))
    if host not in names:
        added.append(_address(host, address, ttl))
    if with_ca and f"ca.{origin}" not in names:
        added.append(_address(f"ca.{origin}", address, ttl))
    added += [Record(zone, ttl, "NS", f"{host}.") for zone in auth_zones if zone not in names]
    return added


def auth_zone(origin: str, host: str, *, address: str, ttl: int, negative_ttl: int) -> list[Record]:
    """Return the records of an auth zone's own name; the names below it come from the acme-dns API.

    host: the name server that its NS record has.
    """
    return [
        _soa(origin, host, ttl, negative_ttl),
        Record(origin, ttl, "NS", f"{host}."),
        _address(origin, address, ttl),
    ]


def delegates_to_us(auth: str, origin: str, records: Sequence[Record]) -> bool:
    """Tell whether a zone's records leave an auth zone to us, as it is unless the zone file says otherwise."""
    servers = {record.data for record in records if record.name == auth and record.type == "NS"}
    return servers == {f"ns1.{origin}."}


def _soa(origin: str, host: str, ttl: int, negative_ttl: int) -> Record:
    timers = f"{_REFRESH} {_RETRY} {_EXPIRE} {negative_ttl}"
    return Record(origin, ttl, "SOA", f"{host}. hostmaster.{origin}. 1 {timers}")


def _address(name: str, address: str, ttl: int) -> Record:
    return Record(name, ttl, "AAAA" if ":" in address else "A", address)
