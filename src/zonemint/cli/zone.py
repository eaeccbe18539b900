"""`zonemint zone`: what each zone serves and why, and records beside its file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zonemint.cli.options import DataOption, JsonOption

if TYPE_CHECKING:
    from zonemint.app.contents import Content
    from zonemint.cli.session import Session

__all__ = ["app"]

_BY = "zonemint zone"
_LONGEST_TTL = 2**31 - 1  # seconds, RFC 2181 section 8

app = typer.Typer(help="Zones: what each serves and why, and records beside its file.", no_args_is_help=True)

ZoneArgument = Annotated[str, typer.Argument(metavar="ZONE", help="The zone's name; that of a view is VIEW/NAME.")]
NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="The record's name, relative to the zone or absolute; @ is the zone.")
]
TypeArgument = Annotated[str, typer.Argument(metavar="TYPE", help="The record's type, such as A, CNAME or TXT.")]


@app.command("list")
def list_zones(data: DataOption = None, as_json: JsonOption = False) -> None:
    """List the zones: serial, and how many records come from where."""
    from zonemint.app.zone_list import every
    from zonemint.cli.output import show_table
    from zonemint.cli.session import run

    async def read(session: Session) -> list[dict[str, object]]:
        return [await _summary(session, zone) for zone in every(session.config, session.data)]

    show_table(run(data, read), ["zone", "serial", "file", "implied", "dynamic"], as_json=as_json)


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


def _origin(session: Session, text: str) -> str:
    """Return the zone that a person named; raises ConfigError, BadName."""
    from zonemint.app.zone_list import plan_of
    from zonemint.core.names import normalize

    view, slash, name = text.rpartition("/")
    return plan_of(session.config, session.data, f"{view}{slash}{normalize(name)}").key


async def _contents(session: Session, zone: str) -> tuple[list[Content], int | None]:
    """Return what a zone serves, and the serial that it was last served with."""
    from zonemint.app.contents import contents

    return await contents(session.db, session.config, session.data, zone)


async def _summary(session: Session, zone: str) -> dict[str, object]:
    found, serial = await _contents(session, zone)
    sources = [one.source for one in found]
    return {"zone": zone, "serial": serial, **{of: sources.count(of) for of in ("file", "implied", "dynamic")}}


def _whence(one: Content) -> str:
    if one.source == "file":
        return f"{one.file}:{one.line}"
    return f"dynamic by {one.by}" if one.source == "dynamic" else one.source


async def _add(session: Session, zone: str, name: str, ttl: int, type_: str, words: list[str]) -> str:
    """Add the record, and tell what was done."""
    from zonemint.app import edits

    zone = _origin(session, zone)
    owner = edits.owner(session.config, session.data, zone, name)
    record = edits.read_record(zone, owner, ttl, edits.type_of(type_), words)
    added = await edits.add(session.db, session.config, session.data, zone, record, actor=session.actor, by=_BY)
    text = f"{owner} {record.ttl} {record.type} {record.data}"
    return f"added {text}" if added else f"{text} is there already"


async def _remove(session: Session, zone: str, name: str, type_: str, words: list[str]) -> list[str]:
    """Remove the records, and tell which."""
    from zonemint.app import edits

    zone = _origin(session, zone)
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
                found, _ = await _contents(session, zone)
            except ConfigError as error:
                refusals.append(str(error))
            else:
                state = "ok" if plan.file.exists() else "no such file, and the zone goes without it"
                print(f"{plan.file}: {state}, {len(found)} records")
        for stray, why in unserved(session.config, session.data):
            say(f"{stray} is not served: {why}")
        return refusals

    return run(data, work)


def _check_file(file: Path, origin: str | None) -> list[str]:
    """Check one file with what it implies; print that it is good, or return what is wrong with it."""
    from zonemint.app.zone_list import single
    from zonemint.app.zone_reading import build, fixed_records
    from zonemint.config import Config
    from zonemint.core.errors import BadName, ConfigError
    from zonemint.core.names import normalize

    if origin is None and file.suffix != ".zone":
        raise typer.BadParameter(f"it is needed: '{file.name}' does not end in .zone", param_hint="--origin")
    try:
        zone = normalize(origin or file.stem)
    except BadName as error:
        raise typer.BadParameter(str(error), param_hint="--origin") from None
    try:
        # Any address will do for the implied hosts.
        fixed = fixed_records(Config(zone), single(file, zone), "127.0.0.1")
        build(zone, fixed, [], serial=None, file=file)
    except ConfigError as error:
        return [str(error)]
    print(f"{file}: ok, {sum(one.line > 0 for one in fixed)} records")
    return []
