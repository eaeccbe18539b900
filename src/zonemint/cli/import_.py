"""`zonemint import`: what another program keeps, taken over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from zonemint.cli.import_corefile import corefile
from zonemint.cli.import_step_ca import step_ca
from zonemint.cli.options import DatabaseOption, DataOption, JsonOption

if TYPE_CHECKING:
    from zonemint.app.acme_dns_import import Report
    from zonemint.cli.session import Session

__all__ = ["app"]

_SHOWN = 20  # lines of a list; --json has all of them

app = typer.Typer(help="Take over what another program keeps.", no_args_is_help=True)


app.command("corefile")(corefile)
app.command("step-ca")(step_ca)


@app.callback()
def _group() -> None:
    pass


@app.command("acme-dns")
def acme_dns(
    source: Annotated[
        str,
        typer.Argument(
            metavar="CONFIG_OR_DB",
            help="config.cfg of acme-dns, its SQLite file, or postgresql://USER@HOST/NAME of its database.",
        ),
    ],
    as_json: JsonOption = False,
    database: DatabaseOption = None,
    data: DataOption = None,
) -> None:
    """Take over the accounts of acme-dns.

    Their values and its static records come too, and clients keep their credentials. The same again
    changes nothing. Settings are told and not changed.
    """
    from zonemint.cli.output import show_facts
    from zonemint.cli.session import run

    report = run(data, lambda session: _acme_dns(session, source), database=database)
    if as_json:
        import msgspec

        show_facts(msgspec.to_builtins(report), as_json=True)
    else:
        _show(report)


async def _acme_dns(session: Session, place: str) -> Report:
    import time

    from zonemint.app.acme_dns_import import bring, read
    from zonemint.cli.progress import counted

    source = await read(place)
    with counted("accounts", len(source.found.accounts)) as step:
        return await bring(
            source,
            session.db,
            session.config,
            session.data,
            actor=session.actor,
            now_ms=int(time.time() * 1000),
            step=step,
        )


def _show(report: Report) -> None:
    from zonemint.cli.output import show_facts, show_table

    same = report.old_zone in (None, report.zone)
    show_facts(
        {
            "accounts": f"{report.accounts} came, {report.accounts_here} were here already"
            + (f", {report.moved} of them in another zone" if report.moved else ""),
            "values": f"{report.values} came",
            "records": f"{report.records} came",
            "zone": report.zone + ("" if same else f", which was {report.old_zone}"),
            "did not come": len(report.refused),
        },
        as_json=False,
    )
    if report.old_zone is None:
        print(f"\nThe database does not say which zone it was for. CNAMEs have to lead into {report.zone}.")
    if report.names:
        print(f"\nCNAMEs that lead into {report.old_zone} have to be changed, unless acmedns.extra_zones names it and")
        print("this is run again:")
        _print_some([f"{old} -> {new}" for old, new in report.names.items()])
    if report.refused:
        print("\nDid not come:")
        _print_some([f"{one.what}: {one.why}" for one in report.refused])
    if report.settings:
        print("\nSettings; none was changed here:")
        rows = [
            {"acme_dns": one.theirs, "zonemint_toml": one.ours.replace("\n", "; ") or "-", "note": one.note}
            for one in report.settings
        ]
        show_table(rows, ("acme_dns", "zonemint_toml", "note"), as_json=False)


def _print_some(lines: list[str]) -> None:
    for line in lines[:_SHOWN]:
        print(f"  {line}")
    if len(lines) > _SHOWN:
        print(f"  and {len(lines) - _SHOWN} more, which --json shows")
