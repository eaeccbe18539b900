"""The answer to a question from our own zones, chains across them followed (RFC 1034 section 4.3.2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from zonemint.core.errors import StoreUnavailable
from zonemint.dns import codes, wire
from zonemint.dns.dnssec.proof import prove, signature
from zonemint.dns.guard.options import NOT_AUTHORITATIVE, extended_error
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.records import Owned, RRset, of_type, ttl_of
from zonemint.dns.zones.zone import Asked, Keep, Kind, Zone

__all__ = ["Answer", "resolve"]

CHAIN_LIMIT = 8
"""How many CNAME and DNAME records are followed in one answer."""

_TARGET_AT = {codes.NS: 0, codes.MX: 2, codes.SRV: 6, codes.SVCB: 2, codes.HTTPS: 2}
"""Types whose data name a host that has addresses, and where in the data the name starts."""

_STORE_SILENT = extended_error(0, "the records cannot be read now")


class Answer(msgspec.Struct):
    """The sections of an answer.

    authoritative: the AA bit; glue: how many of the additional record sets, the first, may not be left out silently
    (RFC 9471 section 3.1); keep: how long it may be given again; negative_of: the apex of the zone that has nothing
    to say but its SOA; error: the EDNS option that says why it failed (RFC 8914); beyond: the name that others would
    have to be asked for, and servers: their packed addresses, so far as a zone of ours delegates it; names: all that
    were looked up, and zones: the apexes of the zones in which, each in lower-case wire form and the first one first;
    proofs: the names whose records prove what is not there, where the client asked for proofs.
    """

    rcode: int = codes.NOERROR
    authoritative: bool = True
    answer: list[Owned] = []
    authority: list[Owned] = []
    additional: list[Owned] = []
    glue: int = 0
    keep: Keep = Keep.LASTING
    negative_of: bytes | None = None
    error: bytes = b""
    beyond: bytes | None = None
    servers: tuple[bytes, ...] = ()
    names: list[bytes] = []
    zones: list[bytes] = []
    proofs: tuple[bytes, ...] = ()


def resolve(
    catalog: Catalog,
    name: bytes,
    type_: int,
    asked: Asked | None = None,
    before: Sequence[Owned] = (),
    *,
    dnssec_ok: bool = False,
) -> Answer:
    """Answer a question of class IN; `name` is in lower-case wire form, `before` the aliases that have led to it.

    dnssec_ok: the client wants signatures and proofs, where a zone has them (RFC 4035 section 3.1).

    REFUSED outside our zones. A chain of aliases is followed within and across them, and its rcode is that of the
    last name (RFC 6604); an alias that leads out of our zones is answered alone. SERVFAIL when a zone's source
    cannot tell. Raises Unread when it has to be heard first; `asked` is what it said then.
    """
    zone = catalog.find(name, type_)
    if zone is None:
        return Answer(codes.REFUSED, authoritative=False, keep=Keep.NOT, error=NOT_AUTHORITATIVE, beyond=name)
    answer = Answer(answer=list(before))
    proved: list[Owned] = []
    try:
        for _ in range(CHAIN_LIMIT + 1):
            target = _step(catalog, zone, name, type_, answer, asked, proved if dnssec_ok else None)
            if target is None or any(target == owner for owner, rrset in answer.answer if rrset.type == codes.CNAME):
                break
            name = target
            zone = catalog.find(name, type_)
            if zone is None:
                answer.names.append(name)
                answer.beyond = name
                break
    except StoreUnavailable:
        return Answer(codes.SERVFAIL, authoritative=False, keep=Keep.NOT, error=_STORE_SILENT, zones=answer.zones)
    # The way here may have led over wildcards, each with a proof; two zones or steps may give the same one.
    answer.authority += [one for at, one in enumerate(proved) if one not in proved[:at]]
    return answer


def _step(
    catalog: Catalog,
    zone: Zone,
    name: bytes,
    type_: int,
    answer: Answer,
    asked: Asked | None,
    proved: list[Owned] | None,
) -> bytes | None:
    """Add to the answer what a zone says about a name; return the name to go on with, if there is one.

    proved: gets what proves it, unless it is None.
    """
    answer.names.append(name)
    answer.zones.append(zone.apex)
    found = zone.find(name, type_, asked)
    rrset = found.rrset
    is_dnssec_ok = proved is not None
    proof = prove(zone, name, found) if proved is not None and zone.is_signed else None
    if proof is not None and proved is not None:
        proved += proof.authority
        answer.proofs += proof.of
    answer.keep = min(answer.keep, found.keep)
    if rrset is None:
        if found.kind is Kind.NXDOMAIN:
            answer.rcode = codes.NXDOMAIN
        if not answer.answer:
            answer.negative_of = zone.apex
        answer.authority = [(zone.apex, zone.negative), *(proof.signatures if proof else ())]
    elif found.kind is Kind.DATA:
        if rrset.type == codes.RRSIG:
            # Asked for all at once, they are a record set like another, of one TTL.
            rrset = RRset(codes.RRSIG, min([ttl_of(rrset, data) for data in rrset.data]), rrset.data)
        _add(answer, found.owner, rrset)
        answer.answer += proof.signatures if proof else ()
        answer.additional = _addresses(catalog, found.owner, rrset, answer, is_dnssec_ok)
    elif found.kind is Kind.REFERRAL:
        answer.authoritative = bool(answer.answer)
        answer.authority = [(found.owner, rrset)]
        answer.names.append(found.owner)
        glue = _glue(zone, found.owner, rrset)
        hosts = _addresses(catalog, found.owner, rrset, answer, is_dnssec_ok)
        others = [owned for owned in hosts if not wire.is_within(owned[0], found.owner)]
        answer.additional = glue + others
        answer.glue = len(glue)
        answer.beyond = name
        addresses = [one for _, one in answer.additional if one.type != codes.RRSIG]
        answer.servers = tuple([data for one in addresses for data in one.data])
    else:
        target = _follow(found.owner, rrset, name, type_, answer)
        for signed in proof.signatures if proof else ():
            _add(answer, *signed)
        return target
    return None


def _follow(owner: bytes, rrset: RRset, name: bytes, type_: int, answer: Answer) -> bytes | None:
    """Add an alias; of a DNAME also the CNAME that it stands for (RFC 6672 section 3.1)."""
    _add(answer, owner, rrset)
    if rrset.type == codes.CNAME:
        return rrset.data[0].lower()
    target = name[: -len(owner)] + rrset.data[0]
    if len(target) > 255:
        answer.rcode = codes.YXDOMAIN
        return None
    answer.answer.append((name, RRset(codes.CNAME, rrset.ttl, (target,))))
    # Asked for the alias itself, this is it; ANY goes on (RFC 6672 section 3.2 step 3C).
    return None if type_ == codes.CNAME else target.lower()


def _add(answer: Answer, owner: bytes, rrset: RRset) -> None:
    """Add a record set, once: chains may lead to the same DNAME again (RFC 2181 section 5)."""
    if (owner, rrset) not in answer.answer:
        answer.answer.append((owner, rrset))


def _addresses(catalog: Catalog, owner: bytes, rrset: RRset, answer: Answer, is_dnssec_ok: bool) -> list[Owned]:
    """Collect the addresses of the hosts that the data name, as far as our zones have them (RFC 1034 4.3.2 step 6)."""
    found: list[Owned] = []
    for host in _hosts(owner, rrset):
        answer.names.append(host)
        home = catalog.find(host, codes.A)
        if home is not None:
            if home.apex not in answer.zones:
                answer.zones.append(home.apex)
            addresses = _at(home, host)
            found += addresses
            if is_dnssec_ok and home.is_signed:
                node = home.nodes.get(host, ())
                found += [one for _, a in addresses for one in signature(node, a.type, host, a.ttl)]
    return found


def _glue(zone: Zone, cut: bytes, servers: RRset) -> list[Owned]:
    """Collect the addresses without which nobody finds the servers of a cut, since they are below it."""
    return [owned for host in _hosts(cut, servers) if wire.is_within(host, cut) for owned in _at(zone, host)]


def _at(zone: Zone, host: bytes) -> list[Owned]:
    node = zone.nodes.get(host, ())
    return [(host, one) for type_ in (codes.A, codes.AAAA) if (one := of_type(node, type_)) is not None]


def _hosts(owner: bytes, rrset: RRset) -> Iterable[bytes]:
    """List the hosts that the data name, each once, in lower-case wire form."""
    start = _TARGET_AT.get(rrset.type)
    if start is None:
        return ()
    hosts: dict[bytes, None] = {}
    for data in rrset.data:
        end = start
        while data[end]:
            end += 1 + data[end]
        host = data[start : end + 1].lower()
        hosts[owner if host == wire.ROOT and rrset.type in {codes.SVCB, codes.HTTPS} else host] = None
    return hosts
