"""What the plugins of a Corefile are here: settings, zone files, names of hosts; what has no place, with its line."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from zonemint.core.errors import ForeignDataError
from zonemint.core.hosts import is_address
from zonemint.core.names import is_within
from zonemint.core.text import shown
from zonemint.importers.corefile_acl import Rights, rights
from zonemint.importers.corefile_others import COSMETIC, FOREIGN, SAME
from zonemint.importers.corefile_text import Block, Directive, Place
from zonemint.importers.corefile_words import endpoint, keys, length, names, upstreams
from zonemint.importers.findings import Mapped, Refused

__all__ = ["Corefile", "ZoneFile", "translate"]

_DNS = 53
_AUTO = r"db\.(.*)"


class ZoneFile(NamedTuple):
    """A zone and the file that it is read from."""

    origin: str
    file: Path


class Corefile(NamedTuple):
    """`tree` is what the settings say, by tables, as TOML has it; `hosts` the lines of a file of hosts."""

    tree: dict[str, Any]
    zones: tuple[ZoneFile, ...]
    hosts: tuple[str, ...]
    mapped: tuple[Mapped, ...]
    refused: tuple[Refused, ...]


def translate(blocks: Sequence[Block], domain: str) -> Corefile:
    """Translate all blocks for a server of this domain; raises ForeignDataError with file and line."""
    translation = _Translation(domain)
    for block in blocks:
        translation.take(block)
    return translation.made()


class _Translation:
    def __init__(self, domain: str) -> None:
        self._domain = domain
        self._tree: dict[str, Any] = {}
        self._zones: dict[str, ZoneFile] = {}
        self._hosts: list[str] = []
        self._mapped: list[Mapped] = []
        self._refused: list[Refused] = []
        self._set_at: dict[tuple[str, str], tuple[object, Place]] = {}
        self._plugins: dict[str, Callable[[Directive, tuple[str, ...]], None]] = {
            "acl": self._acl,
            "auto": self._auto,
            "bind": self._bind,
            "cache": self._cache,
            "chaos": self._chaos,
            "file": self._file,
            "forward": self._forward,
            "health": self._health,
            "hosts": self._hosts_file,
            "loadbalance": self._loadbalance,
            "log": self._log,
            "nsid": self._nsid,
            "prometheus": self._prometheus,
            "ready": self._health,
            "secondary": self._secondary,
            "tls": self._tls,
            "transfer": self._transfer,
            "tsig": self._tsig,
        }

    def take(self, block: Block) -> None:
        """Translate one server block."""
        found = [key for word in block.keys for key in keys(word, block.place)]
        for key in found:
            listener = {"dns": "dns_port", "tls": "dot_port", "https": "doh_port"}[key.scheme]
            self._set("listen", listener, key.port, block.place)
        zones = tuple(dict.fromkeys(key.zone for key in found))
        plugins = {one.name for one in block.directives}
        for one in block.directives:
            if one.name == "forward" and plugins & {"file", "auto", "secondary"} and one.words[:1] != (".",):
                self._refuse(one, "names that are in a zone of ours are never asked for elsewhere")
                continue
            self._directive(one, zones)

    def made(self) -> Corefile:
        """Return everything."""
        listen = self._tree.get("listen", {})
        if listen.get("dns_port") == _DNS:
            # It is ours without being said, and a folder that is there may have said another one.
            del listen["dns_port"]
            self._tree = {table: settings for table, settings in self._tree.items() if settings}
        if self._hosts:
            self._tree.setdefault("dns", {})["hosts"] = "hosts"
            self._check_hosts()
        return Corefile(
            self._tree,
            tuple(self._zones.values()),
            tuple(self._hosts),
            tuple(self._mapped),
            tuple(self._refused),
        )

    def _check_hosts(self) -> None:
        """Refuse names that would not be answered, since they lie in no zone that is ours."""
        zones = [self._domain, *self._zones]
        words = {word for line in self._hosts for word in line.partition("#")[0].split()[1:]}
        outside = [word for word in sorted(words) if not any(is_within(word.lower().rstrip("."), one) for one in zones)]
        outside = [word for word in outside if not word.startswith(("localhost", "ip6-"))]
        if outside:
            told = ", ".join(shown(word, 40) for word in outside[:3]) + (" and more" if len(outside) > 3 else "")
            why = "they lie in no zone that is served here; give their zone a file in zones/, however short"
            self._refused.append(Refused(f"hosts: {told}", why))

    def _directive(self, one: Directive, zones: tuple[str, ...]) -> None:
        if (plugin := self._plugins.get(one.name)) is not None:
            plugin(one, zones)
        elif one.name in SAME:
            self._map(one, "", SAME[one.name])
        elif one.name in COSMETIC:
            self._map(one, "", f"left out: {COSMETIC[one.name]}")
        else:
            self._refuse(one, FOREIGN.get(one.name, "there is nothing like it here"))

    # Where what was found goes

    def _set(self, table: str, key: str, value: object, place: Place) -> bool:
        """Set something for the whole server; what two blocks say differently is refused at the second."""
        before = self._set_at.setdefault((table, key), (value, place))
        if before[0] != value:
            why = f"{before[1]} has another one, and there is one {table}.{key} for all zones here"
            self._refused.append(Refused(f"{place}: {table}.{key}", why))
            return False
        self._tree.setdefault(table, {})[key] = value
        return True

    def _zone(self, zone: str, key: str, value: object) -> None:
        settings = self._tree.setdefault("zones", {}).setdefault(zone, {})
        if isinstance(value, list):
            value = list(dict.fromkeys([*settings.get(key, []), *value]))
        settings[key] = value

    def _map(self, one: Directive, ours: str, note: str = "") -> None:
        self._mapped.append(Mapped(f"{one.place}: {one.name}", ours, note))

    def _refuse(self, one: Directive, why: str) -> None:
        words = shown(" ".join((one.name, *one.words)), 80)
        self._refused.append(Refused(f"{one.place}: {words}", why))

    def _of(self, one: Directive, words: Sequence[str], zones: tuple[str, ...]) -> tuple[str, ...]:
        """Return the zones that a plugin is told, or those of its block."""
        return tuple(zone for word in words for zone in names(word, one.place)) or zones

    # The plugins

    def _file(self, one: Directive, zones: tuple[str, ...]) -> None:
        if not one.words:
            raise ForeignDataError(f"{one.place}: file takes the file's name")
        for inside in one.inside:
            if inside.name not in ("reload", "upstream"):
                self._refuse(inside, "what the file does not have is not there")
        for zone in self._of(one, one.words[1:], zones):
            self._add(one, zone, one.place.file.parent / one.words[0])

    def _auto(self, one: Directive, zones: tuple[str, ...]) -> None:
        folder, pattern, template = None, _AUTO, "{1}"
        for inside in one.inside:
            if inside.name == "directory" and inside.words:
                folder = one.place.file.parent / inside.words[0]
                pattern, template = (inside.words[1:3] + (_AUTO, "{1}")[len(inside.words) - 1 :])[:2]
            elif inside.name != "reload":
                self._refuse(inside, "zone files are what they are")
        if folder is None or not folder.is_dir():
            raise ForeignDataError(f"{one.place}: auto takes a directory that there is")
        try:
            expression = re.compile(pattern)
        except re.error as error:
            raise ForeignDataError(f"{one.place}: '{shown(pattern)}' is no pattern: {error}") from None
        within = self._of(one, one.words, zones)
        for file in sorted(folder.iterdir()):
            match = expression.search(file.name)
            if match is None or not file.is_file():
                continue
            origin = _filled(template, match)
            for zone in names(origin, one.place):
                if any(above == "." or is_within(zone, above) for above in within):
                    self._add(one, zone, file)

    def _add(self, one: Directive, zone: str, file: Path) -> None:
        if zone == ".":
            self._refuse(one, "the root zone is not served")
        elif zone in self._zones:
            self._refuse(one, f"{zone} has a file already")
        elif not file.is_file():
            raise ForeignDataError(f"{one.place}: there is no file {file}")
        else:
            self._zones[zone] = ZoneFile(zone, file)
            self._map(one, f"zones/{zone}.zone", "a copy, which is looked at every second")

    def _forward(self, one: Directive, zones: tuple[str, ...]) -> None:
        if len(one.words) < 2:
            raise ForeignDataError(f"{one.place}: forward takes a zone and servers")
        sources = names(one.words[0], one.place)
        options = {inside.name: inside.words for inside in one.inside}
        name = (options.get("tls_servername") or ("",))[0]
        try:
            servers = [server for word in one.words[1:] for server in upstreams(word, name, options, one.place)]
        except ForeignDataError as error:
            self._refuse(one, str(error))
            return
        for source in sources:
            # `forward .` in the block of a zone is for the names of that zone.
            for zone in zones if source == "." else (source,):
                self._forward_zone(one, zone, servers)
        for excepted in options.get("except", ()):
            for zone in names(excepted, one.place):
                self._tree.setdefault("forward", {}).setdefault("zones", {}).setdefault(zone, "none")
        for inside in one.inside:
            self._forward_option(inside)

    def _forward_zone(self, one: Directive, zone: str, servers: list[str]) -> None:
        value: object = "system" if servers == ["system"] else servers
        if zone == f"auth.{self._domain}":
            self._map(
                one, "", f"the auth zone is answered here: see `zonemint import acme-dns` for its accounts ({zone})"
            )
        elif zone == ".":
            if self._set("forward", "servers", value, one.place):
                self._map(one, f"forward.servers = {value}")
        else:
            self._tree.setdefault("forward", {}).setdefault("zones", {})[zone] = value
            self._map(one, f'forward.zones."{zone}" = {value}')

    def _forward_option(self, one: Directive) -> None:
        word = one.words[0] if one.words else ""
        if one.name == "policy" and word in ("random", "round_robin", "sequential"):
            self._set("forward", "policy", word, one.place)
        elif one.name == "max_fails" and word.isdigit() and 0 < int(word) <= 100:
            self._set("forward", "max_fails", int(word), one.place)
        elif one.name == "max_concurrent" and word.isdigit() and 0 < int(word) <= 100_000:
            self._set("forward", "max_concurrent", int(word), one.place)
        elif one.name in ("expire", "health_check", "prefer_udp", "failfast_all_unhealthy_upstreams", "max_idle_conns"):
            self._map(one, "", "that is looked after without a setting")
        elif one.name not in ("except", "force_tcp", "tls_servername"):
            self._refuse(one, "the servers are not asked like that")

    def _cache(self, one: Directive, zones: tuple[str, ...]) -> None:
        success, denial, stale, prefetch = 3600, 1800, "", False
        if one.words and one.words[0].isdigit():
            success = denial = int(one.words[0])
        for inside in one.inside:
            words = inside.words
            if inside.name == "success" and len(words) > 1 and words[1].isdigit():
                success = int(words[1])
            elif inside.name == "denial" and len(words) > 1 and words[1].isdigit():
                denial = int(words[1])
            elif inside.name == "serve_stale":
                stale = length(words[0] if words else "1h", inside.place)
            elif inside.name == "prefetch":
                prefetch = bool(words) and words[0] != "0"
            elif inside.name in ("disable", "keepttl"):
                self._refuse(inside, "what others answer is remembered, and its time runs")
        self._set("forward", "max_ttl", f"{max(success, 1)}s", one.place)
        self._set("forward", "max_negative_ttl", f"{max(denial, 1)}s", one.place)
        self._set("forward", "prefetch", prefetch, one.place)
        if stale:
            self._set("forward", "serve_stale", stale, one.place)
        self._map(
            one, "forward.max_ttl and its kin", "answers of other servers are remembered, those of our zones made anew"
        )

    def _hosts_file(self, one: Directive, zones: tuple[str, ...]) -> None:
        lines: list[str] = []
        words = one.words
        if words or not one.inside:
            file = one.place.file.parent / (words[0] if words else "/etc/hosts")
            try:
                lines += file.read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise ForeignDataError(f"{one.place}: {file} cannot be read: {error}") from None
        for inside in one.inside:
            if is_address(inside.name):
                lines.append(" ".join((inside.name, *inside.words)))
            elif inside.name not in ("ttl", "reload", "fallthrough"):
                self._refuse(inside, "PTR records of a reverse zone say what its file or reverse_of says")
        self._hosts += lines
        self._map(
            one, 'dns.hosts = "hosts"', f"{len(lines)} lines; names that lie in no zone of ours are left to others"
        )

    def _secondary(self, one: Directive, zones: tuple[str, ...]) -> None:
        servers = [
            word
            for inside in one.inside
            if inside.name == "transfer" and inside.words[:1] == ("from",)
            for word in inside.words[1:]
        ]
        if not servers:
            raise ForeignDataError(f"{one.place}: secondary takes `transfer from` with servers")
        for zone in self._of(one, one.words, zones):
            self._zone(zone, "primaries", [endpoint(server, one.place) for server in servers])
            self._map(one, f'zones."{zone}".primaries')

    def _transfer(self, one: Directive, zones: tuple[str, ...]) -> None:
        for zone in self._of(one, one.words, zones):
            for inside in one.inside:
                if inside.name != "to" or not inside.words:
                    self._refuse(inside, "a transfer is to servers")
                    continue
                for word in inside.words:
                    if word == "*":
                        self._zone(zone, "allow_transfer", ["any"])
                        continue
                    server = endpoint(word, one.place)
                    address = server if is_address(server) else server.rpartition(":")[0].strip("[]")
                    self._zone(zone, "allow_transfer", [address])
                    self._zone(zone, "notify", [server])
            self._map(one, f'zones."{zone}".allow_transfer and notify')

    def _acl(self, one: Directive, zones: tuple[str, ...]) -> None:
        if one.words or zones != (".",):
            for inside in one.inside:
                self._refuse(inside, "clients are answered or not, whatever they ask: dns.allow and dns.deny")
            return
        found = rights(one)
        for inside, why in found.refused:
            self._refuse(inside, why)
        if not found.refused and self._is_only_acl(one, found):
            for key, value in found.settings.items():
                self._set("dns", key, value, one.place)
            self._map(one, "dns.allow, dns.deny and dns.denial")

    def _is_only_acl(self, one: Directive, found: Rights) -> bool:
        """See whether the rules are those of every other acl, and refuse them when they are not."""
        before = self._set_at.setdefault(("dns", "acl"), (found.settings, one.place))
        if before[0] != found.settings:
            self._refuse(one, f"{before[1]} has other rules, and there is one list of clients for all zones here")
        return before[0] == found.settings

    def _bind(self, one: Directive, zones: tuple[str, ...]) -> None:
        if len(one.words) != 1 or one.inside or not is_address(one.words[0]):
            self._refuse(one, "there is one address to listen on: listen.address")
        elif self._set("listen", "address", one.words[0], one.place):
            self._map(one, f'listen.address = "{one.words[0]}"')

    def _tls(self, one: Directive, zones: tuple[str, ...]) -> None:
        if len(one.words) < 2:
            self._map(one, "", "the server has a certificate of its own CA")
            return
        folder = one.place.file.parent
        certificate, key = (str((folder / word).absolute()) for word in one.words[:2])
        self._set("listen", "certificate", certificate, one.place)
        self._set("listen", "key", key, one.place)
        self._map(
            one, "listen.certificate and listen.key", "all listeners with TLS show it; leave it out for one of our own"
        )

    def _tsig(self, one: Directive, zones: tuple[str, ...]) -> None:
        for inside in one.inside:
            if inside.name in ("secret", "secrets"):
                # What follows is secret, or the file of a secret.
                whose = Directive(inside.name, inside.words[:1], (), inside.place)
                self._refuse(whose, "make a key with `zonemint tsig create NAME --transfer` for the others")
            elif inside.name != "require" or inside.words != ("none",):
                self._refuse(inside, "a signature is asked for where a key has a right, not by types")

    def _log(self, one: Directive, zones: tuple[str, ...]) -> None:
        classes = [word for inside in one.inside if inside.name == "class" for word in inside.words]
        before = self._tree.get("query_log")
        is_all = "." in zones or (before is not None and "names" not in before)
        names = [] if is_all else [*(before or {}).get("names", ()), *zones]
        self._tree["query_log"] = {"file": "-", **({"names": names} if names else {})}
        if classes and "all" not in classes:
            self._tree["query_log"]["classes"] = classes
        self._map(one, 'query_log.file = "-"', "the lines are on standard error, in the common format")

    def _health(self, one: Directive, zones: tuple[str, ...]) -> None:
        self._map(one, "", "it is at /ready of the HTTP port")

    def _prometheus(self, one: Directive, zones: tuple[str, ...]) -> None:
        self._set("dns", "coredns_metrics", True, one.place)
        self._map(one, "dns.coredns_metrics = true", "they are at /metrics of the HTTP port")

    def _nsid(self, one: Directive, zones: tuple[str, ...]) -> None:
        text = " ".join(one.words)
        if not text:
            self._refuse(one, "say what the server calls itself: dns.nsid")
        elif self._set("dns", "nsid", text, one.place):
            self._map(one, "dns.nsid")

    def _chaos(self, one: Directive, zones: tuple[str, ...]) -> None:
        version = one.words[0] if one.words else ""
        if version and self._set("dns", "version", version, one.place):
            self._map(one, "dns.version")

    def _loadbalance(self, one: Directive, zones: tuple[str, ...]) -> None:
        if one.words and one.words[0] == "weighted":
            self._refuse(one, "addresses have no weights")
        else:
            self._map(one, "", "addresses are in the order of the zone; clients choose among them (RFC 6724)")


def _filled(template: str, match: re.Match[str]) -> str:
    """Put the groups of a match into `{1}` and its like."""
    groups = ("", *match.groups())

    def group(number: re.Match[str]) -> str:
        at = int(number[1])
        return (groups[at] or "") if at < len(groups) else ""

    return re.sub(r"\{([0-9])\}", group, template)
