"""`zonemint audit`: who had issued, revoked or changed what, and whether the log of it is whole."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from zonemint.cli.options import DataOption, JsonOption

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from zonemint.cli.session import Session
    from zonemint.core.hash_chain import Chain, Entry, Head

__all__ = ["app"]

_PAGE = 1000  # entries that are in memory at once

app = typer.Typer(help="The audit log: who did what, and whether it is whole.", no_args_is_help=True)


@app.command("list")
def list_entries(
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="The newest N.")] = 50,
    event: Annotated[
        str | None, typer.Option("--event", metavar="EVENT", help="Only these, such as certificate.issued.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", metavar="TEXT", help="Only about this serial, account, name or key.")
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List entries, newest first."""
    from zonemint.cli.output import show_table
    from zonemint.cli.session import run
    from zonemint.store import audit

    if event not in (None, *audit.Kind):
        raise typer.BadParameter(f"'{event}' is not one of {', '.join(audit.Kind)}", param_hint="--event")
    wanted = audit.listing(limit=limit, event=event, subject=subject)
    found = run(data, lambda session: session.db.read(wanted))
    columns = ["sequence", "at", "event", "actor", "subject"]
    show_table([_row(entry) for entry in found], columns, as_json=as_json)


@app.command("verify")
def verify(
    head: Annotated[
        str | None, typer.Option("--head", metavar="SEQ:HASH", help="An entry that must be there, noted earlier.")
    ] = None,
    file: Annotated[
        typer.FileBinaryRead | None,
        typer.Option("--file", metavar="FILE", help="An export instead of the store; - is standard input."),
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether the log is whole.

    If not, it tells the first entry that is wrong. What was cut off at the end shows only beside a head that
    was noted earlier.
    """
    from zonemint.cli.output import show_facts
    from zonemint.cli.session import run

    kept = _head(head)
    chain = run(data, lambda session: _verify(session, kept)) if file is None else _verify_file(file, kept)
    show_facts(_summary(chain), as_json=as_json)


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="Where to; - or none is standard output.")] = Path("-"),
    begin: Annotated[int, typer.Option("--from", metavar="SEQ", min=1, help="Begin with this entry.")] = 1,
    data: DataOption = None,
) -> None:
    """Write the log as JSON lines, oldest first.

    The head is told beside it: keep it where whoever can write the store cannot.
    """
    from zonemint.cli.output import say
    from zonemint.cli.session import run

    with _opened(file) as target:
        written = run(data, lambda session: _export(session, begin, target))
    say(f"{written.count} entries; the head is {written.head}")


def _opened(file: Path) -> AbstractContextManager[BinaryIO]:
    """Open what the export goes to; a file is replaced when all is written, and a pipe or device is not replaced."""
    from contextlib import nullcontext

    from zonemint.core.files import writing

    if str(file) == "-":
        return nullcontext(sys.stdout.buffer)
    return file.open("wb") if file.exists() and not file.is_file() else writing(file, private=True)


async def _verify(session: Session, kept: Head | None) -> Chain:
    """Follow the store's log, and hold the certificates against it; raises AuditBroken."""
    from zonemint.core.errors import AuditBroken
    from zonemint.core.hash_chain import Chain
    from zonemint.store import audit

    chain = Chain(whole=True, kept=kept)
    await _walk(session, 1, chain.follow)
    chain.finish()
    for missing in await session.db.read(audit.unaccounted()):
        if missing.certificates:
            raise AuditBroken(
                f"{missing.certificates} of the certificates have no entry '{missing.kind}' in the audit log, "
                f"the first of them {missing.serial}"
            )
    return chain


def _verify_file(file: BinaryIO, kept: Head | None) -> Chain:
    """Follow an export, which may begin after the first entry; raises AuditBroken, ForeignDataError."""
    from zonemint.core.hash_chain import LONGEST_LINE, Chain, entries

    chain = Chain(whole=False, kept=kept)
    for entry in entries(iter(lambda: file.readline(LONGEST_LINE + 2), b"")):
        chain.follow(entry)
    chain.finish()
    return chain


async def _export(session: Session, begin: int, target: BinaryIO) -> Chain:
    """Write the entries from one on, each after it was looked at; raises AuditBroken."""
    from zonemint.core.hash_chain import Chain, encode

    chain = Chain(whole=begin == 1)

    def write(entry: Entry) -> None:
        chain.follow(entry)
        target.write(encode(entry) + b"\n")

    await _walk(session, begin, write)
    target.flush()
    return chain


async def _walk(session: Session, begin: int, take: Callable[[Entry], None]) -> None:
    """Hand over the store's entries, from one on until the one that is the newest now, and show how far it is."""
    from zonemint.cli.progress import counted
    from zonemint.store import audit

    last, after = (await session.db.read(audit.head())).sequence, begin - 1
    with counted("audit log", last - after) as advance:
        while entries := await session.db.read(audit.page(after=after, until=last, limit=_PAGE)):
            for entry in entries:
                take(entry)
            after = entries[-1].sequence
            advance(len(entries))


def _head(text: str | None) -> Head | None:
    from zonemint.core.hash_chain import Head

    try:
        return None if text is None else Head.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--head") from None


def _summary(chain: Chain) -> dict[str, object]:
    return {
        "entries": chain.count,
        "first": None if chain.first is None else _place(chain.first),
        "last": None if chain.last is None else _place(chain.last),
        "head": str(chain.head),
    }


def _place(entry: Entry) -> str:
    return f"{entry.sequence} of {_time(entry)}"


def _row(entry: Entry) -> dict[str, object]:
    import msgspec

    return {**msgspec.structs.asdict(entry), "at": _time(entry)}


def _time(entry: Entry) -> str:
    from zonemint.core.clock import rfc3339

    return rfc3339(entry.at / 1000)
