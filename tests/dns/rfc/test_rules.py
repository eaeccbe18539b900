"""Each rule of each table, held against the whole reply."""

from __future__ import annotations

import importlib
import pkgutil
import struct

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from tests.dns import rfc
from tests.dns.asking import answer
from tests.dns.rfc.rules import Rule, Table
from zonemint.core.errors import ConfigError
from zonemint.dns.answers.responder import Responder
from zonemint.dns.zones import zonefile
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.zone import Zone

TABLES: dict[str, Table] = {
    module.name: importlib.import_module(f"{rfc.__name__}.{module.name}").TABLE
    for module in pkgutil.iter_modules(rfc.__path__)
    if module.name.startswith("rfc")
}
RULES = [(name, rule) for name, table in TABLES.items() for rule in table.rules]
REFUSED = [(name, rule) for name, table in TABLES.items() for rule in table.refused or {}]


def build(origin: str, text: str) -> Zone:
    return Zone.build(origin, zonefile.parse(text, origin, file=f"{origin}.zone"))


def catalog(table: Table) -> Catalog:
    made = Catalog()
    for origin, text in table.zones.items():
        made.put(build(origin, text))
    return made


def absolute(name: str, origin: str) -> str:
    if name.endswith("."):
        return name
    end = origin if origin == "." else f".{origin}."
    return end.removeprefix(".") if name == "@" else name + end


def ask(responder: Responder, rule: Rule, origin: str) -> tuple[bytes, dns.message.Message]:
    name, type_, *terms = rule.question.split()
    size = next((int(term.removeprefix("edns=")) for term in terms if term.startswith("edns=")), None)
    if size is None:
        query = dns.message.make_query(absolute(name, origin), type_)
    else:
        query = dns.message.make_query(
            absolute(name, origin), type_, use_edns=0, payload=size, want_dnssec="do" in terms
        )
    query.flags = dns.flags.RD if "rd" in terms else dns.flags.Flag(0)
    reply = answer(responder, query.to_wire(), tcp="tcp" in terms)
    assert reply is not None
    message = dns.message.from_wire(reply)
    assert query.is_response(message)
    assert str(message.question[0].name) == str(query.question[0].name)
    assert (message.edns >= 0) == (size is not None)
    return reply, message


def lines(section: list[dns.rrset.RRset], origin: str) -> list[str]:
    """Write a section as the tables have it: names in lower case, below the origin without it."""
    dotted = origin if origin == "." else f"{origin}."

    def short(text: str) -> str:
        if origin == ".":
            return text
        words = [word.removesuffix(f".{dotted}") if word != dotted else "@" for word in text.split(" ")]
        return " ".join(words)

    found = []
    for rrset in section:
        for item in rrset:
            data = str(item)
            if rrset.rdtype in {
                dns.rdatatype.CNAME,
                dns.rdatatype.NS,
                dns.rdatatype.SOA,
                dns.rdatatype.PTR,
                dns.rdatatype.MX,
            }:
                data = data.lower()
            owner = short(str(rrset.name).lower())
            found.append(f"{owner} {rrset.ttl} {dns.rdatatype.to_text(rrset.rdtype)} {short(data)}")
    return found


@pytest.mark.parametrize(("name", "rule"), RULES)
def test_the_reply_is_what_the_rule_says(name: str, rule: str) -> None:
    table = TABLES[name]
    expected = table.rules[rule]
    responder = Responder(catalog(table))
    # Once worked out, and once from memory.
    for _ in range(2):
        reply, message = ask(responder, expected, table.origin)
        flags = [word for word in ("aa", "tc", "rd") if message.flags & dns.flags.from_text(word.upper())]
        assert " ".join([dns.rcode.to_text(message.rcode()), *flags]) == expected.head
        counts = struct.unpack_from("!3H", reply, 6)
        assert not message.flags & (dns.flags.RA | dns.flags.AD | dns.flags.CD)
        opt = int(message.edns >= 0)
        if expected.counts is not None:
            assert (counts[0], counts[1], counts[2] - opt) == expected.counts
            continue
        assert lines(message.answer, table.origin) == list(expected.answer)
        assert sorted(lines(message.authority, table.origin)) == sorted(expected.authority)
        assert sorted(lines(message.additional, table.origin)) == sorted(expected.additional)
        # dnspython would hide a record that comes twice.
        assert counts == (len(expected.answer), len(expected.authority), len(expected.additional) + opt)


@pytest.mark.parametrize(("name", "rule"), REFUSED)
def test_a_zone_against_the_rule_is_refused(name: str, rule: str) -> None:
    text, words = (TABLES[name].refused or {})[rule]
    with pytest.raises(ConfigError, match=words) as refusal:
        build("a.test", text)
    assert refusal.value.line == text.count("\n")
