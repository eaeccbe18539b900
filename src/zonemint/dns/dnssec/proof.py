"""What proves an answer to a client that set DO: signatures, and what comes next where nothing is (RFC 4035 3.1).

The records are the zone's own, whether it was signed here or came signed, with NSEC or with NSEC3 (RFC 5155).
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Iterable
from hashlib import sha1
from typing import NamedTuple

from zonemint.dns import codes
from zonemint.dns.zones.records import WILDCARD, Node, Owned, RRset, of_type
from zonemint.dns.zones.zone import Found, Kind, Zone

__all__ = ["Proof", "prove", "signature"]

_TO_HEX32 = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789abcdefghijklmnopqrstuv")

_SHA1 = b"\1\0"
"""The algorithm of NSEC3PARAM, and no flags."""
_FOREIGN = 1_000
"""How many records of another chain may lie between two; they are spread evenly, so it is never near as many."""


class Proof(NamedTuple):
    """The signatures of the record set that was found, and the signed records that belong into the authority section.

    of: the names whose NSEC or NSEC3 records are among these, by which equal proofs are known.
    """

    signatures: list[Owned]
    authority: list[Owned]
    of: tuple[bytes, ...] = ()


def signature(node: Node, type_: int, owner: bytes, ttl: int) -> list[Owned]:
    """Return the signatures of one type at a node, under the name and TTL of what they go with."""
    rrset = of_type(node, codes.RRSIG)
    if rrset is None:
        return []
    covered = type_.to_bytes(2, "big")
    data = tuple([one for one in rrset.data if one.startswith(covered)])
    return [(owner, RRset(codes.RRSIG, ttl, data))] if data else []


def prove(zone: Zone, name: bytes, found: Found) -> Proof:
    """Prove what a signed zone says about a name (lower-case wire form)."""
    rrset = found.rrset
    if found.kind is Kind.REFERRAL:
        return _of(zone, *_delegation(zone, found.owner))
    if found.kind is Kind.REDIRECTION and rrset is not None:
        return Proof(signature(zone.nodes[found.owner], rrset.type, found.owner, rrset.ttl), [])
    node = _node(zone, name)
    encloser = b"" if node is not None else zone.encloser(name)
    if rrset is None:
        apex = zone.apex
        signed = signature(zone.nodes[apex], codes.SOA, apex, zone.negative.ttl)
        denial = _denial(zone, name, encloser, is_wildcard=found.kind is Kind.NODATA)
        return _of(zone, signed, denial)
    if node is not None:
        return Proof(signature(node, rrset.type, name, rrset.ttl), [])
    # A wildcard's records are proved by there being nothing closer (RFC 4035 section 3.1.3.3, RFC 5155 section 7.2.6).
    signed = signature(zone.nodes[WILDCARD + encloser], rrset.type, name, rrset.ttl)
    return _of(zone, signed, [_cover3(zone, _below(encloser, name)) if _is_hashed(zone) else _cover(zone, name)])


def _of(zone: Zone, signatures: list[Owned], names: Iterable[bytes], beside: Iterable[Owned] = ()) -> Proof:
    """Make a proof of the NSEC or NSEC3 records of some names."""
    type_ = codes.NSEC3 if _is_hashed(zone) else codes.NSEC
    unique = tuple(dict.fromkeys(names))
    authority = [*beside]
    for owner in unique:
        node = zone.nodes[owner]
        rrset = of_type(node, type_)
        if rrset is not None:
            authority += [(owner, rrset), *signature(node, type_, owner, rrset.ttl)]
    return Proof(signatures, authority, unique)


def _node(zone: Zone, name: bytes) -> Node | None:
    return None if zone.nsec3 and name in zone.nsec3 else zone.nodes.get(name)


def _delegation(zone: Zone, cut: bytes) -> tuple[list[Owned], list[bytes], list[Owned]]:
    """Return the DS records of a cut, or what proves that there are none (RFC 4035 section 3.1.4)."""
    node = zone.nodes[cut]
    rrset = of_type(node, codes.DS)
    if rrset is not None:
        return [], [], [(cut, rrset), *signature(node, codes.DS, cut, rrset.ttl)]
    return [], _nothing_at(zone, cut), []


def _denial(zone: Zone, name: bytes, encloser: bytes, *, is_wildcard: bool) -> list[bytes]:
    """Find the names that prove that a name is not there, or has not this type."""
    if not encloser:
        return _nothing_at(zone, name)
    wildcard = WILDCARD + encloser
    if not _is_hashed(zone):
        return [_cover(zone, name), _match(zone, wildcard) or _cover(zone, wildcard)]
    beside = _match3(zone, wildcard) if is_wildcard else _cover3(zone, wildcard)
    return [*_closest3(zone, name, encloser), *([beside] if beside else [])]


def _nothing_at(zone: Zone, name: bytes) -> list[bytes]:
    """Prove that a name that is there has no records of a type, whether or not it has any at all."""
    if not _is_hashed(zone):
        return [_match(zone, name) or _cover(zone, name)]
    found = _match3(zone, name)
    if found is not None:
        return [found]
    # It was left out (opt-out, RFC 5155 section 7.2.4), and maybe some above it.
    encloser = name
    while encloser != zone.apex:
        encloser = encloser[1 + encloser[0] :]
        if _match3(zone, encloser) is not None:
            break
    return _closest3(zone, name, encloser)


def _match(zone: Zone, name: bytes) -> bytes | None:
    return name if name in zone.nsec else None


def _cover(zone: Zone, name: bytes) -> bytes:
    return zone.nsec.before(name)


def _match3(zone: Zone, name: bytes) -> bytes | None:
    hashed = _hashed(zone, name)
    return hashed if hashed in zone.nsec3 else None


def _cover3(zone: Zone, name: bytes) -> bytes:
    owner = zone.nsec3.before(_hashed(zone, name))
    parameters = _parameters(zone)
    for _ in range(_FOREIGN):
        if _said_by(zone, owner) == parameters:
            break
        owner = zone.nsec3.before(owner)
    return owner


def _closest3(zone: Zone, name: bytes, encloser: bytes) -> list[bytes]:
    """Prove which name is the closest encloser (RFC 5155 section 7.2.1)."""
    match = _match3(zone, encloser)
    cover = _cover3(zone, _below(encloser, name))
    return [cover] if match is None else [match, cover]


def _below(encloser: bytes, name: bytes) -> bytes:
    """Return the next closer name: one label longer than the encloser (RFC 5155 section 1.3)."""
    at = 0
    while len(name) - at - 1 - name[at] > len(encloser):
        at += 1 + name[at]
    return name[at:]


def _is_hashed(zone: Zone) -> bool:
    """Tell whether NSEC3 proves what is not there; without NSEC3PARAM it is not whole yet, and NSEC does."""
    return bool(zone.nsec3) and (not zone.nsec or zone.rrset(zone.apex, codes.NSEC3PARAM) is not None)


def _parameters(zone: Zone) -> bytes:
    """Return iterations and salt, in wire form, of the chain that is whole (RFC 5155 section 7.3).

    While a primary changes its salt there are records of two. What has other flags than 0 says nothing (section 4.1.2).
    """
    rrset = zone.rrset(zone.apex, codes.NSEC3PARAM)
    for data in rrset.data if rrset is not None else ():
        if data[:2] == _SHA1:
            return data[2:]
    return _said_by(zone, next(iter(zone.nsec3)))


def _said_by(zone: Zone, owner: bytes) -> bytes:
    """Return the same of the NSEC3 record of a name."""
    some = of_type(zone.nodes[owner], codes.NSEC3)
    assert some is not None
    data = some.data[0]
    return data[2 : 5 + data[4]]


def _hashed(zone: Zone, name: bytes) -> bytes:
    """Return the name of the NSEC3 record that stands for a name (RFC 5155 section 5)."""
    parameters = _parameters(zone)
    iterations, salt = int.from_bytes(parameters[:2], "big"), parameters[3:]
    digest = name
    for _ in range(iterations + 1):
        digest = sha1(digest + salt).digest()  # noqa: S324  # the only one that there is
    label = b32encode(digest).translate(_TO_HEX32)
    return bytes((len(label),)) + label + zone.apex
