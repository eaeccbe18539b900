"""Whether an answer proves what it says, by dnspython's signatures and names and the rules of RFC 4035 section 5.4."""

from __future__ import annotations

import dns.dnssec
import dns.message
import dns.name
import dns.node
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rrset
from dns.rdtypes.ANY.NSEC import NSEC
from dns.rdtypes.ANY.RRSIG import RRSIG

from zonemint.dns.answers.lookup import CHAIN_LIMIT
from zonemint.dns.dnssec.keys import SigningKey

__all__ = ["check"]


def check(message: dns.message.Message, origin: str, key: SigningKey, now: float) -> None:
    """Assert that an answer from a signed zone, to a query with DO, is secure or a proved insecure delegation."""
    question = message.question[0]
    apex = dns.name.from_text(origin)
    data = dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.DNSKEY, key.dnskey, 0, len(key.dnskey))
    keys: dict[dns.name.Name, dns.node.Node | dns.rdataset.Rdataset] = {apex: dns.rdataset.from_rdata(300, data)}
    nsecs: list[tuple[dns.name.Name, NSEC]] = []
    redirections = [one for one in message.answer if one.rdtype == dns.rdatatype.DNAME]
    name, found = question.name, False
    for section in (message.answer, message.authority):
        for rrset in section:
            if rrset.rdtype == dns.rdatatype.RRSIG or not rrset.name.is_subdomain(apex):
                continue
            covers = [one for one in section if one.name == rrset.name and one.covers == rrset.rdtype]
            if rrset.rdtype == dns.rdatatype.NS and rrset.name != apex and section is message.authority:
                assert not covers
                continue
            if rrset.rdtype == dns.rdatatype.CNAME and any(
                rrset.name.is_subdomain(one.name) and rrset.name != one.name for one in redirections
            ):
                continue
            assert covers, f"{rrset.name} {rrset.rdtype} is not signed"
            if rrset.name.is_wild() and covers[0][0].labels < len(rrset.name) - 2:
                continue  # dnspython takes no name that looks like a wildcard for one that was made by another
            dns.dnssec.validate(rrset, covers[0], keys, now=now)
            if rrset.rdtype == dns.rdatatype.NSEC:
                nsecs += [(rrset.name, item) for item in rrset if isinstance(item, NSEC)]
    for rrset in message.answer:
        if rrset.rdtype == dns.rdatatype.RRSIG and rrset.name.is_subdomain(apex):
            for item in rrset:
                assert isinstance(item, RRSIG)
                if item.labels < len(rrset.name) - 1 - rrset.name.is_wild():
                    assert any(_covers(nsec, rrset.name) for nsec in nsecs), "nothing closer than the wildcard"
    seen = set()
    while name not in seen:
        seen.add(name)
        if any(one.name == name and one.rdtype == question.rdtype for one in message.answer):
            found = True
            break
        alias = next((one for one in message.answer if one.name == name and one.rdtype == dns.rdatatype.CNAME), None)
        if alias is None:
            break
        name = alias[0].target
    else:
        return  # the aliases lead in a circle
    if len(seen) > CHAIN_LIMIT:
        return  # the chain was cut, and whoever asked goes on from there
    if found or not name.is_subdomain(apex) or (question.rdtype == dns.rdatatype.ANY and message.answer):
        return
    cut = next((r for r in message.authority if r.rdtype == dns.rdatatype.NS and name.is_subdomain(r.name)), None)
    if cut is not None and cut.name != apex:
        secure = any(one.name == cut.name and one.rdtype == dns.rdatatype.DS for one in message.authority)
        assert secure or _lacks(nsecs, cut.name, {dns.rdatatype.DS, dns.rdatatype.SOA})
        return
    if message.rcode() == dns.rcode.YXDOMAIN:
        return
    if _lacks(nsecs, name, {question.rdtype, dns.rdatatype.CNAME}):
        assert message.rcode() == dns.rcode.NOERROR
        return
    covering = [nsec for nsec in nsecs if _covers(nsec, name)]
    assert covering, f"nothing proves that {name} is not there"
    if covering[0][1].next.is_subdomain(name):
        assert message.rcode() == dns.rcode.NOERROR
        return
    encloser = max((name.fullcompare(one)[2], other) for other, item in covering for one in (other, item.next))[0]
    wildcard = dns.name.Name((b"*", *name.labels[-encloser:]))
    if message.rcode() == dns.rcode.NXDOMAIN:
        assert any(_covers(nsec, wildcard) for nsec in nsecs)
        assert not any(
            item.next.is_subdomain(wildcard) for nsec in nsecs if _covers(nsec, wildcard) for item in nsec[1:]
        )
    else:
        is_empty = any(_covers(nsec, wildcard) and nsec[1].next.is_subdomain(wildcard) for nsec in nsecs)
        assert is_empty or _lacks(nsecs, wildcard, {question.rdtype, dns.rdatatype.CNAME})


def _covers(nsec: tuple[dns.name.Name, NSEC], name: dns.name.Name) -> bool:
    owner, item = nsec
    # What is below a cut or a DNAME says nothing about what is there (RFC 6840 sections 4.1 and 4.2).
    types = _types(item)
    above = name.is_subdomain(owner) and name != owner
    if above and (dns.rdatatype.DNAME in types or (dns.rdatatype.NS in types and dns.rdatatype.SOA not in types)):
        return False
    if owner < item.next:
        return bool(owner < name < item.next)
    return bool(owner < name or name < item.next)


def _lacks(nsecs: list[tuple[dns.name.Name, NSEC]], name: dns.name.Name, types: set[int]) -> bool:
    return any(owner == name and not types & _types(item) for owner, item in nsecs)


def _types(item: NSEC) -> set[int]:
    return {
        window * 256 + at * 8 + bit
        for window, bits in item.windows
        for at, byte in enumerate(bits)
        for bit in range(8)
        if byte & 0x80 >> bit
    }
