"""`zonemint certs list` and `expiring`."""

from __future__ import annotations

from typing import Annotated

import typer

from zonemint.cli.certs.finding import row
from zonemint.cli.options import DataOption, JsonOption

__all__ = ["expiring", "list_certificates"]


def list_certificates(
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="The newest N.")] = 50,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List certificates, newest first."""
    from zonemint.cli.output import show_table
    from zonemint.cli.session import run
    from zonemint.store import certificates

    found = run(data, lambda session: session.db.read(certificates.listing(limit=limit)))
    show_table([row(one) for one in found], ["serial", "status", "not_after", "names"], as_json=as_json)


def expiring(
    within: Annotated[
        str, typer.Option("--within", metavar="TIME", help="How far to look ahead, such as 30d or 12h.")
    ] = "30d",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the certificates that expire soon and were not renewed, the next to expire first."""
    import time

    from zonemint.cli.output import show_table
    from zonemint.cli.session import run
    from zonemint.config.values import Seconds
    from zonemint.store import certificates

    try:
        ahead = Seconds.parse(within)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--within") from None
    now = int(time.time())
    wanted = certificates.expiring(now=now, before=now + int(ahead))
    found = run(data, lambda session: session.db.read(wanted))
    show_table([row(one) for one in found], ["not_after", "serial", "names"], as_json=as_json)
