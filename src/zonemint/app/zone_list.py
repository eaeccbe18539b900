"""Which zones there are: the domains, those of the settings, and every file in the folder of zones."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from zonemint.config import Config, DataDir, ZoneSettings
from zonemint.core.errors import BadName, ConfigError
from zonemint.core.names import is_within, normalize, parent

__all__ = [
    "Kind",
    "Plan",
    "auth_of",
    "check_is_ours",
    "every",
    "nearest",
    "owning",
    "plan_of",
    "plans",
    "served",
    "single",
    "unserved",
    "view_folders",
    "view_plans",
    "zone_of",
]


class Kind(Enum):
    """Who fills a zone: its file and the dynamic records beside it, or the servers that it is taken from."""

    PRIMARY = "primary"
    SECONDARY = "secondary"


class Plan(NamedTuple):
    """A zone that is to be served.

    server: its name server, unless its file names others; hosts: names in it that have our address; cuts: the zones
    right below that are ours too; auth: those right below that are the acme-dns API's; sources: the zones whose
    addresses it has names for; required: whether there is no start without it; view: whose it is, empty for the usual.
    """

    origin: str
    file: Path
    kind: Kind
    server: str
    hosts: tuple[str, ...] = ()
    cuts: tuple[str, ...] = ()
    auth: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    required: bool = False
    view: str = ""

    @property
    def key(self) -> str:
        """What it is called among all plans, and in the store."""
        return f"{self.view}/{self.origin}" if self.view else self.origin


def auth_of(config: Config) -> str:
    """Return the first auth zone's name, where accounts are unless it is said otherwise."""
    return config.auth_zones[0]


def plans(config: Config, data: DataDir) -> dict[str, Plan]:
    """Return the zones by their names, the domains first; without the role `dns` these are all."""
    origins = dict.fromkeys(config.domains)
    if "dns" in config.roles:
        origins |= dict.fromkeys(config.zones)
        origins |= dict.fromkeys(_stray(data, config))
    auth_zones = config.auth_zones if "acmedns" in config.roles else ()
    cuts: dict[str, list[str]] = {}
    auth: dict[str, list[str]] = {}
    for below, found in ((origins, cuts), (auth_zones, auth)):
        for name in below:
            if (above := nearest(parent(name), origins)) is not None:
                found.setdefault(above, []).append(name)
    return {
        origin: _plan(config, _file(config, data, origin), origin)._replace(
            cuts=tuple(cuts.get(origin, ())),
            auth=tuple(auth.get(origin, ())),
            sources=config.zones.get(origin, ZoneSettings()).reverse_of,
        )
        for origin in origins
    }


def every(config: Config, data: DataDir) -> dict[str, Plan]:
    """Return the usual zones and those of the views, by their keys."""
    usual = plans(config, data)
    return {**usual, **view_plans(config, data, usual)}


def check_is_ours(plan: Plan) -> None:
    """Raise ConfigError for a zone that has no dynamic records."""
    if plan.view:
        raise ConfigError(f"{plan.key} has the records of its file and no others: edit {plan.file}")
    if plan.kind is not Kind.PRIMARY:
        raise ConfigError(f"{plan.key} is a secondary zone: its records are those of its primaries")


def view_plans(config: Config, data: DataDir, usual: Mapping[str, Plan]) -> dict[str, Plan]:
    """Return the zones of the views by their keys: each file in a view's folder is one, instead of a usual zone."""
    found = {}
    for view, folder in view_folders(config, data).items():
        for file in sorted(folder.glob("*.zone")):
            if (origin := _origin_of(file)) is None or not _is_ours(origin, config) or "dns" not in config.roles:
                continue
            like = usual.get(origin) or _plan(config, file, origin)
            plan = like._replace(file=file, sources=(), required=False, view=view)
            found[plan.key] = plan
    return found


def view_folders(config: Config, data: DataDir) -> dict[str, Path]:
    """Return the folder of each view."""
    return {name: data.path / (one.zones or f"views/{name}") for name, one in config.views.items()}


def plan_of(config: Config, data: DataDir, key: str) -> Plan:
    """Return the plan of one zone that there is, by its key; raises ConfigError when there is none."""
    found = every(config, data)
    if key not in found:
        raise ConfigError(f"there is no zone '{key}' here; there is {', '.join(found)}")
    return found[key]


def single(file: Path, origin: str) -> Plan:
    """Return the plan of a zone by itself, whose file may be anywhere."""
    return _plan(Config(origin), file, origin)


def nearest(name: str, zones: Container[str]) -> str | None:
    """Return the zone that a name belongs to: the longest at or above it."""
    while name and name not in zones:
        name = parent(name)
    return name or None


def served(config: Config, data: DataDir) -> Mapping[str, Plan]:
    """Return the zones that are answered here; none without the role `dns`."""
    return plans(config, data) if "dns" in config.roles else {}


def owning(name: str, zones: Mapping[str, Plan]) -> str | None:
    """Return the zone that a name belongs to, if its records are made here; a secondary zone's are not."""
    found = nearest(name, zones)
    return found if found is not None and zones[found].kind is Kind.PRIMARY else None


def zone_of(config: Config, data: DataDir, name: str) -> str | None:
    """Return the zone of ours that a name belongs to, None when it is nobody's here."""
    return owning(name, served(config, data))


def unserved(config: Config, data: DataDir) -> Iterator[tuple[Path, str]]:
    """Yield the files in the folder of zones that no zone is read from, and why."""
    files = {plan.file for plan in plans(config, data).values()}
    for file in sorted(data.zones.glob("*.zone")):
        if file in files:
            continue
        try:
            name = normalize(file.stem)
        except BadName as error:
            yield file, str(error)
            continue
        if file.stem != name:
            yield file, f"a zone's file is called {name}.zone"
        elif "dns" not in config.roles:
            yield file, "no DNS server runs here"
        elif not _is_ours(name, config):
            yield file, f"'{name}' lies in an auth zone: the records there are those of the acme-dns API"
        else:
            yield file, f"the settings have another file for the zone '{name}'"


def _stray(data: DataDir, config: Config) -> Iterator[str]:
    """Yield the names of zones whose files are in the folder; see `unserved` for the others."""
    for file in sorted(data.zones.glob("*.zone")):
        if (origin := _origin_of(file)) is not None and _is_ours(origin, config):
            yield origin


def _origin_of(file: Path) -> str | None:
    """Return the zone that a file's name says, in the one spelling that names have."""
    with suppress(BadName):
        return file.stem if file.stem == normalize(file.stem) else None
    return None


def _plan(config: Config, file: Path, origin: str) -> Plan:
    is_domain = origin in config.domains
    server = f"ns1.{origin if is_domain else config.domain}"
    hosts: tuple[str, ...] = (server,) if is_domain else ()
    if origin == config.domain and "ca" in config.roles:
        hosts += (f"ca.{origin}",)
    kind = Kind.SECONDARY if config.zones.get(origin, ZoneSettings()).primaries else Kind.PRIMARY
    return Plan(origin, file, kind, server, hosts, required=is_domain)


def _is_ours(name: str, config: Config) -> bool:
    return not any(is_within(name, zone) for zone in config.auth_zones)


def _file(config: Config, data: DataDir, origin: str) -> Path:
    said = config.zones.get(origin, ZoneSettings())
    if said.primaries:
        return data.secondary / f"{origin}.zone"
    return data.path / said.file if said.file else data.zone_file(origin)
