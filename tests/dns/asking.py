"""What the DNS tests share: zones from text, and questions through dnspython to the pure responder."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Sequence

import dns.edns
import dns.message
import dns.rdatatype
import dns.rrset

from zonemint.dns.answers.requestor import Client, Transport
from zonemint.dns.answers.responder import Responder
from zonemint.dns.answers.services import Later, Stream
from zonemint.dns.answers.tally import add_up
from zonemint.dns.answers.views import Views
from zonemint.dns.zones import zonefile
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.zone import TxtSource, TxtZone, Zone

__all__ = [
    "LAB",
    "TCP",
    "UDP",
    "answer",
    "ask",
    "auth_zone",
    "lab_catalog",
    "lines",
    "question",
    "rcodes",
    "views",
    "zone",
]

UDP = Client(b"\x7f\0\0\1", 5300, Transport.UDP)
TCP = Client(b"\x7f\0\0\1", 5300, Transport.TCP)

LAB = """\
$TTL 300
@               SOA    ns1 hostmaster 7 3600 600 86400 60
@               NS     ns1
@               NS     ns2
@               MX     10 mail
@               TXT    "the apex"
ns1             A      192.0.2.1
ns1             AAAA   2001:db8::1
ns2             A      192.0.2.2
mail            A      192.0.2.3
www             A      192.0.2.10
www             A      192.0.2.11
www             TXT    "hello"
alias           CNAME  www
chain           CNAME  alias
loop1           CNAME  loop2
loop2           CNAME  loop1
self            CNAME  self
out             CNAME  www.elsewhere.example.
lost            CNAME  nothing
into            CNAME  host.child
_acme-challenge.server-1 CNAME one.auth
deep.empty.tree A      192.0.2.20
*.wild          A      192.0.2.30
*.wild          TXT    "any"
known.wild      A      192.0.2.31
below.held.wild A      192.0.2.32
*.cwild         CNAME  www
child           NS     ns.child
child           NS     ns.elsewhere.example.
child           DS     12345 13 2 0000000000000000000000000000000000000000000000000000000000000000
ns.child        A      192.0.2.40
*.child         A      192.0.2.41
auth            NS     ns1
moved           DNAME  wild
svc             HTTPS  1 . alpn=h2
svc             A      192.0.2.50
_sip._tcp       SRV    0 5 5060 www
"""


def zone(text: str = LAB, origin: str = "lab.test") -> Zone:
    return Zone.build(origin, zonefile.parse(text, origin, file="test.zone"))


def auth_zone(source: TxtSource, origin: str = "auth.lab.test") -> TxtZone:
    text = "@ 3600 SOA ns1.lab.test. hostmaster.lab.test. 1 3600 600 86400 3600\n@ 60 NS ns1.lab.test.\n"
    return TxtZone.build(origin, zonefile.parse(text, origin, file="auth.zone"), source=source)


def lab_catalog(source: TxtSource | None = None) -> Catalog:
    catalog = Catalog()
    catalog.put(zone())
    if source is not None:
        catalog.put(auth_zone(source))
    return catalog


def views(catalog: Catalog) -> Views:
    """Have all clients answered from one catalog."""
    return Views(Responder(catalog))


def rcodes(server: Responder) -> dict[tuple[str, str], int]:
    """Count what was answered, by transport and rcode."""
    counts: Counter[tuple[str, str]] = Counter()
    for counted, count in add_up([server.tallies.counts()]).items():
        counts[counted.proto, counted.rcode] += count
    return dict(counts)


def question(
    name: str, type_: str = "A", *, payload: int | None = None, options: Sequence[dns.edns.Option] = ()
) -> dns.message.QueryMessage:
    """Make a query, with EDNS where a payload size is given."""
    if payload is None:
        return dns.message.make_query(name, type_)
    return dns.message.make_query(name, type_, use_edns=0, payload=payload, options=list(options))


def answer(server: Responder, message: bytes, *, tcp: bool = False) -> bytes | None:
    """Have a message answered where no answer has to wait."""
    reply = server.respond(message, TCP if tcp else UDP)
    assert not isinstance(reply, Later | Stream)
    return reply


def ask(server: Catalog | Responder, name: str, type_: str = "A", *, tcp: bool = False) -> dns.message.Message:
    """Ask by dnspython's query and read the answer by dnspython."""
    responder = server if isinstance(server, Responder) else Responder(server)
    query = question(name, type_, payload=1232)
    reply = answer(responder, query.to_wire(), tcp=tcp)
    assert reply is not None
    message = dns.message.from_wire(reply)
    assert query.is_response(message)
    # dnspython leaves out what comes twice.
    counts = struct.unpack_from("!3H", reply, 6)
    assert sum(sum(map(len, section)) for section in message.sections[1:]) + (message.edns >= 0) == sum(counts)
    return message


def lines(section: list[dns.rrset.RRset]) -> list[str]:
    """Write a section as sorted `owner ttl type data` lines, names relative to lab.test."""
    found = []
    for rrset in section:
        for item in rrset:
            text = f"{rrset.name} {rrset.ttl} {dns.rdatatype.to_text(rrset.rdtype)} {item}"
            found.append(text.replace(".lab.test.", "").replace("lab.test.", "@"))
    return sorted(found)
