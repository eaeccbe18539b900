"""`zonemint zone`: what each zone serves and why, and records beside its file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zonemint.cli.options import DataOption, JsonOption

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zonemint.app.contents import Content
    from zonemint.app.zone_import import Difference
    from zonemint.app.zone_list import Plan
    from zonemint.cli.session import Session

__all__ = ["app"]

_BY = "zonemint zone"
_FIELDS = ("name", "ttl", "type", "data")
_LONGEST_TTL = 2**31 - 1  # seconds, RFC 2181 section 8

app = typer.Typer(help="Zones: what each serves and why, and records beside its file.", no_args_is_help=True)

ZoneArgument = Annotated[str, typer.Argument(metavar="ZONE", help="The zone's name; that of a view is VIEW/NAME.")]
NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="The record's name, relative to the zone or absolute; @ is the zone.")
]
FileArgument = Annotated[
    Path,
    typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True, help="A zone file, wherever it is."),
]
OriginOption = Annotated[
    str | None, typer.Option("--origin", metavar="ZONE", help="The zone that FILE is for; else its name less .zone.")
]
TypeArgument = Annotated[str, typer.Argument(metavar="TYPE", help="The record's type, such as A, CNAME or TXT.")]


@app.command("list")
def list_zones(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List the zones: serial, and how many records come from where."""
    from zonemint.app.zone_list import every
    from zonemint.cli.output import show_table
    from zonemint.cli.session import run

    async def read(session: Session) -> list[dict[str, object]]:
        zones = every(session.config, session.data)
        return [await _summary(session, plan, zones) for plan in zones.values()]

    show_table(run(data, read), ["zone", "kind", "serial", "file", "implied", "dynamic"], as_json=as_json)


@app.command("show")
def show(zone: ZoneArgument, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show every record of a zone and where it comes from."""
    import msgspec

    from zonemint.cli.output import show_table
    from zonemint.cli.session import run

    found, _ = run(data, lambda session: _contents(session, _origin(session, zone)))
    rows = [{**msgspec.structs.asdict(one), "from": _whence(one)} for one in found]
    show_table(rows, ["name", "ttl", "type", "from", "data"], as_json=as_json)


@app.command("check")
def check(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True, help="One file, wherever it is."),
    ] = None,
    origin: Annotated[
        str | None,
        typer.Option("--origin", metavar="ZONE", help="The zone that FILE is for; else its name less .zone."),
    ] = None,
    data: DataOption = None,
) -> None:
    """Say whether zones can be served.

    If not, it tells the file and the line. Without FILE, it is every zone of the data folder with its
    dynamic records. FILE is checked by itself.
    """
    from zonemint.cli.output import say

    if file is None and origin is not None:
        raise typer.BadParameter("it goes with FILE", param_hint="--origin")
    refusals = _check_folder(data) if file is None else _check_file(file, origin)
    for refusal in refusals:
        say(f"zonemint: {refusal}")
    if refusals:
        raise typer.Exit(1)


@app.command("add")
def add(
    zone: ZoneArgument,
    name: NameArgument,
    ttl: Annotated[int, typer.Argument(metavar="TTL", min=0, max=_LONGEST_TTL, help="Time to live, seconds.")],
    type_: TypeArgument,
    words: Annotated[list[str], typer.Argument(metavar="DATA", help="As in a zone file; a TXT needs no quotes.")],
    data: DataOption = None,
) -> None:
    """Add a record beside the zone file.

    A running server answers with it at once.
    """
    from zonemint.cli.session import run

    print(run(data, lambda session: _add(session, zone, name, ttl, type_, words)))


@app.command("remove")
def remove(
    zone: ZoneArgument,
    name: NameArgument,
    type_: TypeArgument,
    words: Annotated[list[str] | None, typer.Argument(metavar="[DATA]", help="Only the record with this data.")] = None,
    data: DataOption = None,
) -> None:
    """Remove records that are not in the zone file.

    They are those of a name and type, or the one with this data.
    """
    from zonemint.cli.session import run

    for line in run(data, lambda session: _remove(session, zone, name, type_, words or [])):
        print(line)


@app.command("export")
def export(zone: ZoneArgument, data: DataOption = None) -> None:
    """Print a zone as a zone file.

    It has what the file says, what is implied and what is dynamic, in canonical order.
    """
    from zonemint.cli.session import run
    from zonemint.dns.zones import zonefile
    from zonemint.dns.zones.records import Record

    found, _ = run(data, lambda session: _contents(session, _origin(session, zone)))
    print(zonefile.write(Record(one.name, one.ttl, one.type, one.data) for one in found), end="")


@app.command("import")
def bring(
    file: FileArgument,
    zone: OriginOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take the records of a zone file into the store, beside the zone's own file.

    All of them or, when one cannot be served, none. The SOA stays out. A running server answers with them at once.
    """
    from zonemint.cli.output import show_facts
    from zonemint.cli.session import run

    done = run(data, lambda session: _bring(session, file, zone))
    if as_json:
        show_facts(done, as_json=True)
    else:
        print(f"{done['new']} records are new, {done['changed']} have another TTL, {done['there']} were there already")


@app.command("diff")
def diff(
    file: FileArgument,
    other: Annotated[
        Path | None,
        typer.Argument(
            metavar="[OTHER]", exists=True, dir_okay=False, readable=True, help="A file to compare it with."
        ),
    ] = None,
    zone: OriginOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a zone file would change if it took the place of the zone's own file.

    With OTHER, say what leads from FILE to OTHER, and no data folder is needed. The exit status is 1 where something
    differs. The SOA's serial does not count.
    """

    from zonemint.cli.output import show_table
    from zonemint.cli.session import run

    origin = _zone_of_file(file, zone)
    found = _between(file, other, origin) if other else run(data, lambda session: _against(session, file, origin))
    if as_json:
        rows = [{"added": one.added, **{key: getattr(one.record, key) for key in _FIELDS}} for one in found]
        show_table(rows, ["added", *_FIELDS], as_json=True)
    else:
        for one in found:
            print("+-"[not one.added], *(getattr(one.record, key) for key in _FIELDS))
    if found:
        raise typer.Exit(1)


async def _bring(session: Session, file: Path, zone: str | None) -> dict[str, int]:
    from zonemint.app.zone_import import bring

    origin = _origin(session, _zone_of_file(file, zone), to_change=True)
    done = await bring(session.db, session.config, session.data, origin, file, actor=session.actor, by=_BY)
    return done._asdict()


def _between(file: Path, other: Path, origin: str) -> list[Difference]:
    from zonemint.app.zone_import import differences, read

    return differences(read(file, origin), read(other, origin))


async def _against(session: Session, file: Path, origin: str) -> list[Difference]:
    from zonemint.app.contents import contents
    from zonemint.app.zone_import import differences
    from zonemint.dns.zones.records import Record

    key = _origin(session, origin)
    old, _ = await contents(session.db, session.config, session.data, key)
    new, _ = await contents(session.db, session.config, session.data, key, file=file)
    before, after = ([Record(one.name, one.ttl, one.type, one.data) for one in some] for some in (old, new))
    return differences(before, after)


def _zone_of_file(file: Path, origin: str | None) -> str:
    """Return the zone that a file is for; a usage error where nothing says so."""
    from zonemint.core.errors import BadName
    from zonemint.core.names import normalize

    if origin is None and file.suffix != ".zone":
        raise typer.BadParameter(f"it is needed: '{file.name}' does not end in .zone", param_hint="--origin")
    view, slash, name = (origin or file.stem).rpartition("/")
    try:
        return f"{view}{slash}{normalize(name)}"
    except BadName as error:
        raise typer.BadParameter(str(error), param_hint="--origin") from None


def _origin(session: Session, text: str, *, to_change: bool = False) -> str:
    """Return the zone that a person named; raises ConfigError, BadName."""
    from zonemint.app.zone_list import check_is_ours, plan_of
    from zonemint.core.names import normalize

    view, slash, name = text.rpartition("/")
    plan = plan_of(session.config, session.data, f"{view}{slash}{normalize(name)}")
    if to_change:
        check_is_ours(plan)
    return plan.key


def _state(plan: Plan) -> str:
    from zonemint.app.zone_list import Kind

    if plan.kind is Kind.SECONDARY:
        return "the copy of a secondary zone" if plan.file.exists() else "no copy of the secondary zone yet"
    return "ok" if plan.file.exists() else "no such file, and the zone goes without it"


async def _contents(
    session: Session, zone: str, zones: Mapping[str, Plan] | None = None
) -> tuple[list[Content], int | None]:
    """Return what a zone serves, and the serial that it was last served with."""
    from zonemint.app.contents import contents

    return await contents(session.db, session.config, session.data, zone, zones=zones)


async def _summary(session: Session, plan: Plan, zones: Mapping[str, Plan]) -> dict[str, object]:
    found, serial = await _contents(session, plan.key, zones)
    sources = [one.source for one in found]
    return {
        "zone": plan.key,
        "kind": plan.kind.value,
        "serial": serial,
        **{of: sources.count(of) for of in ("file", "implied", "dynamic")},
    }


def _whence(one: Content) -> str:
    if one.source == "file":
        return f"{one.file}:{one.line}"
    return f"dynamic by {one.by}" if one.source == "dynamic" else one.source


async def _add(session: Session, zone: str, name: str, ttl: int, type_: str, words: list[str]) -> str:
    """Add the record, and tell what was done."""
    from zonemint.app import edits

    zone = _origin(session, zone, to_change=True)
    owner = edits.owner(session.config, session.data, zone, name)
    record = edits.read_record(zone, owner, ttl, edits.type_of(type_), words)
    added = await edits.add(session.db, session.config, session.data, zone, record, actor=session.actor, by=_BY)
    text = f"{owner} {record.ttl} {record.type} {record.data}"
    return f"added {text}" if added else f"{text} is there already"


async def _remove(session: Session, zone: str, name: str, type_: str, words: list[str]) -> list[str]:
    """Remove the records, and tell which."""
    from zonemint.app import edits

    zone = _origin(session, zone, to_change=True)
    owner, type_ = edits.owner(session.config, session.data, zone, name), edits.type_of(type_)
    wanted = edits.read_record(zone, owner, 0, type_, words).data if words else None
    gone = await edits.remove(session.db, session.config, session.data, zone, owner, type_, wanted, actor=session.actor)
    return [f"removed {one.name} {one.ttl} {one.type} {one.data}" for one in gone]


def _check_folder(data: Path | None) -> list[str]:
    """Check every zone of the data folder, print the good ones, and return what is wrong with others."""
    from zonemint.app.zone_list import every, unserved
    from zonemint.cli.output import say
    from zonemint.cli.session import run
    from zonemint.core.errors import ConfigError

    async def work(session: Session) -> list[str]:
        refusals = []
        wanted = every(session.config, session.data)
        for zone, plan in wanted.items():
            try:
                found, _ = await _contents(session, zone, wanted)
            except ConfigError as error:
                refusals.append(str(error))
            else:
                print(f"{plan.file}: {_state(plan)}, {len(found)} records")
        for stray, why in unserved(session.config, session.data):
            say(f"{stray} is not served: {why}")
        return refusals

    return run(data, work)


def _check_file(file: Path, origin: str | None) -> list[str]:
    """Check one file with what it implies; print that it is good, or return what is wrong with it."""
    from zonemint.app.zone_list import single
    from zonemint.app.zone_reading import build, fixed_records
    from zonemint.config import Config
    from zonemint.core.errors import ConfigError

    zone = _zone_of_file(file, origin)
    try:
        # Any address will do for the implied hosts.
        fixed = fixed_records(Config(zone), single(file, zone), "127.0.0.1")
        build(zone, fixed, [], serial=None, file=file)
    except ConfigError as error:
        return [str(error)]
    print(f"{file}: ok, {sum(one.line > 0 for one in fixed)} records")
    return []
