"""The program `zonemint`: its commands, its exit status, and how it says what went wrong.

A command is one file and one line here. These files are read at every start, so they import what is heavy
inside their functions: `zonemint --help` must not wait for cryptography or a web server.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from zonemint import __version__
from zonemint.cli import (
    accounts,
    audit,
    backup,
    ca,
    certs,
    config,
    db,
    demo,
    dnssec,
    doctor,
    eab,
    hooks,
    import_,
    init,
    orders,
    register,
    restore,
    token,
    tokens,
    trust,
    tsig,
    up,
    zone,
)
from zonemint.core.errors import ZonemintError

__all__ = ["app", "main"]

app = typer.Typer(
    name="zonemint",
    help="Automatic certificates for private names: a CA with ACME, a DNS server and the acme-dns API.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("init")(init.init)
app.command("up")(up.up)
app.command("demo")(demo.demo)
app.command("register")(register.register)
app.command("doctor")(doctor.doctor)
app.add_typer(zone.app, name="zone")
app.add_typer(ca.app, name="ca")
app.add_typer(certs.app, name="certs")
app.add_typer(trust.app, name="trust")
app.add_typer(hooks.app, name="hooks")
app.add_typer(orders.app, name="orders")
app.add_typer(accounts.app, name="accounts")
app.command("token")(token.token)
app.add_typer(tokens.app, name="tokens")
app.add_typer(eab.app, name="eab")
app.add_typer(tsig.app, name="tsig")
app.add_typer(dnssec.app, name="dnssec")
app.add_typer(audit.app, name="audit")
app.add_typer(config.app, name="config")
app.add_typer(db.app, name="db")
app.command("backup")(backup.backup)
app.command("restore")(restore.restore)
app.add_typer(import_.app, name="import")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"zonemint {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; exit status 0: done, 1: failed and said why on one line, 2: wrong usage."""
    try:
        status = _run()
        sys.stdout.flush()
    except OSError as error:
        # The interpreter flushes once more at its end: let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        place = f"{error.filename}: " if error.filename else ""
        # Whoever closed our pipe wants to hear no more.
        status = 1 if isinstance(error, BrokenPipeError) else _fail(f"{place}{error.strerror or error}")
    sys.exit(status)


def _run() -> int:
    try:
        app()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except ZonemintError as error:
        return _fail(str(error))
    return 0


def _fail(sentence: str) -> int:
    print("zonemint:", " ".join(sentence.splitlines()), file=sys.stderr)
    return 1
