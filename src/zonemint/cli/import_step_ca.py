"""`zonemint import step-ca`: a CA that is there already, moved with what its clients trust and know."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zonemint.cli.options import DatabaseOption, DataOption, JsonOption

if TYPE_CHECKING:
    from zonemint.app.step_ca_import import Report

__all__ = ["step_ca"]

_SHOWN = 20  # lines of a list; --json has all of them


def step_ca(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="The folder that `step path` prints.")],
    domain: Annotated[
        list[str] | None,
        typer.Option(
            "--domain", metavar="DOMAIN", help="What the CA is for, else what lies above its name; repeatable."
        ),
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option("--password-file", metavar="FILE", help="Decrypts the keys, and encrypts them in the new folder."),
    ] = None,
    provisioners: Annotated[
        Path | None,
        typer.Option(
            "--provisioners", metavar="FILE", help="What `step ca provisioner list` printed, if ca.json has none."
        ),
    ] = None,
    revoked: Annotated[
        Path | None,
        typer.Option("--revoked", metavar="FILE", help="What was revoked: step-ca's CRL, or serials, one a line."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would come, and write nothing.")] = False,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
    data: DataOption = None,
) -> None:
    """Make a data folder of a step-ca: its root, intermediate and key, settings, provisioners and certificates.

    The root stays the same, so clients trust what is issued, and URLs stay. Nothing in DIR is changed.
    """
    import asyncio
    import time

    from zonemint.app.step_ca_import import Wanted, bring, check_free, read
    from zonemint.cli.output import say, show_facts
    from zonemint.cli.progress import counted
    from zonemint.cli.session import actor
    from zonemint.config import DataDir, data_dir, database_url
    from zonemint.pki.passwords import password_from

    folder, now, who = DataDir(data_dir(data)), time.time(), actor()
    check_free(folder)
    wanted = Wanted(source, tuple(domain or ()), database_url(database, ""), password_file, provisioners, revoked)

    async def whole() -> Report:
        found = await read(wanted, password_from(password_file), actor=who, now=now)
        if not dry_run:
            with counted("certificates", len(found.certificates)) as step:
                await bring(found, folder, actor=who, now=now, step=step)
        return found.report()

    report = asyncio.run(whole())
    if as_json:
        import msgspec

        show_facts(msgspec.to_builtins(report), as_json=True)
    else:
        _show(report)
    if dry_run:
        say("nothing was written: leave --dry-run out to do it")
    else:
        say(f"next: stop step-ca, then zonemint up --data {folder.path}")


def _show(report: Report) -> None:
    from zonemint.cli.output import show_facts, show_table

    show_facts(
        {
            "domains": report.domains,
            "url": report.external_url,
            "root_sha256": report.root_sha256,
            "root_key": "comes" if report.root_key else "is not here",
            "intermediate": f"{report.intermediate}, until {report.intermediate_not_after}"
            + ("" if report.constrained else ", for any name: without name constraints"),
            "ACME": report.acme,
            "tokens_of": report.token_issuers,
            "certificates": f"{report.certificates}, and {report.revoked} revoked",
            "ACME_accounts": report.accounts,
        },
        as_json=False,
    )
    if not report.constrained:
        print(
            "\nThat intermediate may sign for every name, which its key's thief could do, too. One that is held to the"
        )
        print("domains is made with the root's key, and clients notice nothing: see the page on moving from step-ca.")
    if report.outside:
        print("\nNames of certificates that will not be renewed, unless --domain has theirs:")
        _print_some(report.outside)
    if report.refused:
        print("\nDoes not come:")
        _print_some([f"{one.what}: {one.why}" for one in report.refused])
    print("\nSettings:")
    rows = [{"step_ca": one.theirs, "zonemint_toml": one.ours or "-", "note": one.note} for one in report.settings]
    show_table(rows, ("step_ca", "zonemint_toml", "note"), as_json=False)


def _print_some(lines: list[str] | tuple[str, ...]) -> None:
    for line in lines[:_SHOWN]:
        print(f"  {line}")
    if len(lines) > _SHOWN:
        print(f"  and {len(lines) - _SHOWN} more, which --json shows")
