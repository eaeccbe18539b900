"""The fixed records of a zone, from its file and what it implies; and the zone that they and dynamic ones make."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from zonemint.app import derived
from zonemint.app.zone_list import Plan
from zonemint.config import Config, DataDir
from zonemint.core.errors import ConfigError
from zonemint.dns import codes, rdata, wire
from zonemint.dns.zones import implied, zonefile
from zonemint.dns.zones.filling import Filling
from zonemint.dns.zones.overlay import Edit
from zonemint.dns.zones.records import Record
from zonemint.dns.zones.zone import Zone
from zonemint.store.records import DynamicRecord

__all__ = ["Around", "Stamp", "ZoneFiles", "around", "build", "edit_of", "fill", "fixed_records", "stamp"]

Stamp = tuple[int, int] | None
"""A file's modification time in nanoseconds and size; None where there is none."""

_BLOCK = 1 << 16
_STRIDE = 64  # records that are read in half a millisecond or so


class ZoneFiles:
    """A zone's file and those that it includes, which lie in its folder.

    stamps: each file that was looked for; digest: stands for all that was read.
    """

    def __init__(self, file: Path) -> None:
        self.stamps: dict[Path, Stamp] = {}
        self.digest = sha256()
        self._file = file

    def entries(self, origin: str) -> Iterator[zonefile.Entry]:
        """Read the records, none where there is no file; raises ConfigError with file and line."""
        self.stamps[self._file] = stamp(self._file)
        if not self._file.exists():
            return iter(())
        return zonefile.entries(self._lines(self._file), origin, file=self._file, include=self._include)

    def _include(self, name: str, by: Path | str) -> tuple[Path, Iterable[str]]:
        folder = self._file.parent.resolve()
        file = (Path(by).parent / name).resolve()
        if not file.is_relative_to(folder):
            raise ConfigError(f"$INCLUDE: {name} lies outside of {folder}")
        self.stamps[file] = stamp(file)
        if not file.is_file():
            raise ConfigError(f"$INCLUDE: there is no file {file}")
        return file, self._lines(file)

    def _lines(self, file: Path) -> Iterator[str]:
        try:
            with file.open(encoding="utf-8-sig") as text:
                while block := text.readlines(_BLOCK):
                    self.digest.update("".join(block).encode())
                    yield from block
        except OSError as error:
            raise ConfigError(f"the zone file cannot be read: {error}", file=file) from error
        except UnicodeDecodeError:
            raise _not_text(file) from None


def _not_text(file: Path) -> ConfigError:
    """Say which byte of a file is not UTF-8, and where."""
    data = file.read_bytes()
    try:
        data.decode()
    except UnicodeDecodeError as error:
        byte = data[error.start]
        return ConfigError(
            f"the byte 0x{byte:02x} is not UTF-8; in a string write it as '\\{byte}'",
            file=file,
            line=data.count(b"\n", 0, error.start) + 1,
        )
    return ConfigError("the zone file was changed while it was read", file=file)


class Around(NamedTuple):
    """What a zone has from elsewhere: names of the hosts file, and the zones whose addresses it has pointers for."""

    hosts: Sequence[Record] = ()
    sources: Sequence[Zone] = ()


_NOTHING = Around()


def around(config: Config, data: DataDir, plan: Plan, zones: Container[str], sources: Sequence[Zone] = ()) -> Around:
    """Read what a zone has from elsewhere; zones: the names of all; raises ConfigError."""
    if not config.dns.hosts:
        return Around((), sources)
    found = derived.hosts(data.path / config.dns.hosts)
    return Around(derived.hosts_in(plan.origin, found, zones, ttl=int(config.dns.ttl)), sources)


def fill(
    config: Config, plan: Plan, files: ZoneFiles, address: str, beside: Around, filling: Filling
) -> Iterator[None]:
    """Put a zone together from its file and what belongs to it, in steps of a millisecond or so.

    address: that of the implied hosts. Raises ConfigError with file and line.
    """
    add = filling.add
    try:
        for number, entry in enumerate(files.entries(plan.origin)):
            add(*entry)
            if number % _STRIDE == 0:
                yield

        def given(name: str) -> Collection[str]:
            node = filling.nodes.get(wire.name_from_text(name), ())
            return [codes.type_to_text(rrset.type) for rrset in node]

        for number, one in enumerate(_others(config, plan, given, address, beside)):
            files.digest.update(f"{one.name} {one.ttl} {one.type} {one.data}\n".encode())
            type_ = codes.type_from_text(one.type)
            add(wire.name_from_text(one.name), type_, one.ttl, rdata.from_text(type_, one.data))
            if number % _STRIDE == 0:
                yield
        yield from filling.check()
    except ConfigError as error:
        if error.file is not None:
            raise
        raise ConfigError(error.detail, file=plan.file, line=error.line or None) from None


def fixed_records(config: Config, plan: Plan, address: str, beside: Around = _NOTHING) -> list[Record]:
    """Return the records of a zone's file, if there is one, and what they imply; raises ConfigError with the line.

    address: that of the implied hosts; a record with a line is from the file, one without is implied.
    """
    given = zonefile.as_text(ZoneFiles(plan.file).entries(plan.origin))
    types: dict[str, set[str]] = {}
    for record in given:
        types.setdefault(record.name, set()).add(record.type)
    return [*given, *_others(config, plan, lambda name: types.get(name, ()), address, beside)]


def _others(
    config: Config, plan: Plan, given: Callable[[str], Collection[str]], address: str, beside: Around
) -> list[Record]:
    """Return what a zone has beside its file: of the hosts file, implied, and pointers; each but where others are."""
    hosts = [one for one in beside.hosts if not given(one.name)]
    types: dict[str, set[str]] = {}
    for one in hosts:
        types.setdefault(one.name, set()).add(one.type)
    added = implied.private_zone(
        plan.origin,
        lambda name: given(name) or types.get(name, ()),
        server=plan.server,
        hosts=plan.hosts,
        cuts=(*plan.auth, *plan.cuts),
        address=address,
        ttl=int(config.dns.ttl),
        negative_ttl=int(config.dns.negative_ttl),
    )
    return [*hosts, *added, *derived.pointers(plan.origin, beside.sources, given)]


def build(
    origin: str, fixed: Sequence[Record], dynamic: Sequence[DynamicRecord], *, serial: int | None, file: Path
) -> Zone:
    """Put a zone together; raises ConfigError with the place in the file when its records contradict each other."""
    beside = [Record(one.name, one.ttl, one.type, one.data) for one in dynamic]
    try:
        return Zone.build(origin, [*fixed, *beside], serial=serial)
    except ConfigError as error:
        raise ConfigError(error.detail, file=file, line=error.line or None) from None


def edit_of(name: str, type_: str, ttl: int, data: str, *, added: bool = True) -> Edit:
    """Return a dynamic record that comes or goes in wire form; raises ConfigError."""
    number = codes.type_from_text(type_)
    return Edit(added, wire.name_from_text(name), number, ttl, rdata.from_text(number, data))


def stamp(file: Path) -> Stamp:
    """Return what tells whether a file changed."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
