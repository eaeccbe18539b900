"""`zonemint db`: is the store sound, how large is it, and how does it get to another engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zonemint.cli.options import DatabaseOption, DataOption, JsonOption

if TYPE_CHECKING:
    from zonemint.app.examination import Verdict
    from zonemint.store.transfer.copy import Copied
    from zonemint.store.transfer.ends import Sizes

__all__ = ["app"]

app = typer.Typer(help="The store: check, measure, shrink and copy it.", no_args_is_help=True)


@app.command()
def check(
    every: Annotated[
        bool, typer.Option("--all", help="Read all certificates and the whole audit log, not the newest 1000 of each.")
    ] = False,
    database: DatabaseOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether the store is sound; exit status 1 if it is not.

    It looks at one moment of the store, and a server may run.
    """
    import asyncio

    from zonemint.app.examination import examine
    from zonemint.cli.output import say, show_table
    from zonemint.cli.progress import shown_progress
    from zonemint.store.transfer.opening import snapshot

    async def verdicts() -> list[Verdict]:
        with shown_progress() as progress:
            async with snapshot(*_place(data, database)) as store:
                return [one async for one in examine(store, every=every, progress=progress)]

    found = asyncio.run(verdicts())
    rows = [{"check": one.check, "result": "; ".join(one.wrong) or "ok", "wrong": one.wrong} for one in found]
    show_table(rows, ["check", "result"], as_json=as_json)
    if bad := [one for one in found if one.wrong]:
        for one in bad:
            say(f"to do: {one.check}: {one.advice}")
        raise typer.Exit(1)


@app.command()
def stats(database: DatabaseOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show how large the store is, table by table."""
    import asyncio

    from zonemint.cli.output import show_facts, show_table
    from zonemint.core.clock import rfc3339
    from zonemint.store import certificates
    from zonemint.store.transfer.opening import snapshot

    async def read() -> tuple[dict[str, object], Sizes]:
        async with snapshot(*_place(data, database)) as store:
            sizes = await store.sizes()
            issued, oldest, newest = await store.read(certificates.extent())
            return {
                "engine": store.engine,
                "schema": store.schema,
                "file_bytes": sizes.file,
                "log_bytes": sizes.log,
                "free_bytes": sizes.free,
                "certificates": issued,
                "bytes_per_certificate": (sizes.file - (sizes.free or 0)) // issued if issued else None,
                "oldest": None if oldest is None else rfc3339(oldest),
                "newest": None if newest is None else rfc3339(newest),
            }, sizes

    facts, sizes = asyncio.run(read())
    tables = [one._asdict() for one in sizes.tables]
    if as_json:
        show_facts({**facts, "tables": tables}, as_json=True)
        return
    show_facts(facts, as_json=False)
    print()
    show_table(tables, ["name", "rows", "bytes"], as_json=False)


@app.command()
def vacuum(
    block: Annotated[
        bool, typer.Option("--block", help="Do it although a server runs: it can write nothing meanwhile.")
    ] = False,
    database: DatabaseOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give back what deleted rows took.

    SQLite writes the whole file anew and lets nobody write meanwhile, so it is refused while a server runs, unless
    --block is given. PostgreSQL does it beside all else.
    """
    import asyncio
    import os
    import time

    from zonemint.cli.output import show_facts
    from zonemint.config import DataDir, data_dir
    from zonemint.core.errors import ConfigError
    from zonemint.core.files import hold
    from zonemint.store.transfer.opening import vacuum as work

    url, file = _place(data, database)
    if not url and not block:
        try:
            os.close(hold(DataDir(data_dir(data)).pki))
        except BlockingIOError:
            seconds = max(1, file.stat().st_size // 50_000_000)
            raise ConfigError(
                f"a server runs on this folder and could write nothing for about {seconds} s: "
                "stop it first, or give --block",
                file=file.parent,
            ) from None
        except FileNotFoundError:
            pass  # no keys, so no server
    began = time.perf_counter()
    before, after = asyncio.run(work(url, file))
    took = round(time.perf_counter() - began, 3)
    show_facts({"bytes_before": before, "bytes_after": after, "seconds": took}, as_json=as_json)


@app.command()
def copy(
    to: Annotated[
        str, typer.Option("--to", metavar="URL|FILE", help="An empty PostgreSQL database, or a new SQLite file.")
    ],
    database: DatabaseOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy the whole store to another engine or file.

    It is one moment of the store, all of it or nothing, and read back. Stop the servers first: what they write
    afterwards is not in the copy.
    """
    import asyncio

    from zonemint.cli.output import say, show_table
    from zonemint.cli.progress import shown_progress
    from zonemint.config import DataDir, data_dir
    from zonemint.core.text import without_password
    from zonemint.store.transfer.copy import copy as work
    from zonemint.store.transfer.opening import is_url, snapshot, target

    async def copied() -> list[Copied]:
        with shown_progress() as progress:
            async with snapshot(*_place(data, database)) as source, target(to) as filled:
                return await work(source, filled, progress)

    show_table([one._asdict() for one in asyncio.run(copied())], ["table", "rows"], as_json=as_json)
    folder = DataDir(data_dir(data))
    if is_url(to):
        say(f'next: set database = "{without_password(to)}" below [store] in {folder.config}, with its password')
    else:
        say(f'next: put it in place as {folder.database}, and set database = "" below [store] in {folder.config}')


def _place(data: Path | None, database: str | None) -> tuple[str, Path]:
    """Return the URL of the store, empty where there is none, and the file that it is else."""
    from zonemint.config import DataDir, data_dir, database_url, load

    folder = DataDir(data_dir(data))
    return database_url(database, load(folder.config).store.database), folder.database
