"""`zonemint restore`: a data folder out of a backup, or a backup that is only verified."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zonemint.cli.options import DataOption

if TYPE_CHECKING:
    import io

    from zonemint.backup.manifest import Manifest

__all__ = ["restore"]


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup; - is the standard input.")],
    only_check: Annotated[bool, typer.Option("--check", help="Only say whether the backup is good.")] = False,
    password_file: Annotated[
        Path | None, typer.Option("--password-file", metavar="FILE", help="The password is the first line of a file.")
    ] = None,
    identity: Annotated[
        Path | None, typer.Option("--identity", metavar="FILE", help="The file of age-keygen whose key opens it.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Move a folder aside that is not empty.")] = False,
    database: Annotated[
        str | None,
        typer.Option(
            "--database", metavar="URL", help="An empty PostgreSQL database for the store; else $ZONEMINT_DATABASE."
        ),
    ] = None,
    data: DataOption = None,
) -> None:
    """Make a data folder out of a backup, after all of it was verified.

    No server may run on the folder. With --database the store goes into that database, which must be empty, and
    else into the folder, wherever it was before.
    """
    import asyncio
    import time

    from zonemint.backup import restore as work
    from zonemint.backup.encryption import Keys, is_encrypted, read_identities
    from zonemint.cli.backup import facts, read_password
    from zonemint.cli.output import say, show_facts
    from zonemint.cli.progress import shown_progress
    from zonemint.cli.session import actor
    from zonemint.config import data_dir, database_url

    folder = data_dir(data)
    with _opened(file) as source, shown_progress() as progress:
        keys = Keys()
        if identity is not None:
            keys = Keys(others=read_identities(identity))
        elif password_file is not None or (is_encrypted(source) and str(file) != "-" and sys.stdin.isatty()):
            keys = Keys(read_password(password_file))
        if only_check:
            about = work.check(source, keys, progress=progress)
            show_facts({"backup": "good", **facts(about)}, as_json=False)
            return
        about, aside = asyncio.run(
            work.restore(
                source,
                keys,
                folder,
                database=database_url(database, ""),
                force=force,
                actor=actor(),
                now=time.time(),
                progress=progress,
            )
        )
    show_facts({"data": folder, **facts(about)}, as_json=False)
    if aside is not None:
        say(f"note: what was there before is in {aside}")
    for lack in _lacks(about):
        say(f"note: {lack}")
    say("note: what was issued or revoked after the backup is not in it: revoke again what has to be")
    say(f"next: zonemint up --data {folder}")


def _lacks(about: Manifest) -> list[str]:
    """Return what is missing in the folder, and what that means."""
    names = {member.name for member in about.members}
    lacks = []
    if "pki/intermediate.key" not in names:
        lacks.append("pki/intermediate.key is not in the backup: put it there (mode 0600) before the server starts")
    if "pki/root.key" not in names:
        lacks.append("pki/root.key is not in the backup: the server does without it; keep it where it is")
    return lacks


@contextmanager
def _opened(file: Path) -> Iterator[io.BufferedReader]:
    from zonemint.core.errors import BackupError

    if str(file) == "-":
        yield sys.stdin.buffer  # type: ignore[misc]
        return
    try:
        source = file.open("rb")
    except OSError as error:
        raise BackupError(f"{file}: the backup cannot be read: {error.strerror}") from None
    with source:
        yield source
