"""What the RFCs say an authoritative server answers, read back by dnspython."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.rcode
import pytest

from tests.dns.asking import ask, auth_zone, lab_catalog, lines, zone
from zonemint.core.errors import StoreUnavailable
from zonemint.dns.zones.catalog import Catalog

SOA = "@ 60 SOA ns1 hostmaster 7 3600 600 86400 60"

# question, rcode, AA, answer, authority
TABLE = {
    "RFC 1034 4.3.2: a match": ("www A", "NOERROR", True, ["www 300 A 192.0.2.10", "www 300 A 192.0.2.11"], []),
    "RFC 1034 4.3.2: the apex": ("@ TXT", "NOERROR", True, ['@ 300 TXT "the apex"'], []),
    "RFC 2308 2.2: NODATA has the SOA": ("www AAAA", "NOERROR", True, [], [SOA]),
    "RFC 2308 2.1: NXDOMAIN has the SOA": ("nothing A", "NXDOMAIN", True, [], [SOA]),
    "RFC 8020: an empty non-terminal exists": ("tree A", "NOERROR", True, [], [SOA]),
    "RFC 8020: so does the one below it": ("empty.tree A", "NOERROR", True, [], [SOA]),
    "RFC 8020: beside it nothing": ("other.tree A", "NXDOMAIN", True, [], [SOA]),
    "RFC 4592 2.1: a wildcard": ("x.wild A", "NOERROR", True, ["x.wild 300 A 192.0.2.30"], []),
    "RFC 4592 2.2.1: it matches many labels": ("x.y.wild A", "NOERROR", True, ["x.y.wild 300 A 192.0.2.30"], []),
    "RFC 4592 3.3.1: not a name that exists": ("known.wild TXT", "NOERROR", True, [], [SOA]),
    "RFC 4592 3.3.1: nor what is below it": ("x.known.wild A", "NXDOMAIN", True, [], [SOA]),
    "RFC 4592 2.2.2: nor an empty non-terminal": ("held.wild A", "NOERROR", True, [], [SOA]),
    "RFC 4592 2.2.2: nor what is beside its child": ("x.held.wild A", "NXDOMAIN", True, [], [SOA]),
    "RFC 4592: NODATA by wildcard": ("x.wild MX", "NOERROR", True, [], [SOA]),
    "RFC 4592 2.1.1: the wildcard's own name": ("*.wild A", "NOERROR", True, ["*.wild 300 A 192.0.2.30"], []),
    "RFC 4592 3.3.3: an alias by wildcard": (
        "x.cwild TXT",
        "NOERROR",
        True,
        ['www 300 TXT "hello"', "x.cwild 300 CNAME www"],
        [],
    ),
    "RFC 1034 3.6.2: an alias": ("alias TXT", "NOERROR", True, ["alias 300 CNAME www", 'www 300 TXT "hello"'], []),
    "RFC 1034 3.6.2: the alias itself": ("alias CNAME", "NOERROR", True, ["alias 300 CNAME www"], []),
    "RFC 1034 3.6.2: a chain": (
        "chain TXT",
        "NOERROR",
        True,
        ["alias 300 CNAME www", "chain 300 CNAME alias", 'www 300 TXT "hello"'],
        [],
    ),
    "RFC 2308 2.2.1: an alias of NODATA": ("alias MX", "NOERROR", True, ["alias 300 CNAME www"], [SOA]),
    "RFC 6604 2.1: an alias of nothing": ("lost A", "NXDOMAIN", True, ["lost 300 CNAME nothing"], [SOA]),
    "RFC 1034: an alias out of our zones": (
        "out A",
        "NOERROR",
        True,
        ["out 300 CNAME www.elsewhere.example."],
        [],
    ),
    "RFC 1034: a loop ends": ("loop1 A", "NOERROR", True, ["loop1 300 CNAME loop2", "loop2 300 CNAME loop1"], []),
    "RFC 1034: an alias of itself": ("self A", "NOERROR", True, ["self 300 CNAME self"], []),
    "RFC 1034 4.3.2 3b: a referral": (
        "host.child A",
        "NOERROR",
        False,
        [],
        ["child 300 NS ns.child", "child 300 NS ns.elsewhere.example."],
    ),
    "RFC 1034: the cut's NS are a referral": (
        "child NS",
        "NOERROR",
        False,
        [],
        ["child 300 NS ns.child", "child 300 NS ns.elsewhere.example."],
    ),
    "RFC 1034: glue is not an answer": (
        "ns.child A",
        "NOERROR",
        False,
        [],
        ["child 300 NS ns.child", "child 300 NS ns.elsewhere.example."],
    ),
    "RFC 4035 3.1.4.1: DS is the parent's": ("child DS", "NOERROR", True, ["child 300 DS 12345 13 2 " + "0" * 64], []),
    "RFC 4035 3.1.4.1: NODATA for DS too": ("auth DS", "NOERROR", True, [], [SOA]),
    "RFC 1034: an alias into a referral": (
        "into A",
        "NOERROR",
        True,
        ["into 300 CNAME host.child"],
        ["child 300 NS ns.child", "child 300 NS ns.elsewhere.example."],
    ),
    "RFC 6672 3.1: DNAME": (
        "x.moved A",
        "NOERROR",
        True,
        ["moved 300 DNAME wild", "x.moved 300 CNAME x.wild", "x.wild 300 A 192.0.2.30"],
        [],
    ),
    "RFC 6672 2.3: not for its own name": ("moved A", "NOERROR", True, [], [SOA]),
    "RFC 8482 4.1: ANY is one record set, the smallest": ("www ANY", "NOERROR", True, ['www 300 TXT "hello"'], []),
    "RFC 6672 3.2: ANY goes on behind a DNAME": (
        "x.moved ANY",
        "NOERROR",
        True,
        ["moved 300 DNAME wild", "x.moved 300 CNAME x.wild", "x.wild 300 A 192.0.2.30"],
        [],
    ),
    "RFC 6672 3.2: CNAME does not": (
        "x.moved CNAME",
        "NOERROR",
        True,
        ["moved 300 DNAME wild", "x.moved 300 CNAME x.wild"],
        [],
    ),
    "RFC 8482: ANY of an empty non-terminal": ("tree ANY", "NOERROR", True, [], [SOA]),
}


def full(name: str) -> str:
    return "lab.test." if name == "@" else f"{name}.lab.test."


@pytest.mark.parametrize("rule", TABLE)
def test_answers(rule: str) -> None:
    question, rcode, authoritative, answer, authority = TABLE[rule]
    name, type_ = question.split()
    message = ask(lab_catalog(), full(name), type_)
    assert dns.rcode.to_text(message.rcode()) == rcode
    assert bool(message.flags & dns.flags.AA) == authoritative
    assert lines(message.answer) == answer
    assert lines(message.authority) == authority


@pytest.mark.parametrize(
    ("question", "additional"),
    [
        ("@ NS", ["ns1 300 A 192.0.2.1", "ns1 300 AAAA 2001:db8::1", "ns2 300 A 192.0.2.2"]),
        ("@ MX", ["mail 300 A 192.0.2.3"]),
        ("_sip._tcp SRV", ["www 300 A 192.0.2.10", "www 300 A 192.0.2.11"]),
        ("svc HTTPS", ["svc 300 A 192.0.2.50"]),
        ("host.child A", ["ns.child 300 A 192.0.2.40"]),
        ("www A", []),
    ],
)
def test_additional_addresses(question: str, additional: list[str]) -> None:
    name, type_ = question.split()
    assert lines(ask(lab_catalog(), full(name), type_).additional) == additional


@pytest.mark.parametrize("name", ["example.", "test.", ".", "lab.test.example.", "xlab.test."])
def test_outside_is_refused(name: str) -> None:
    message = ask(lab_catalog(), name)
    assert message.rcode() == dns.rcode.REFUSED
    assert not message.flags & dns.flags.AA
    assert not message.authority


def test_longest_suffix_answers() -> None:
    """A child zone of our own answers below its cut, and the parent answers for its DS."""
    catalog = lab_catalog(lambda label: ["value"] if label == "one" else None)
    assert lines(ask(catalog, "auth.lab.test.", "NS").answer) == ["auth 60 NS ns1"]
    assert lines(ask(catalog, "auth.lab.test.", "DS").authority) == [SOA]
    assert lines(ask(catalog, "one.auth.lab.test.", "TXT").answer) == ['one.auth 1 TXT "value"']
    catalog.remove("auth.lab.test")
    referral = ask(catalog, "one.auth.lab.test.", "TXT")
    assert lines(referral.authority) == ["auth 300 NS ns1"]
    assert not referral.flags & dns.flags.AA


def test_addresses_are_those_of_the_zone_that_has_the_host() -> None:
    """A zone above may know another address of the host, as glue that is older."""
    catalog = Catalog()
    catalog.put(zone("@ 60 SOA a b 1 1 1 1 1\nk 60 NS ns.k\nns.k 60 A 192.0.2.1\n@ 60 MX 10 ns.k\n"))
    catalog.put(zone("@ 60 SOA a b 1 1 1 1 1\nns 60 A 192.0.2.2\n", "k.lab.test"))
    assert lines(ask(catalog, full("@"), "MX").additional) == ["ns.k 60 A 192.0.2.2"]


def test_ds_of_a_top_zone_is_its_own() -> None:
    assert lines(ask(lab_catalog(), "lab.test.", "DS").authority) == [SOA]


def test_the_challenge_is_one_answer() -> None:
    """A stub that asks once gets the CNAME and the values behind it, across two zones."""
    message = ask(lab_catalog({"one": ["v1", "v2"]}.get), "_acme-challenge.server-1.lab.test.", "TXT")
    assert lines(message.answer) == [
        "_acme-challenge.server-1 300 CNAME one.auth",
        'one.auth 1 TXT "v1"',
        'one.auth 1 TXT "v2"',
    ]


@pytest.mark.parametrize(
    ("name", "type_", "rcode", "answer"),
    [
        ("full", "TXT", "NOERROR", ['full.auth 1 TXT "v"']),
        ("FULL", "TXT", "NOERROR", ['FULL.auth 1 TXT "v"']),
        ("full", "ANY", "NOERROR", ['full.auth 1 TXT "v"']),
        ("full", "A", "NOERROR", []),
        ("bare", "TXT", "NOERROR", []),
        ("nobody", "TXT", "NXDOMAIN", []),
        ("x.full", "TXT", "NXDOMAIN", []),
        ("\\200", "TXT", "NXDOMAIN", []),
    ],
)
def test_auth_names(name: str, type_: str, rcode: str, answer: list[str]) -> None:
    message = ask(lab_catalog({"full": ["v"], "bare": []}.get), f"{name}.auth.lab.test.", type_)
    assert dns.rcode.to_text(message.rcode()) == rcode
    assert lines(message.answer) == answer
    negative = [] if answer else ["auth 60 SOA ns1 hostmaster 1 3600 600 86400 3600"]
    assert lines(message.authority) == negative


def test_a_store_that_cannot_tell_is_servfail() -> None:
    def source(label: str) -> list[str] | None:
        raise StoreUnavailable("the disk is gone")

    catalog = lab_catalog(source)
    for name in ("one.auth", "_acme-challenge.server-1"):
        message = ask(catalog, full(name), "TXT")
        assert message.rcode() == dns.rcode.SERVFAIL
        assert not message.answer
    assert ask(catalog, full("auth"), "SOA").rcode() == dns.rcode.NOERROR


def test_long_chains_end() -> None:
    text = "@ 60 SOA a b 1 1 1 1 1\n" + "".join([f"c{n} 60 CNAME c{n + 1}\n" for n in range(40)])
    catalog = Catalog()
    catalog.put(zone(text))
    assert len(ask(catalog, full("c0")).answer) == 9


def test_dname_that_makes_a_name_too_long() -> None:
    label = "x" * 60
    target = ".".join([label] * 4)
    catalog = Catalog()
    catalog.put(zone(f"@ 60 SOA a b 1 1 1 1 1\nd 60 DNAME {target}.\n"))
    message = ask(catalog, f"{label}.d.lab.test.")
    assert message.rcode() == dns.rcode.YXDOMAIN
    assert lines(message.answer) == [f"d 60 DNAME {target}."]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("x.x.x.d DNAME", ["x 60 DNAME d", "x.d 60 DNAME @", "x.x 60 CNAME x.d", "x.x.x.d 60 CNAME x.x"]),
        ("y.e TXT", ["e 60 DNAME @", "y 60 CNAME z.e", "y.e 60 CNAME y", 'z 60 TXT "z"', "z.e 60 CNAME z"]),
    ],
)
def test_a_dname_that_is_met_again_is_there_once(question: str, answer: list[str]) -> None:
    """RFC 2181 section 5: a set has no record twice."""
    catalog = Catalog()
    text = "x.d 60 DNAME @\nx 60 DNAME d\ne 60 DNAME @\ny 60 CNAME z.e\nz 60 TXT z\n"
    catalog.put(zone("@ 60 SOA a b 1 1 1 1 1\n" + text))
    name, type_ = question.split()
    assert lines(ask(catalog, full(name), type_).answer) == answer


def test_alias_to_the_owner_of_a_dname_is_no_loop() -> None:
    catalog = Catalog()
    catalog.put(zone("@ 60 SOA a b 1 1 1 1 1\nd 60 DNAME e\nd 60 A 192.0.2.1\nx.e 60 CNAME d\n"))
    assert "d 60 A 192.0.2.1" in lines(ask(catalog, full("x.d")).answer)


def test_the_auth_zone_keeps_its_own_records() -> None:
    catalog = Catalog()
    zone_ = auth_zone(lambda label: ["dynamic"])
    catalog.put(zone_)
    zone_.put("api.auth.lab.test", "A", 60, ["192.0.2.9"], serial=2)
    assert lines(ask(catalog, full("api.auth")).answer) == ["api.auth 60 A 192.0.2.9"]
    assert lines(ask(catalog, full("other.auth"), "TXT").answer) == ['other.auth 1 TXT "dynamic"']
