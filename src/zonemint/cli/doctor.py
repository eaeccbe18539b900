"""`zonemint doctor`: does the server stand and answer, and would it issue for these names?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from zonemint.cli.options import DataOption, JsonOption

if TYPE_CHECKING:
    from zonemint.app.doctor.finding import Finding
    from zonemint.cli.session import Session

__all__ = ["doctor"]


def doctor(
    name: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Hosts, relative to the domain or absolute; wildcards; addresses."),
    ] = None,
    provisioner: Annotated[
        str, typer.Option("--provisioner", metavar="P", help="The ACME server that would be asked.")
    ] = "acme",
    account: Annotated[
        str | None, typer.Option("--account", metavar="ID", help="The ACME account that would order, or its URL.")
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what stands in the way of a certificate; exit status 1 if anything does.

    It looks at the folder and asks the running server what a client asks. For each NAME it does what the CA would do
    for an order, and issues nothing.
    """
    from zonemint.app.doctor.finding import State
    from zonemint.cli.output import show_table
    from zonemint.cli.session import run

    found: list[tuple[str, Finding]] = []

    async def look(session: Session) -> None:
        from zonemint.app.doctor.diagnosis import examine
        from zonemint.cli.names import host

        wanted = [host(one, session.config.domain) for one in name or []]
        subject = ""
        looks = examine(session.config, session.data, session.db, wanted, provisioner=provisioner, account=account)
        async for about, finding in looks:
            found.append((about, finding))
            if not as_json:
                if about != subject:
                    print(about)
                subject = about
                _show(finding)

    run(data, look)
    if as_json:
        show_table([{"about": about, **finding._asdict()} for about, finding in found], [], as_json=True)
    if any(finding.state is State.WRONG for _, finding in found):
        raise typer.Exit(1)


def _show(finding: Finding) -> None:
    print(f"{finding.state:<6} {finding.what}: {finding.seen}")
    if finding.advice:
        print(f"       to do: {finding.advice}")
