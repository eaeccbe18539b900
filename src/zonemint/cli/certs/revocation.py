"""`zonemint certs revoke`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zonemint.cli.certs.finding import by_serial, in_file, the_very_same
from zonemint.cli.options import DataOption

if TYPE_CHECKING:
    from zonemint.cli.session import Session
    from zonemint.store.certificates import Certificate

__all__ = ["revoke"]

_MANY = 1000  # certificates of one name


def revoke(
    which: Annotated[
        str,
        typer.Argument(
            metavar="SERIAL|NAME|FILE",
            help="The serial number in hexadecimal, a name, or a file with the certificate in PEM.",
        ),
    ],
    reason: Annotated[
        str, typer.Option("--reason", metavar="REASON", help="As RFC 5280 names it, such as superseded.")
    ] = "unspecified",
    all_: Annotated[bool, typer.Option("--all", help="Revoke every valid certificate of a name.")] = False,
    data: DataOption = None,
) -> None:
    """Revoke a certificate: a running server's revocation list has it within seconds.

    Of several valid certificates for a name none is chosen, unless all are to go. With the reason keyCompromise, no
    certificate for its key is issued again.
    """
    from zonemint.cli.session import run
    from zonemint.pki.crl import REASONS

    codes = {"unspecified": 0, **{name: code for code, name in REASONS.items()}}
    if reason not in codes:
        raise typer.BadParameter(f"'{reason}' is not one of {', '.join(codes)}", param_hint="--reason")

    file = in_file(Path(which)) if Path(which).is_file() else None

    async def work(session: Session) -> list[str]:
        found = [await the_very_same(session, *file)] if file else await _named(session, which, all_)
        return [await _revoke(session, one, codes[reason]) for one in found]

    print("\n".join(run(data, work)))


async def _revoke(session: Session, certificate: Certificate, reason: int) -> str:
    """Revoke, and tell what was done."""
    import time

    from zonemint.acme.revocation import record
    from zonemint.core.clock import rfc3339

    now = time.time()
    named = f"{certificate.serial} for {', '.join(certificate.names)}"
    if await session.db.write(record(certificate, reason, actor=session.actor, via="zonemint certs", now=now)):
        return f"revoked {named}"
    when = "" if certificate.revoked_at is None else f" on {rfc3339(certificate.revoked_at)}"
    return f"{named} was revoked already{when}"


async def _named(session: Session, text: str, all_: bool) -> list[Certificate]:
    """Return what a command line means: one certificate, or every valid one of a name; raises ConfigError."""
    import time

    from zonemint.core.errors import BadName, ConfigError
    from zonemint.core.names import absolute
    from zonemint.store import certificates

    if (found := await by_serial(session, text)) is not None:
        return [found]
    wildcard = "*." if text.startswith("*.") else ""
    try:
        name = wildcard + absolute(text.removeprefix("*."), session.config.domain)
    except BadName:
        name = text
    of_name = certificates.valid_of_name(name, now=int(time.time()), limit=_MANY)
    valid = await session.db.read(of_name)
    if not valid:
        raise ConfigError(f"no valid certificate has the serial or the name '{text}'; `zonemint certs list` shows all")
    if len(valid) > 1 and not all_:
        # Only the owner of the name knows which one must go.
        serials = ", ".join(one.serial for one in valid[:10]) + (", ..." if len(valid) > 10 else "")
        raise ConfigError(f"{name} has {len(valid)} valid certificates: name a serial of {serials}, or say --all")
    return valid
