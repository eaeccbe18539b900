from __future__ import annotations

import dns.message
import dns.rcode
import dns.rdataclass
import pytest

from tests.dns.asking import TCP, UDP
from zonemint.dns import codes
from zonemint.dns.answers.chaos import Chaos
from zonemint.dns.answers.responder import Responder
from zonemint.dns.answers.services import Services
from zonemint.dns.zones.catalog import Catalog


def asked(
    name: str, type_: str = "TXT", *, edns: bool = True, version: bytes = b"", identity: bytes = b""
) -> dns.message.Message:
    server = Responder(Catalog(), Services(classes={codes.CH: Chaos(version=version, identity=identity)}))
    query = dns.message.make_query(name, type_, dns.rdataclass.CH, use_edns=edns and 0)
    udp, tcp = (server.respond(query.to_wire(), client) for client in (UDP, TCP))
    assert isinstance(udp, bytes)
    assert udp == tcp
    reply = dns.message.from_wire(udp)
    assert query.is_response(reply)
    assert (reply.edns == 0) == edns
    return reply


@pytest.mark.parametrize("edns", [False, True])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("version.bind.", "zonemint 1"),
        ("VERSION.server.", "zonemint 1"),
        ("id.server.", "ns1"),
        ("hostname.bind.", "ns1"),
    ],
)
def test_what_is_set_is_said(name: str, said: str, edns: bool) -> None:
    reply = asked(name, edns=edns, version=b"zonemint 1", identity=b"ns1")
    assert [str(one) for one in reply.answer] == [f'{name} 0 CH TXT "{said}"']
    assert len(asked(name, "ANY", version=b"zonemint 1", identity=b"ns1").answer) == 1


def test_the_rest_is_refused() -> None:
    for name, version in (("version.bind.", b""), ("id.server.", b"v"), ("authors.bind.", b"v")):
        assert asked(name, version=version).rcode() == dns.rcode.REFUSED
    reply = asked("version.bind.", "A", version=b"v")
    assert (reply.rcode(), reply.answer) == (dns.rcode.NOERROR, [])
