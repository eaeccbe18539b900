"""Names that nobody has, without end: what is kept of them is bounded, and does not push out what others ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from tests.dns.asking import TCP, lab_catalog, question
from tests.thorough import examples
from zonemint.dns.answers.requestor import Client, Transport
from zonemint.dns.answers.responder import Responder
from zonemint.dns.answers.views import Views
from zonemint.dns.guard.cookies import Cookies
from zonemint.dns.guard.rate import RateLimit
from zonemint.dns.guard.terms import Terms

_MANY = 5_000
"""More than are kept of what strangers make up."""
_PASSING = 4_096

WWW = question("www.lab.test.", payload=1232).to_wire()
_BARE = question("lab.test.", payload=1232).to_wire()
_COOKIED = _BARE[:-2] + b"\0\x0c\0\x0a\0\x08" + b"8 bytes!"


def named(label: bytes, message: bytes = _BARE) -> bytes:
    return message[:12] + bytes((len(label),)) + label + message[12:]


FLOODS: dict[str, Callable[[int], bytes]] = {
    "names that are not there": lambda number: named(b"%x" % number),
    "names of all lengths": lambda number: named((b"%x" % number).ljust(8 + number % 50, b"x")),
    "names with cookies": lambda number: named(b"%x" % number, _COOKIED),
    "names of a wildcard": lambda number: named(b"%x" % number, question("wild.lab.test.", payload=1232).to_wire()),
    "names below a cut": lambda number: named(b"%x" % number, question("child.lab.test.").to_wire()),
    "names of others": lambda number: named(b"%x" % number, question("elsewhere.test.").to_wire()),
    "names of accounts": lambda number: named(b"%x" % number, question("auth.lab.test.", "TXT").to_wire()),
    "letter case": lambda number: WWW[:13] + bytes(b ^ 32 for b in WWW[13:16]) + number.to_bytes(4, "big") + WWW[20:],
    "types": lambda number: WWW[:26] + (256 + number % 65_000).to_bytes(2, "big") + WWW[28:],
    "sizes": lambda number: WWW[:-8] + (number % 65_536).to_bytes(2, "big") + WWW[-6:],
    "ids and flags": lambda number: number.to_bytes(4, "big")[2:] + bytes((number % 2, number % 256 & 0x7F)) + WWW[4:],
}


def senders() -> Iterator[Client]:
    """Make clients of ever new networks."""
    for number in count():
        yield Client(number.to_bytes(4, "little"), 5300, Transport.UDP)


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_leaves_nothing_behind(name: str) -> None:
    cookies, limit = Cookies(bytes(32)), RateLimit(10)
    here = Responder(lab_catalog(lambda label: None), terms=Terms(cookies=cookies))
    views = Views(Responder(lab_catalog(lambda label: None), terms=Terms(cookies=cookies, limit=limit)))
    inside = Client(b"\x7f\0\0\1", 5300, Transport.UDP)
    here.respond(WWW, inside)
    kept = set(here.lasting)
    clients, make = senders(), FLOODS[name]
    for number in range(examples(_MANY)):
        message = make(number)
        client = next(clients)
        views.of(client.address).respond(message, client)
        here.respond(message, inside)
        if not number % 8:
            here.respond(message, TCP)
    assert kept <= set(here.lasting)
    assert len(here.lasting) < 100
    assert len(here.passing) <= _PASSING
    assert len(limit._young) + len(limit._old) <= 2 * 16_384
    assert len(cookies._keys) <= 1
