"""`zonemint certs list` and `expiring`: pages of certificates, printed as they are read."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zonemint.cli.options import DataOption, JsonOption

if TYPE_CHECKING:
    from zonemint.cli.output import Form
    from zonemint.cli.session import Session
    from zonemint.store.inventory import Listed, Place, Wanted

__all__ = ["expiring", "list_certificates"]

_PAGE = 1000  # certificates that are in memory at once
_LONG_PAGE = 20_000  # the same, where each page costs a walk through all that end later
_STATES = ("valid", "revoked", "expired")
_HEX = re.compile(r"[0-9a-f]*")
_KEY_ID = re.compile(r"(?:[0-9a-f]{2}){20,32}")

LinesOption = Annotated[bool, typer.Option("--json-lines", help="Print a JSON object on each line.")]
NameOption = Annotated[
    str,
    typer.Option("--name", metavar="PATTERN", help="Names like 'server-?.lab.test', or with '*'; .lab.test ends so."),
]
ProfileOption = Annotated[str, typer.Option("--profile", metavar="NAME", help="Issued by this profile.")]
AccountOption = Annotated[str, typer.Option("--account", metavar="ID", help="Issued to this ACME account.")]
IssuerOption = Annotated[
    str, typer.Option("--issuer", metavar="TEXT", help="Whose issuer has this in its name, or this key identifier.")
]


def list_certificates(
    name: NameOption = "",
    status: Annotated[str, typer.Option("--status", metavar="STATUS", help="Of valid, revoked and expired.")] = "",
    issuer: IssuerOption = "",
    profile: ProfileOption = "",
    account: AccountOption = "",
    within: Annotated[
        str | None, typer.Option("--expires-within", metavar="TIME", help="Those that end so soon, such as 30d.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--issued-since", metavar="TIME", help="A date as 2026-12-31, or an age as 7d.")
    ] = None,
    serial: Annotated[str, typer.Option("--serial", metavar="HEX", help="Whose serial begins so.")] = "",
    key: Annotated[str, typer.Option("--key", metavar="HEX", help="Whose key's SHA-256 begins so.")] = "",
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="The first N.")] = 50,
    all_: Annotated[bool, typer.Option("--all", help="All of them, and not 50.")] = False,
    after: Annotated[str, typer.Option("--after", metavar="SERIAL", help="Go on after this one of the list.")] = "",
    data: DataOption = None,
    as_json: JsonOption = False,
    as_lines: LinesOption = False,
) -> None:
    """List certificates, newest first; with --expires-within, the next to end first."""
    from zonemint.store.inventory import Wanted

    if status and status not in _STATES:
        raise typer.BadParameter(f"'{status}' is not one of {', '.join(_STATES)}", param_hint="--status")
    now = int(time.time())
    key_id, issuer = _issuer(issuer)
    ends = [] if status != "expired" else [now]
    if within is not None:
        ends.append(now + _length(within, "--expires-within"))
    wanted = Wanted(
        name=_pattern(name),
        issuer=key_id,
        status="valid" if status == "expired" else status,
        account=account,
        profile=profile,
        serial=_hex(serial, "--serial"),
        key=_hex(key, "--key"),
        issued_since=None if since is None else _time(since, now),
        ends_after=now if status == "valid" or (within is not None and status != "expired") else None,
        ends_before=min(ends) if ends else None,
    )
    columns = ["serial", "status", "not_after", "names"]
    most = None if all_ else limit
    _print(data, wanted, columns, _form(as_json, as_lines), issuer=issuer, after=after, most=most, by_end=bool(within))


def expiring(
    within: Annotated[
        str, typer.Option("--within", metavar="TIME", help="How far to look ahead, such as 30d or 12h.")
    ] = "30d",
    name: NameOption = "",
    issuer: IssuerOption = "",
    profile: ProfileOption = "",
    account: AccountOption = "",
    data: DataOption = None,
    as_json: JsonOption = False,
    as_lines: LinesOption = False,
) -> None:
    """List the certificates that expire soon and were not renewed, the next to expire first.

    A later one with the same names, or one that was ordered in its place, renews a certificate.
    """
    from zonemint.store.inventory import Wanted

    now = int(time.time())
    key_id, issuer = _issuer(issuer)
    wanted = Wanted(
        name=_pattern(name),
        issuer=key_id,
        status="valid",
        account=account,
        profile=profile,
        ends_after=now,
        ends_before=now + _length(within, "--within"),
    )
    columns = ["not_after", "serial", "names"]
    _print(data, wanted, columns, _form(as_json, as_lines), issuer=issuer, by_end=True, unrenewed=True)


def _print(
    data: Path | None,
    wanted: Wanted,
    columns: list[str],
    form: Form,
    *,
    by_end: bool,
    issuer: str = "",
    after: str = "",
    most: int | None = None,
    unrenewed: bool = False,
) -> None:
    """Print pages of certificates as they are read, until there are as many as wanted."""
    from zonemint.app.inventory import without_renewed
    from zonemint.cli.certs.finding import row
    from zonemint.cli.output import Rows
    from zonemint.cli.session import run
    from zonemint.store import inventory

    async def work(session: Session) -> None:
        left, meant = most, dict[str, bool]()
        longest = _LONG_PAGE if unrenewed else _PAGE
        place = await _place(session, after)
        with Rows(columns, form) as rows:
            while left is None or left > 0:
                size = longest if left is None else min(longest, left)
                found = await session.db.read(inventory.page(wanted, after=place, by_end=by_end, limit=size))
                for one in found if issuer else ():
                    # All of one issuer have its name in them: the first one tells.
                    if one.issuer not in meant:
                        meant[one.issuer] = await _is_by(session, one, issuer.lower())
                kept = [one for one in found if _has_name(one, wanted) and meant.get(one.issuer, not issuer)]
                if unrenewed:
                    kept = await without_renewed(session.db, kept)
                rows.add([row(one) for one in kept])
                if len(found) < size:
                    return
                place = found[-1].place
                left = None if left is None else left - len(kept)

    run(data, work)


async def _place(session: Session, serial: str) -> Place | None:
    """Return the place of a certificate in a list; raises ConfigError."""
    from zonemint.cli.certs.finding import by_serial
    from zonemint.core.errors import ConfigError
    from zonemint.store.inventory import Place

    if not serial:
        return None
    found = await by_serial(session, serial)
    if found is None:
        raise ConfigError(f"there is no certificate with the serial '{serial}' to go on after")
    return Place(found.not_after, found.serial)


def _has_name(one: Listed, wanted: Wanted) -> bool:
    from zonemint.store.inventory import matches

    return not wanted.name or matches(wanted.name, one.names)


async def _is_by(session: Session, one: Listed, text: str) -> bool:
    """Tell whether the issuer of a certificate has a text in its name."""
    from cryptography import x509

    from zonemint.store import certificates

    found = await session.db.read(certificates.by_serial(one.serial))
    if found is None or found.der is None:
        return False
    return text in x509.load_der_x509_certificate(found.der).issuer.rfc4514_string().lower()


def _issuer(text: str) -> tuple[str, str]:
    """Return what an option means: a key identifier (of SHA-1, as RFC 5280 has it), or a part of a name."""
    bare = text.lower().replace(":", "")
    return (bare, "") if _KEY_ID.fullmatch(bare) else ("", text)


def _form(as_json: bool, as_lines: bool) -> Form:
    return "lines" if as_lines else "json" if as_json else "table"


def _pattern(text: str) -> str:
    pattern = text.lower().removesuffix(".")
    return f"*{pattern}" if pattern.startswith(".") else pattern


def _hex(text: str, option: str) -> str:
    bare = text.lower().replace(":", "").removeprefix("0x")
    if not _HEX.fullmatch(bare):
        raise typer.BadParameter(f"'{text}' is not hexadecimal", param_hint=option)
    return bare.lstrip("0") if option == "--serial" else bare


def _length(text: str, option: str) -> int:
    from zonemint.config.values import Seconds

    try:
        return int(Seconds.parse(text))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def _time(text: str, now: int) -> int:
    from datetime import UTC, datetime

    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return now - _length(text, "--issued-since")
    return int((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp())
