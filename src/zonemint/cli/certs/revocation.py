"""`zonemint certs revoke`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from zonemint.cli.certs.finding import by_serial
from zonemint.cli.options import DataOption

if TYPE_CHECKING:
    from zonemint.cli.session import Session

__all__ = ["revoke"]

SerialArgument = Annotated[
    str, typer.Argument(metavar="SERIAL", help="The serial number in hexadecimal, with colons or without.")
]


def revoke(
    serial: SerialArgument,
    reason: Annotated[
        str, typer.Option("--reason", metavar="REASON", help="As RFC 5280 names it, such as superseded.")
    ] = "unspecified",
    data: DataOption = None,
) -> None:
    """Revoke a certificate: a running server's revocation list has it within seconds.

    With the reason keyCompromise, no certificate for its key is issued again.
    """
    from zonemint.app.revocation_list import REASONS
    from zonemint.cli.session import run

    codes = {"unspecified": 0, **{name: code for code, name in REASONS.items()}}
    if reason not in codes:
        raise typer.BadParameter(f"'{reason}' is not one of {', '.join(codes)}", param_hint="--reason")
    print(run(data, lambda session: _revoke(session, serial, codes[reason])))


async def _revoke(session: Session, text: str, reason: int) -> str:
    """Revoke, and tell what was done."""
    import time

    from zonemint.acme.revocation import record
    from zonemint.core.clock import rfc3339
    from zonemint.core.errors import ConfigError

    certificate = await by_serial(session, text)
    if certificate is None:
        # Of several certificates for a name, only its owner knows which one must go.
        raise ConfigError(f"there is no certificate with the serial '{text}'; `zonemint certs list` shows them")
    now = time.time()
    named = f"{certificate.serial} for {', '.join(certificate.names)}"
    if await session.db.write(record(certificate, reason, actor=session.actor, via="zonemint certs", now=now)):
        return f"revoked {named}"
    when = "" if certificate.revoked_at is None else f" on {rfc3339(certificate.revoked_at)}"
    return f"{named} was revoked already{when}"
