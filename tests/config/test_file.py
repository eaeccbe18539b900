from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zonemint.config import (
    Acme,
    AcmeDns,
    Config,
    Dns,
    Listen,
    Profile,
    Provisioner,
    Seconds,
    Store,
    Validation,
    ZoneSettings,
    load,
    render,
    settings,
    with_database,
)
from zonemint.core.errors import ConfigError

seconds = st.integers(1, 10**8).map(Seconds)
long = st.integers(7 * 86400, 10**8).map(Seconds)
ports = st.integers(0, 65535)
addresses = st.ip_addresses().map(str)
names_of_tables = st.text("abcXYZ019-_", min_size=1, max_size=64)
profiles = st.builds(
    Profile,
    lifetime=st.none() | long,
    backdate=st.integers(1, 86400).map(Seconds),
    keys=st.sampled_from([("p256",), ("rsa", "ed25519"), ("p521", "p384", "p256")]),
    rsa_bits=st.sampled_from([2048, 4096]),
    extended_key_usages=st.sampled_from([("clientAuth",), ("serverAuth", "clientAuth")]),
    common_name=st.booleans(),
    subject=st.sampled_from([{}, {"O": 'A "lab"', "C": "DE"}, {"OU": "\\"}]),
    pointers=st.sampled_from([(), ("issuer",), ("crl", "issuer")]),
    description=st.sampled_from(["", "for machines"]),
)
provisioners = st.builds(
    Provisioner,
    profiles=st.sampled_from([(), ("shortlived", "default")]),
    allow=st.sampled_from([(), ("localhost", "10.1.0.0/16", "fd00::/8")]),
    deny=st.sampled_from([(), ("localhost",)]),
    wildcards=st.booleans(),
    single_labels=st.booleans(),
    challenges=st.sampled_from([(), ("dns-01",)]),
    dates=st.booleans(),
    networks=st.sampled_from([(), ("10.0.0.0/8", "::1")]),
    website=st.sampled_from(["", "https://www.lab.test/ca?x=1#y"]),
)
domains = st.lists(
    st.from_regex(r"[a-z][a-z0-9]{0,9}(\.[a-z][a-z0-9]{0,9}){0,3}", fullmatch=True), min_size=1, max_size=4, unique=True
)
names = st.text(st.characters(categories=["L", "N", "P", "S"], include_characters=" "), max_size=48)
configs = st.builds(
    lambda domains, **rest: Config(domains[0], extra_domains=tuple(domains[1:]), **rest),
    domains,
    name=names,
    external_url=st.sampled_from(["", "https://ca.lab.test", "https://acme.example:8443", "https://[2001:db8::1]:9"]),
    listen=st.builds(Listen, addresses, st.just("192.0.2.7") | st.just(""), ports, ports, ports),
    dns=st.builds(Dns, seconds, seconds),
    acme=st.builds(Acme, seconds, seconds, long, authorization_reuse=st.booleans()),
    validation=st.builds(
        Validation,
        resolver=st.sampled_from(["", "10.0.0.1:53", ("[::1]:5353", "10.0.0.1:53"), "system", "authoritative"]),
        resolvers=st.sampled_from([{}, {"corp.test": "10.0.0.53:53", "a.test": ("[::1]:53",), "b": "authoritative"}]),
        root_servers=st.sampled_from([(), ("10.0.0.1:53", "[fd00::1]:53")]),
        attempts=st.integers(1, 5),
        interval=st.integers(1, 3).map(Seconds),
        timeout=st.integers(1, 3).map(Seconds),
    ),
    store=st.builds(
        Store, st.sampled_from(["", "postgresql://z@db/zonemint", "postgres://a:b@c:1,d:2/e?f=g"]), long, long
    ),
    acmedns=st.builds(
        AcmeDns,
        registration=st.sampled_from(["private", "open", "token", "closed", (), ("10.0.0.0/8", "::1/128")]),
        registrations_per_minute=st.integers(0, 10**6),
        updates_per_minute=st.integers(0, 10**6),
        tell_server_url=st.booleans(),
        origins=st.sampled_from([(), ("*",), ("https://www.lab.test", "http://[::1]:3000")]),
        values=st.integers(2, 100),
        value_lifetime=seconds,
        trusted_proxies=st.lists(st.sampled_from(["10.0.0.0/8", "::1/128", "192.0.2.1"]), max_size=3).map(tuple),
    ),
    profiles=st.dictionaries(names_of_tables, profiles, max_size=2),
    provisioners=st.dictionaries(names_of_tables, provisioners, max_size=2),
    zones=st.dictionaries(
        st.sampled_from(["home.arpa", "2.0.192.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa", "box", "_x.lab.test"]),
        st.builds(ZoneSettings, file=st.sampled_from(["", "my zones/one.zone", "/etc/zones/x"])),
    ),
)


@given(config=configs)
def test_what_is_rendered_loads_as_it_was(tmp_path_factory: pytest.TempPathFactory, config: Config) -> None:
    file = tmp_path_factory.getbasetemp() / "rendered.toml"
    file.write_text(render(config), encoding="utf-8")
    assert load(file) == config


def test_only_what_was_chosen_is_set_in_a_first_file() -> None:
    config = Config("lab.test", listen=Listen(dns_port=5353, https_port=8443))
    assert tomllib.loads(render(config)) == {
        "domain": "lab.test",
        "listen": {"dns_port": 5353, "https_port": 8443},
        "store": {},
        "dns": {},
        "dnssec": {},
        "forward": {},
        "query_log": {},
        "ca": {},
        "acme": {},
        "limits": {},
        "issuance": {},
        "enrollment": {},
        "validation": {},
        "acmedns": {},
    }


def test_every_comment_of_a_first_file_is_a_setting_at_its_default(tmp_path: Path) -> None:
    file = tmp_path / "zonemint.toml"
    text = render(Config("lab.test"))
    file.write_text("".join(line.removeprefix("# ") if " = " in line else line for line in text.splitlines(True)))
    assert load(file) == Config("lab.test")
    assert text.count(" = ") == len(list(settings(Config("lab.test"))))


@given(data=st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_load_or_are_a_config_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.toml"
    file.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert str(caught.value).startswith(f"{file}:")
    assert "\n" not in str(caught.value)


KEYS = [key for key, _ in settings(Config("lab.test"))]
scalars = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(categories=["L", "P"]))
values = scalars | st.lists(scalars, max_size=2) | st.dictionaries(st.sampled_from(["a", "b"]), scalars, max_size=1)


@given(key=st.sampled_from(KEYS), value=values)
def test_any_value_loads_or_its_line_is_named(
    tmp_path_factory: pytest.TempPathFactory, key: str, value: object
) -> None:
    file = tmp_path_factory.getbasetemp() / "value.toml"
    lines = [f"{key} = {toml(value)}"] if key == "domain" else ['domain = "lab.test"', f"{key} = {toml(value)}"]
    file.write_text("\n".join(["# settings", *lines]), encoding="utf-8")
    fault = fault_of(file)
    assert fault is None or (fault.line, fault.detail.partition(":")[0]) == (1 + len(lines), key)


def fault_of(file: Path) -> ConfigError | None:
    try:
        load(file)
    except ConfigError as error:
        return error
    return None


def toml(value: object) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {toml(item)}' for key, item in value.items())}}}"
    return json.dumps(value, ensure_ascii=False)


HEAD = 'domain = "lab.test"\n'
FAULTS = [
    # what is wrong, the file, its line, what is said
    ("no domain", "", None, 'domain: it must be set, such as domain = "lab.test"'),
    ("bad domain", 'domain = "a b"', 1, "domain: 'a b' is not a domain name"),
    ("a domain that is a number", "domain = 3", 1, "domain: expected a text, got a whole number"),
    ("domain twice", HEAD + 'extra_domains = ["x.test", "LAB.test."]', 2, "extra_domains: a domain is named twice"),
    ("over several lines", HEAD + '# more\n\nextra_domains = [\n  "x.test",\n  3,\n]\n', 4, "expected a text"),
    ("unknown key", HEAD + 'domian = "x.test"', 2, "domian: there is no such setting; did you mean 'domain'?"),
    ("unknown table", HEAD + "\n[lsten]\n", 3, "lsten: there is no such setting; did you mean 'listen'?"),
    ("unknown in table", HEAD + "[listen]\n# x\ndns_prt = 5", 4, "did you mean 'listen.dns_port'?"),
    ("unknown in dotted", HEAD + "listen.zzz = 5", 2, "listen.zzz: there is no such setting"),
    ("unknown in inline", HEAD + "listen = {dns_port = 5, zzz = 5}", 2, "listen.zzz: there is no such setting"),
    ("no table", HEAD + "listen = 5", 2, "listen: expected a table, got a whole number"),
    ("bad address", HEAD + '[listen]\naddress = "localhost"', 3, "listen.address: 'localhost'"),
    ("advertises nothing", HEAD + '[listen]\nadvertise = "::"', 3, "listen.advertise: '::' is no address"),
    ("bad port", HEAD + "[listen]\ndns_port = 65536", 3, "listen.dns_port: 65536 is not a port"),
    ("port as text", HEAD + '[listen]\ndns_port = "53"', 3, "listen.dns_port: expected a whole number, got a text"),
    ("http URL", HEAD + 'external_url = "http://ca.lab.test"', 2, "is not an https URL"),
    ("URL with a slash", HEAD + 'external_url = "https://ca.lab.test/"', 2, "more than a host and a port"),
    ("URL with a user", HEAD + 'external_url = "https://a@ca.lab.test"', 2, "more than a host and a port"),
    ("URL with a query", HEAD + 'external_url = "https://ca.lab.test?x"', 2, "more than a host and a port"),
    ("URL with a bad port", HEAD + 'external_url = "https://ca.lab.test:x"', 2, "external_url: "),
    ("URL with a bad host", HEAD + 'external_url = "https://ca_1.lab.test"', 2, "not a host name"),
    ("long name", HEAD + f'name = "{"x" * 49}"', 2, "name: it must have at most 48 characters"),
    ("a name that rings", HEAD + 'name = "a\\u0007"', 2, "all printable"),
    ("no length of time", HEAD + '[acme]\norder_lifetime = "3 days"', 3, "acme.order_lifetime: a length of time is"),
    ("a bare number", HEAD + "[acme]\norder_lifetime = 3600", 3, "acme.order_lifetime: a length of time is"),
    ("no time at all", HEAD + '[acme]\norder_lifetime = "0s"', 3, "acme.order_lifetime: a length of time is"),
    ("resolver without port", HEAD + '[validation]\nresolver = "10.0.0.1"', 3, "validation.resolver: '10.0.0.1'"),
    ("no resolvers", HEAD + "[validation]\nresolver = []", 3, "validation.resolver: the list of servers is empty"),
    ("words in a list", HEAD + '[validation]\nresolver = ["system"]', 3, "validation.resolver: 'system' is not"),
    ("a zone's words", HEAD + '[validation.resolvers]\n"a.test" = "own"', 2, "validation.resolvers: 'own' is not"),
    ("a zone's silence", HEAD + '[validation.resolvers]\n"a.test" = ""', 2, "validation.resolvers: write a.test = "),
    ("a zone's name", HEAD + '[validation.resolvers]\n"A.test" = "system"', 2, "validation.resolvers: write a.test"),
    ("root by name", HEAD + '[validation]\nroot_servers = ["ns.test:53"]', 3, "validation.root_servers: "),
    ("resolver by name", HEAD + '[validation]\nresolver = "ns.lab.test:53"', 3, "validation.resolver: "),
    ("too patient", HEAD + '[validation]\ninterval = "30s"', 2, "at most 30 s are allowed"),
    ("too many values", HEAD + "[acmedns]\nvalues = 101", 3, "acmedns.values: expected a whole number <= 100"),
    ("no such word", HEAD + '[acmedns]\nregistration = "X"', 3, "must be one of private, open, token, closed, or"),
    ("no network that may register", HEAD + '[acmedns]\nregistration = ["lab"]', 3, "acmedns.registration: 'lab'"),
    ("a domain that is an auth zone", HEAD + 'extra_domains = ["auth.lab.test"]', 2, "auth.lab.test is an auth zone"),
    ("an auth zone of others", HEAD + '[acmedns]\nextra_zones = ["auth.x.test"]', 3, "auth.x.test lies below none"),
    ("an auth zone in another", HEAD + '[acmedns]\nextra_zones = ["a.auth.lab.test"]', 3, "lies in another auth zone"),
    ("an auth zone twice", HEAD + '[acmedns]\nextra_zones = ["auth.lab.test"]', 3, "is named twice"),
    ("a site with a path", HEAD + '[acmedns]\norigins = ["https://a.test/"]', 3, "acmedns.origins: 'https://a.test/'"),
    ("fewer than none", HEAD + "[acmedns]\nupdates_per_minute = -1", 3, "acmedns.updates_per_minute: "),
    ("no network", HEAD + '[acmedns]\ntrusted_proxies = ["10.0.0.1/8"]', 3, "acmedns.trusted_proxies: "),
    ("bare profile", HEAD + "[profiles]\nx = 5", 3, "profiles.x: expected a table, got a whole number"),
    ("a profile's length", HEAD + '[profiles.x]\n\nlifetime = "soon"', 4, "profiles.x.lifetime: a length of time is"),
    ("a setting of no profile", HEAD + "[profiles.x]\nkeyz = 5", 3, "did you mean 'profiles.x.keys'?"),
    ("a kind of key", HEAD + '[profiles.x]\nkeys = ["p224"]', 3, "profiles.x.keys: it must be a list of some of p256"),
    ("no kind of key", HEAD + "[profiles.x]\nkeys = []", 3, "profiles.x.keys: a certificate without any"),
    ("short RSA keys", HEAD + "[profiles.x]\nrsa_bits = 1024", 3, "profiles.x.rsa_bits: expected a whole number >= 20"),
    ("a usage", HEAD + '[profiles.x]\nextended_key_usages = ["codeSigning"]', 3, "serverAuth, clientAuth"),
    ("an attribute", HEAD + '[profiles.x.subject]\nCN = "x"', 3, "profiles.x.subject.CN: it is not one of C, ST, L"),
    ("a country", HEAD + '[profiles.x]\nsubject.C = "Germany"', 3, "profiles.x.subject.C: it must be a country's"),
    ("a pointer", HEAD + '[profiles.x]\npointers = ["cps"]', 3, "profiles.x.pointers: it must be a list of some of"),
    ("a second line", HEAD + '[profiles.x]\ndescription = "a\\nb"', 3, "profiles.x.description: it must have at most"),
    ("a life that outlives", HEAD + '[profiles.x]\nlifetime = "9999d"', 3, "no certificate outlives the CA's 1825d"),
    (
        "a life that is over",
        HEAD + '[profiles.x]\nlifetime = "1h"',
        3,
        "profiles.x.lifetime: a life of 1h that begins 1h",
    ),
    ("all lives over", HEAD + '[acme]\ncertificate_lifetime = "9m"', 3, "acme.certificate_lifetime: a life of 9m"),
    ("a backdate", HEAD + '[profiles.default]\nbackdate = "90d"', 3, "profiles.default.backdate: a life of 90d"),
    ("a name of a profile", HEAD + '[profiles."a.b"]', 2, "the name 'a.b' must be of at most 64 letters"),
    ("a missing profile", HEAD + '[provisioners.x]\nprofiles = ["y"]', 3, "x.profiles: there is no profile 'y'"),
    (
        "a name of others",
        HEAD + '[provisioners.x]\nallow = ["*.y.test"]',
        3,
        "x.allow: y.test lies outside the domains",
    ),
    ("a denied one", HEAD + '[provisioners.x]\ndeny = ["y.test"]', 3, "provisioners.x.deny: y.test lies outside the"),
    ("no pattern", HEAD + '[provisioners.x]\nallow = ["*lab.test"]', 3, "provisioners.x.allow: '*lab.test' is not a"),
    (
        "no network to allow",
        HEAD + '[provisioners.x]\nallow = ["10.0.0.1/8"]',
        3,
        "has host bits set; a network is written",
    ),
    ("no truth", HEAD + "[provisioners.x]\nwildcards = 1", 3, "x.wildcards: expected true or false, got a whole"),
    ("no such challenge", HEAD + '[provisioners.x]\nchallenges = ["dns-02"]', 3, "x.challenges: there is no 'dns-02'"),
    (
        "a challenge twice",
        HEAD + '[provisioners.x]\nchallenges = ["dns-01", "dns-01"]',
        3,
        "x.challenges: it must name",
    ),
    (
        "a network of hosts",
        HEAD + '[provisioners.x]\nnetworks = ["10.0.0.1/8"]',
        3,
        "provisioners.x.networks: 10.0.0.1",
    ),
    (
        "no page",
        HEAD + '[provisioners.x]\nwebsite = "www.lab.test"',
        3,
        "provisioners.x.website: 'www.lab.test' is not",
    ),
    ("a name of a provisioner", HEAD + '[provisioners."a/b"]', 2, "the name 'a/b' must be of at most 64 letters"),
    ("a zone's misspelt setting", HEAD + '[zones."a.test"]\nfiel = ""', 3, "did you mean 'zones.\"a.test\".file'?"),
    ("a zone's file as a number", HEAD + '[zones."a.test"]\n\nfile = 3', 4, 'zones."a.test".file: expected a text'),
    ("a zone's impossible name", HEAD + '[zones."a b"]', 2, "zones.\"a b\": 'a b' is not a domain name"),
    ("a zone in two spellings", HEAD + '[zones."a.test"]\n[zones."A.test."]', 3, "the zone a.test has a table already"),
    (
        "a domain of others",
        HEAD + '[zones."lab.test"]\nprimaries = ["192.0.2.1"]',
        3,
        "lab.test is one of the domains, whose records are made here",
    ),
    ("a zone of the acme-dns API", HEAD + '[zones."x.auth.lab.test"]', 2, "it lies in auth.lab.test"),
    ("not TOML", HEAD + "[listen\n", 2, "not TOML: "),
    ("ends too early", HEAD + 'extra_domains = ["a"', 2, "not TOML: "),
    ("a key twice", HEAD + HEAD, 2, "not TOML: Cannot overwrite a value"),
]


@pytest.mark.parametrize(("text", "line", "says"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
def test_a_fault_is_told_with_its_line(tmp_path: Path, text: str, line: int | None, says: str) -> None:
    file = tmp_path / "zonemint.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert (caught.value.file, caught.value.line) == (file, line)
    assert says in str(caught.value)


def test_a_line_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    file = tmp_path / "zonemint.toml"
    file.write_bytes(b'domain = "lab.test"\nname = "\xff"\n')
    with pytest.raises(ConfigError, match=r"zonemint.toml:2: this line is not UTF-8"):
        load(file)


def test_a_missing_file_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no such file; `zonemint init --domain DOMAIN --data .*` makes it"):
        load(tmp_path / "zonemint.toml")


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path)


URL = "postgresql://zonemint:secret@db.lab.test/zonemint"


@pytest.mark.parametrize(
    "text",
    [
        render(Config("lab.test")),
        render(Config("lab.test", store=Store(URL))),
        'domain = "lab.test"',
        'domain = "lab.test" # mine\n\n[dns]\nttl = "1m"\n',
        'domain = "lab.test"\n[store]\n# none yet\n[dns]\nttl = "1m"\n',
        'domain = "lab.test"\n[store]\ndatabase = """\\\npostgresql://u:p@h/d""" # here\n[dns]\nttl = "1m"\n',
        'domain = "lab.test"\nstore.database = "postgresql://u:p@h/d"\n[dns]\nttl = "1m"\n',
        'domain = "lab.test"\nstore = { database = "postgresql://u:p@h/d" }\n',
        'domain = "lab.test"\nstore."database" = "postgresql\\u003a//u:p@h/d"\r\n',
    ],
)
@pytest.mark.parametrize("url", ["", "postgresql://other@h/d", 'postgresql://\N{SNOWMAN}:"\\@h/d'])
def test_another_database_and_all_else_as_it_was(text: str, url: str) -> None:
    changed = with_database(text, url)
    before, after = tomllib.loads(text), tomllib.loads(changed)
    assert after.pop("store")["database"] == url
    before.pop("store", None)
    assert after == before
    # Of the other lines none is lost, comments included.
    kept = [line for line in text.splitlines() if "database" not in line and "postgresql" not in line]
    assert [line for line in changed.splitlines() if line in kept] == kept


def test_a_database_among_others_in_one_line_is_not_guessed_at() -> None:
    text = 'domain = "lab.test"\nstore = { keep_orders = "9d", database = "postgresql://u:p@h/d" }\n'
    with pytest.raises(ConfigError, match=r"write it on a line of its own"):
        with_database(text, "")
