from __future__ import annotations

import ipaddress

import pytest

from zonemint.config import Config, Listen, Seconds, SettingError, Store, ZoneSettings, advertised, override
from zonemint.config.resolvers import endpoints


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1), ("90s", 90), ("10m", 600), ("24h", 86400), ("160h", 576000), ("90d", 7776000)]
)
def test_a_length_of_time_is_read(text: str, seconds: int) -> None:
    assert float(Seconds.parse(text)) == seconds
    assert float(Seconds.parse(str(Seconds(seconds)))) == seconds


@pytest.mark.parametrize("text", ["", "5", "s", "5 s", "-5s", "1.5h", "5S", "1h30m", "0d", "5s\n", "\u0665s", 5, None])
def test_what_is_no_length_of_time_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="a length of time"):
        Seconds.parse(text)


def test_names_and_urls_are_made_from_the_domain() -> None:
    config = Config("Lab.Test.", extra_domains=("X.test",))
    assert config.domains == ("lab.test", "x.test")
    assert (config.name, config.external_url) == ("lab.test", "https://ca.lab.test")
    assert Config("lab.test", listen=Listen(https_port=8443)).external_url == "https://ca.lab.test:8443"


@pytest.mark.parametrize(
    ("written", "held"),
    [
        ("https://CA.lab.test", "https://ca.lab.test"),
        ("https://ca.lab.test:443", "https://ca.lab.test"),
        ("https://ca.lab.test:8443", "https://ca.lab.test:8443"),
        ("https://[2001:DB8::0:1]:8443", "https://[2001:db8::1]:8443"),
        ("https://192.0.2.1", "https://192.0.2.1"),
    ],
)
def test_an_external_url_has_one_spelling(written: str, held: str) -> None:
    assert Config("lab.test", external_url=written).external_url == held


def test_a_single_label_is_a_domain() -> None:
    assert Config("lab").external_url == "https://ca.lab"


def test_a_command_line_overrides_what_it_names_and_no_more() -> None:
    config = Config("lab.test", listen=Listen(advertise="192.0.2.7", dns_port=5300))
    over = override(config, address="127.0.0.1", https_port=8443)
    assert over.listen == Listen("127.0.0.1", "192.0.2.7", 5300, 8443, 80)
    assert over.external_url == "https://ca.lab.test:8443"
    assert override(config) == config


def test_a_database_of_the_command_line_changes_nothing_else_of_the_store() -> None:
    config = Config("lab.test", store=Store("", Seconds(60 * 86400), Seconds(400 * 86400)))
    for database in ("", "postgresql://db.lab.test/zonemint"):
        assert override(config, database=database).store == Store(database, Seconds(60 * 86400), Seconds(400 * 86400))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:sec@ret@db/zonemint",
        "postgresql://u:sec/ret@db/zonemint",
        "postgresql://u:sec#ret@db/zonemint",
        "postgresql://u:sec[ret@db/zonemint",
        "postgresql://u:sec\u2100ret@db/zonemint",
        "postgresql://u:secret@db:port/zonemint",
        "postgresql://u:secret@db",
        "mysql://u:secret@db/zonemint",
    ],
)
def test_a_database_that_nobody_could_connect_to_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SettingError, match="database: it is not the URL of a database") as refused:
        Store(url)
    assert "sec" not in str(refused.value)
    assert "ret" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///zonemint",
        "postgresql:///zonemint?host=/run/postgresql",
        "postgres://u:se%40cret@[::1]:5433,db.lab.test,192.0.2.1:5432/zonemint?ssl=require",
        "postgresql://u@%2Frun%2Fpostgresql/zonemint",
    ],
)
def test_a_database_may_have_hosts_as_libpq_takes_them(url: str) -> None:
    assert Store(url).database == url


def test_a_chosen_external_url_stays_when_the_port_moves() -> None:
    config = Config("lab.test", external_url="https://proxy.lab.test")
    assert override(config, https_port=8443).external_url == "https://proxy.lab.test"
    assert override(config, external_url="https://x.lab.test").external_url == "https://x.lab.test"


@pytest.mark.parametrize("port", [-1, 65536])
def test_an_override_is_checked_too(port: int) -> None:
    with pytest.raises(SettingError, match=f"listen.http_port: {port} is not a port"):
        override(Config("lab.test"), http_port=port)


def test_the_advertised_address_is_the_chosen_one_or_the_listening_one() -> None:
    assert advertised(Listen("0.0.0.0", "192.0.2.10")) == "192.0.2.10"
    assert advertised(Listen("127.0.0.2")) == "127.0.0.2"


@pytest.mark.parametrize("wildcard", ["0.0.0.0", "::"])
def test_a_wildcard_is_advertised_as_an_address_of_its_family(wildcard: str) -> None:
    address = ipaddress.ip_address(advertised(Listen(wildcard)))
    assert address.version == ipaddress.ip_address(wildcard).version
    assert not address.is_unspecified


def test_servers_are_addresses_and_ports_in_their_order() -> None:
    assert endpoints("10.0.0.1:53") == (("10.0.0.1", 53),)
    assert endpoints(("[fd00::1]:5353", "10.0.0.1:53")) == (("fd00::1", 5353), ("10.0.0.1", 53))


def test_what_is_over_is_kept_for_a_while() -> None:
    with pytest.raises(SettingError, match=r"store\.keep_orders: 3599s is too short: at least 1h"):
        Store(keep_orders=Seconds(3599))
    with pytest.raises(SettingError, match=r"store\.keep_certificates: 6d is too short: at least 7d"):
        Store(keep_certificates=Seconds(6 * 86400))


def test_zones_have_one_spelling() -> None:
    config = Config("lab.test", zones={"2.0.192.IN-ADDR.arpa.": ZoneSettings(), "Box": ZoneSettings(file="box")})
    assert config.zones == {"2.0.192.in-addr.arpa": ZoneSettings(), "box": ZoneSettings(file="box")}
