from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from tests.dns.asking import UDP, lab_catalog, question
from zonemint.dns.answers.requestor import Client, Transport, packed
from zonemint.dns.answers.responder import Responder
from zonemint.dns.answers.views import Views
from zonemint.dns.zones.catalog import Catalog


def test_the_longest_network_that_a_client_is_in_decides() -> None:
    usual, wide, narrow, six = (Responder(Catalog()) for _ in range(4))
    views = Views(
        usual,
        [
            ([ip_network("10.0.0.0/8")], wide),
            ([ip_network("10.1.0.0/16"), ip_network("192.0.2.7/32")], narrow),
            ([ip_network("2001:db8::/32")], six),
        ],
    )
    for text, expected in (
        ("10.2.0.1", wide),
        ("10.1.255.255", narrow),
        ("192.0.2.7", narrow),
        ("192.0.2.8", usual),
        ("::ffff:10.1.0.1", narrow),
        ("2001:db8::1", six),
        ("2001:db9::1", usual),
        ("::a01:1", usual),
    ):
        for _ in range(2):
            assert views.of(packed(ip_address(text).packed)) is expected, text
    assert views.responders == [usual, wide, narrow, six]
    assert views.only is None
    assert Views(usual, [([ip_network("10.0.0.0/8")], usual)]).only is usual


def test_addresses_are_not_remembered_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    views = Views(Responder(Catalog()), [([ip_network("10.0.0.0/8")], Responder(lab_catalog()))])
    for number in range(40_000):
        views.of(number.to_bytes(4, "big"))
    assert len(views._known) <= 16_384


def test_views_share_no_answers() -> None:
    inside, outside = Responder(lab_catalog()), Responder(Catalog())
    message = question("www.lab.test.", payload=1232).to_wire()
    answered, refused = inside.respond(message, UDP), outside.respond(message, UDP)
    assert isinstance(answered, bytes)
    assert isinstance(refused, bytes)
    assert (answered[3] & 15, refused[3] & 15) == (0, 5)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("192.0.2.1", "192.0.2.1:53"), ("::ffff:192.0.2.1", "192.0.2.1:53"), ("fe80::1%lo", "[fe80::1]:53")],
)
def test_a_client_is_shown_as_address_and_port(text: str, shown: str) -> None:
    assert str(Client.of(text, 53, Transport.UDP)) == shown
