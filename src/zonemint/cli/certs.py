"""`zonemint certs`: what was issued, what expires, and revocation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from zonemint.cli.options import DataOption, JsonOption

if TYPE_CHECKING:
    from zonemint.cli.session import Session
    from zonemint.store.certificates import Certificate

__all__ = ["app"]

_HEX = re.compile(r"(?:0x)?([0-9a-f:]+)")

app = typer.Typer(help="Certificates: what was issued, what expires, and revocation.", no_args_is_help=True)

SerialArgument = Annotated[
    str, typer.Argument(metavar="SERIAL", help="The serial number in hexadecimal, with colons or without.")
]


@app.command("list")
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
    show_table([_row(one) for one in found], ["serial", "status", "not_after", "names"], as_json=as_json)


@app.command("show")
def show(
    which: Annotated[
        str, typer.Argument(metavar="SERIAL|NAME", help="The serial number, or a name: its newest certificate.")
    ],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a certificate: what is known about it, and its PEM."""
    import ssl
    from hashlib import sha256

    from zonemint.cli.output import show_facts
    from zonemint.cli.session import run

    found = run(data, lambda session: _find(session, which))
    assert found.der is not None  # only a reserved serial has none, and those are not found
    facts = {**_row(found), "sha256": sha256(found.der).hexdigest()}
    pem = ssl.DER_cert_to_PEM_cert(found.der)
    if as_json:
        show_facts({**facts, "pem": pem}, as_json=True)
        return
    show_facts(facts, as_json=False)
    print(pem, end="")


@app.command("expiring")
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
    show_table([_row(one) for one in found], ["not_after", "serial", "names"], as_json=as_json)


@app.command("revoke")
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

    certificate = await _by_serial(session, text)
    if certificate is None:
        # Of several certificates for a name, only its owner knows which one must go.
        raise ConfigError(f"there is no certificate with the serial '{text}'; `zonemint certs list` shows them")
    now = time.time()
    named = f"{certificate.serial} for {', '.join(certificate.names)}"
    if await session.db.write(record(certificate, reason, actor=session.actor, via="zonemint certs", now=now)):
        return f"revoked {named}"
    when = "" if certificate.revoked_at is None else f" on {rfc3339(certificate.revoked_at)}"
    return f"{named} was revoked already{when}"


async def _find(session: Session, which: str) -> Certificate:
    """Find the certificate of a serial, else the newest one of a name; raises ConfigError."""
    from zonemint.core.errors import BadName
    from zonemint.core.names import absolute
    from zonemint.store import certificates

    found = await _by_serial(session, which)
    if found is None:
        wildcard = "*." if which.startswith("*.") else ""
        try:
            name = absolute(which.removeprefix("*."), session.config.domain)
        except BadName:
            name = which
        for one in dict.fromkeys((wildcard + name, which)):
            found = found or await session.db.read(certificates.newest_of_name(one))
    if found is None:
        raise _none(which)
    return found


async def _by_serial(session: Session, text: str) -> Certificate | None:
    """Find a certificate by its serial as people and other programs write it."""
    from zonemint.store import certificates

    match = _HEX.fullmatch(text.lower())
    if match is None:
        return None
    found = await session.db.read(certificates.by_serial(match[1].replace(":", "").lstrip("0")))
    return None if found is None or found.der is None else found


def _none(text: str) -> Exception:
    from zonemint.core.errors import ConfigError

    return ConfigError(f"there is no certificate '{text}'; `zonemint certs list` shows them")


def _row(certificate: Certificate) -> dict[str, object]:
    import time

    from zonemint.app.revocation_list import REASONS
    from zonemint.core.clock import rfc3339

    ended = certificate.status == "valid" and certificate.not_after < time.time()
    revoked_at = certificate.revoked_at
    return {
        "serial": certificate.serial,
        "status": "expired" if ended else certificate.status,
        "names": certificate.names,
        "not_before": rfc3339(certificate.not_before),
        "not_after": rfc3339(certificate.not_after),
        "order": certificate.order_id,
        "account": certificate.account_id,
        "revoked": None if revoked_at is None else rfc3339(revoked_at),
        "reason": None if revoked_at is None else REASONS.get(certificate.revocation_reason or 0, "unspecified"),
    }
