"""`zonemint backup`: everything that a server is, in one file, while it runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from zonemint.cli.options import DatabaseOption, DataOption

if TYPE_CHECKING:
    from zonemint.backup.manifest import Manifest

__all__ = ["backup", "facts", "read_password"]


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to put it; - is the standard output.")],
    keys: Annotated[bool, typer.Option("--keys", help="With the private keys and the database's password.")] = False,
    encrypt: Annotated[bool, typer.Option("--encrypt", help="Encrypt it with a password, which is asked for.")] = False,
    password_file: Annotated[
        Path | None, typer.Option("--password-file", metavar="FILE", help="Encrypt it with the first line of a file.")
    ] = None,
    recipient: Annotated[
        list[str] | None,
        typer.Option("--recipient", metavar="KEY", help="Encrypt it to a key of age (age1...); repeat it for more."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    database: DatabaseOption = None,
    data: DataOption = None,
) -> None:
    """Back up settings, zones, certificates and the store.

    It is one moment of the store, whether or not a server writes to it. Private keys are left out unless --keys is
    given. `zonemint restore FILE` puts it in place.
    """
    import asyncio
    import time
    from contextlib import ExitStack, redirect_stdout

    from zonemint.backup import create, encryption
    from zonemint.backup.encryption import Keys
    from zonemint.cli.output import say, show_facts
    from zonemint.cli.progress import shown_progress
    from zonemint.config import DataDir, data_dir, database_url, load

    if recipient and (encrypt or password_file):
        raise typer.BadParameter("a backup has a password or recipients, not both", param_hint="--recipient")
    if recipient:
        lock = Keys(others=tuple(map(encryption.recipient, recipient)))
    else:
        lock = Keys(read_password(password_file, twice=True) if encrypt or password_file else "")
    folder = DataDir(data_dir(data))
    config = load(folder.config)
    with _written(file, force=force) as out, ExitStack() as stack:
        plain = out if lock == Keys() else stack.enter_context(encryption.encrypted(out, lock))
        progress = stack.enter_context(shown_progress())
        about = asyncio.run(
            create.create(
                folder,
                config,
                plain,
                database=database_url(database, config.store.database),
                keys=keys,
                now=time.time(),
                progress=progress,
            )
        )
    is_encrypted = lock != Keys()
    told = facts(about) | {"encrypted": "yes" if is_encrypted else "no"}
    if str(file) == "-":
        with redirect_stdout(sys.stderr):
            show_facts(told, as_json=False)
    else:
        show_facts({"file": file, "bytes": file.stat().st_size, **told}, as_json=False)
    if not keys:
        say("note: no private key is in it: keep a copy of pki/*.key in a safe place, or back up with --keys")
    elif not is_encrypted:
        say("note: the private keys are in it, for whoever can read the file: --encrypt or --recipient hides them")


def facts(about: Manifest) -> dict[str, object]:
    """Return what to tell of a backup."""
    from zonemint.backup.manifest import TXT_ACCOUNTS
    from zonemint.core.clock import rfc3339

    names = [member.name for member in about.members]
    zones = sum(name.startswith("zones/") for name in names)
    has = [
        "settings",
        f"{zones} zone file{'s' * (zones != 1)}",
        "certificates",
        *(["private keys"] if about.has_keys else []),
        *(["API keys of TXT accounts (acmedns.json)"] if TXT_ACCOUNTS in names else []),
        f"the store (schema {about.schema})",
    ]
    return {
        "made": rfc3339(about.created_at),
        "domains": about.domains,
        "root_sha256": about.root_sha256 or None,
        "in_it": has,
        "not_in_it": about.left_out or None,
    }


def read_password(file: Path | None, *, twice: bool = False) -> str:
    """Take a password from a file's first line, or from the person; raises BackupError."""
    from getpass import getpass

    from zonemint.core.errors import BackupError

    if file is not None:
        try:
            password = (file.read_text(encoding="utf-8").splitlines() or [""])[0]
        except OSError as error:
            raise BackupError(f"{file}: the password cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise BackupError(f"{file}: the password is not UTF-8") from None
    elif not sys.stdin.isatty():
        raise BackupError("there is no terminal to ask for the password: use --password-file")
    else:
        password = getpass("password: ")
        if twice and getpass("again: ") != password:
            raise BackupError("the two passwords are not the same")
    if not password:
        raise BackupError("the password is empty")
    return password


@contextmanager
def _written(file: Path, *, force: bool) -> Iterator[BinaryIO]:
    """Write a file (0600) that is there whole or not at all, or the standard output; raises BackupError, OSError."""
    from zonemint.core.errors import BackupError
    from zonemint.core.files import writing

    if str(file) == "-":
        if sys.stdout.isatty():
            raise BackupError("a backup is no text for a terminal: give a file, or send the output somewhere")
        yield sys.stdout.buffer
        return
    if file.exists() and not force:
        raise BackupError(f"{file}: the file is there already: choose another name, or --force replaces it")
    try:
        with writing(file, private=True) as out:
            yield out
    except OSError as error:
        raise BackupError(f"{file}: the backup cannot be written: {error.strerror or error}") from error
