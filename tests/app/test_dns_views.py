"""What the settings make of clients, down to the answers that they get."""

from __future__ import annotations

from typing import Any

import dns.edns
import dns.message
import dns.rcode
import dns.rdataclass
import pytest

from tests.dns.asking import lab_catalog, question
from zonemint.app.dns_views import dns_views
from zonemint.config import Config, Dns, Listen, SettingError
from zonemint.dns.answers.foreign import Foreign, Question
from zonemint.dns.answers.requestor import Client, Transport
from zonemint.dns.answers.services import Services
from zonemint.dns.answers.views import Views
from zonemint.dns.guard.cookies import Cookies


def forward(question: Question) -> Foreign:
    return Foreign(dns.rcode.NXDOMAIN)


def views(**dns: Any) -> Views:
    listen = Listen(dns.pop("listen", "0.0.0.0"), "192.0.2.53")
    config = Config("lab.test", listen=listen, dns=Dns(**dns))
    return dns_views(config, {"": lab_catalog()}, Services(recursion=forward), Cookies(bytes(32)))


def asked(of: Views, host: str, message: dns.message.Message, transport: Transport = Transport.UDP) -> str:
    """Return the rcode that a client gets, or nothing."""
    client = Client.of(host, 5300, transport)
    reply = of.of(client.address).respond(message.to_wire(), client)
    assert isinstance(reply, bytes | None)
    return "" if reply is None else dns.rcode.to_text(dns.message.from_wire(reply).rcode())


def recursion(of: Views, host: str) -> bool:
    return of.of(Client.of(host, 0, Transport.UDP).address)._services.recursion is not None


WWW = question("www.lab.test.")
HOSTS = {
    "stranger": "203.0.113.1",
    "six": "2001:db8::1",
    "private": "10.1.2.3",
    "itself": "127.0.0.1",
    "own": "192.0.2.53",
}


@pytest.mark.parametrize(
    ("settings", "refused"),
    [
        ({}, set()),
        ({"allow": ("private",)}, {"stranger", "six"}),
        ({"allow": ("203.0.113.0/24", "2001:db8::1")}, {"private"}),
        ({"deny": ("10.0.0.0/8", "any")}, {"stranger", "six", "private"}),
        ({"allow": ()}, {"stranger", "six", "private"}),
    ],
)
def test_who_is_answered(settings: dict[str, Any], refused: set[str]) -> None:
    for name, host in HOSTS.items():
        for transport in (Transport.UDP, Transport.TCP):
            got = asked(views(**settings), host, WWW, transport)
            assert got == ("REFUSED" if name in refused else "NOERROR"), name
            assert asked(views(denial="ignore", **settings), host, WWW, transport) == ("" if name in refused else got)


def test_our_own_address_is_the_one_that_is_listened_on_too() -> None:
    assert asked(views(listen="198.51.100.1", allow=()), "198.51.100.1", WWW) == "NOERROR"


def test_recursion_is_for_private_networks_unless_the_settings_say_more() -> None:
    assert [name for name, host in HOSTS.items() if recursion(views(), host)] == ["private", "itself", "own"]
    everywhere = views(recursion=("any",))
    assert all(recursion(everywhere, host) for host in HOSTS.values())
    assert not any(recursion(views(recursion=()), host) for host in HOSTS.values())
    assert not recursion(views(recursion=("any",), deny=("any",)), HOSTS["stranger"])


def test_recursion_is_for_the_machine_itself_under_each_of_its_addresses() -> None:
    for settings in ({}, {"recursion": ("10.0.0.0/8",)}, {"deny": ("192.0.2.0/24",)}):
        assert recursion(views(**settings), HOSTS["own"])
        assert recursion(views(**settings), HOSTS["itself"])
    assert recursion(views(listen="198.51.100.1"), "198.51.100.1")
    assert not recursion(views(), "192.0.2.54")


def test_strangers_have_one_limit_and_private_networks_none() -> None:
    of = views(rate_limit=5, rate_limit_slip=0)
    assert [asked(of, "203.0.113.1", WWW) for _ in range(12)].count("") >= 1
    assert [asked(of, "203.0.113.1", WWW, Transport.TCP) for _ in range(30)].count("") == 0
    assert [asked(of, "10.1.2.3", WWW) for _ in range(30)].count("") == 0
    assert [asked(views(rate_limit=0), "203.0.113.1", WWW) for _ in range(500)].count("") == 0


def test_what_makes_no_difference_makes_no_views() -> None:
    """With one responder, no address has to be looked at."""
    config = Config("lab.test", dns=Dns(rate_limit=0))
    assert dns_views(config, {"": lab_catalog()}, Services(), None).only is not None
    assert len(views().responders) == 2


def test_the_server_says_its_name_and_version_when_it_has_them() -> None:
    version = dns.message.make_query("version.bind.", "TXT", dns.rdataclass.CH)
    nsid = question("www.lab.test.", payload=1232, options=[dns.edns.GenericOption(dns.edns.OptionType.NSID, b"")])
    assert asked(views(), "10.1.2.3", version) == "REFUSED"
    of = views(version="zonemint", nsid="rack-2")
    client = Client.of("10.1.2.3", 0, Transport.UDP)
    assert asked(of, "10.1.2.3", version) == "NOERROR"
    reply = of.of(client.address).respond(nsid.to_wire(), client)
    assert isinstance(reply, bytes)
    assert b"rack-2" in reply


@pytest.mark.parametrize("network", ["10.0.0.1/8", "lab", "300.0.0.0/8", ""])
def test_what_is_no_network_is_refused_with_its_setting(network: str) -> None:
    with pytest.raises(SettingError, match=r'dns\.recursion: .*write a network as in "10\.1\.0\.0/16"'):
        Dns(recursion=("private", network))
