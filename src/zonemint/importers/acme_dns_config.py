"""The `config.cfg` of acme-dns: where its database is, its static records, and what its settings are here."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from zonemint.core.errors import BadName, ForeignDataError
from zonemint.core.names import hostname
from zonemint.core.text import shown
from zonemint.importers.findings import Mapped

__all__ = ["ForeignConfig", "ForeignRecord", "load"]

_LARGEST = 1 << 20  # octets
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|\S+', re.DOTALL)
_CLASSES = {"in", "ch", "hs"}
_TTL = 3600  # seconds, of a record that says none, as there


class ForeignRecord(NamedTuple):
    """A static record: `name` as it is written, `words` those of its data in the letter case that they have there."""

    line: str
    name: str
    ttl: int
    type: str
    words: tuple[str, ...]


class ForeignConfig(NamedTuple):
    """What the file says; `domain` is the zone of the TXT values, `engine` is `sqlite` or `postgres`."""

    domain: str
    engine: str
    connection: str
    records: tuple[ForeignRecord, ...]
    settings: tuple[Mapped, ...]


def load(file: Path) -> ForeignConfig:
    """Read the file; raises ForeignDataError on one line, and OSError."""
    with file.open("rb") as opened:
        content = opened.read(_LARGEST + 1)
    try:
        if len(content) > _LARGEST:
            raise ForeignDataError(f"it has more than {_LARGEST} octets")
        tree = _tables(tomllib.loads(content.decode()))
        general, database = tree.get("general", {}), tree.get("database", {})
        if not general and not database:
            raise ForeignDataError("it has neither [general] nor [database]")
        return ForeignConfig(
            hostname(_text(general, "domain").removesuffix(".")),
            _engine(_text(database, "engine")),
            _text(database, "connection"),
            tuple(_record(line) for line in _lines(general)),
            tuple(_settings(tree)),
        )
    except (ForeignDataError, BadName) as error:
        raise ForeignDataError(f"{file}: this is no configuration of acme-dns: {error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ForeignDataError(f"{file}: this is neither TOML nor a database: {shown(str(error))}") from None


def _tables(tree: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Take the tables with their keys in lower case, as Go's decoder matches them."""
    return {
        name.lower(): {key.lower(): value for key, value in table.items()}
        for name, table in tree.items()
        if isinstance(table, dict)
    }


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise ForeignDataError(f"{key} is no text")
    return value


def _engine(text: str) -> str:
    if text not in ("sqlite", "sqlite3", "postgres"):
        raise ForeignDataError(f"its database engine is '{shown(text)}', and not sqlite or postgres")
    return text.removesuffix("3")


def _lines(general: Mapping[str, Any]) -> list[str]:
    lines = general.get("records", [])
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise ForeignDataError("records is no list of texts")
    return lines


def _record(line: str) -> ForeignRecord:
    """Cut a record into its parts; one that has no type has the type "" and is for nobody to serve."""
    name, *words = _WORD.findall(line) or [""]
    ttl = _TTL
    while words and (words[0].lower() in _CLASSES or re.fullmatch(r"[0-9]{1,9}", words[0])):
        word = words.pop(0)
        ttl = int(word) if word.isdigit() else ttl
    type_, *data = words or [""]
    return ForeignRecord(line, name, ttl, type_.upper(), tuple(data))


def _settings(tree: Mapping[str, Mapping[str, Any]]) -> list[Mapped]:
    """Say of each setting that is there what it is here."""
    told = []
    for table, rules in _RULES.items():
        for key, value in tree.get(table, {}).items():
            theirs = f"{table}.{shown(key, 40)} = {_toml(value)}"
            rule = rules.get(key)
            told.append(Mapped(theirs, *(rule(value, tree) if rule else ("", "acme-dns has no such setting"))))
    return told


_Rule = Callable[[Any, Mapping[str, Mapping[str, Any]]], tuple[str, str]]


def _only(note: str) -> _Rule:
    return lambda value, tree: ("", note)


def _listen(value: Any, tree: object) -> tuple[str, str]:
    address, _, port = str(value).rpartition(":")
    if not port.isdecimal():
        return "", "not an address with a port"
    address = address.strip("[]") or "0.0.0.0"  # noqa: S104 - what it means there
    return f'listen.address = "{shown(address, 40)}"\nlisten.dns_port = {int(port[:6])}', ""


def _port(value: Any, tree: Mapping[str, Mapping[str, Any]]) -> tuple[str, str]:
    port = str(value)
    if not port.isdecimal():
        return "", "not a port"
    key = "http_port" if str(tree.get("api", {}).get("tls", "none")) == "none" else "https_port"
    return f"listen.{key} = {int(port[:6])}", ""


def _registration(value: Any, tree: object) -> tuple[str, str]:
    if value is True:
        return 'acmedns.registration = "closed"', "`zonemint register` makes accounts all the same"
    return 'acmedns.registration = "open"', 'without the line it is "private": loopback and private addresses'


def _tls(value: Any, tree: object) -> tuple[str, str]:
    match value:
        case "none":
            return "acmedns.plain_http = true", "the API without TLS, on the HTTP port"
        case "cert":
            return "", "listen.certificate and listen.key say which"
    return "", "our own CA issues for the HTTPS listener; with another certificate, set listen.certificate"


def _origins(value: Any, tree: object) -> tuple[str, str]:
    sites = [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
    if not sites or not all(re.fullmatch(r"\*|https?://[a-z0-9.:-]{1,255}", site) for site in sites):
        return "", "acmedns.origins lists web sites, such as https://www.lab.test"
    return f"acmedns.origins = [{', '.join([_toml(site) for site in sites])}]", ""


def _header(value: Any, tree: object) -> tuple[str, str]:
    if value is not True:
        return "", "X-Forwarded-For is believed from nobody unless acmedns.trusted_proxies names the proxies"
    return "", "list the networks of your proxies in acmedns.trusted_proxies: there, a client can forge its address"


def _file(key: str) -> _Rule:
    return lambda value, tree: (f"listen.{key} = {_toml(value)}", "for api.tls = cert")


_RULES: dict[str, dict[str, _Rule]] = {
    "general": {
        "listen": _listen,
        "protocol": _only("UDP and TCP are always answered; the address says which of IPv4 and IPv6"),
        "domain": _only("the zone of the TXT values"),
        "nsname": _only("implied"),
        "nsadmin": _only("implied"),
        "records": _only("each is told of below"),
        "debug": _only("there is no such mode: answers and refusals are in the log and the metrics"),
    },
    "database": {"engine": _only("read here"), "connection": _only("read here")},
    "api": {
        "ip": _only("listen.address is for DNS and HTTPS alike"),
        "port": _port,
        "disable_registration": _registration,
        "tls": _tls,
        "tls_cert_privkey": _file("key"),
        "tls_cert_fullchain": _file("certificate"),
        "acme_cache_dir": _only("not needed"),
        "notification_email": _only("not needed"),
        "corsorigins": _origins,
        "use_header": _header,
        "header_name": _only("X-Forwarded-For is read"),
        "autocert_port": _only("not needed"),
    },
    "logconfig": dict.fromkeys(
        ("loglevel", "logtype", "logfile", "logformat"), _only("the log goes to standard error, for systemd to keep")
    ),
}


def _toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{shown(value)}"'
        case int():
            return str(value)
        case list():
            return f"[{len(value)}]"
    return "..."
