"""`zonemint tsig`: secrets shared with those who update and transfer zones (RFC 8945)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zonemint.cli.options import DatabaseOption, DataOption, JsonOption

if TYPE_CHECKING:
    from zonemint.cli.session import Session
    from zonemint.clients.shared_secret import Secret
    from zonemint.store.tsig_keys import TsigKey

__all__ = ["app"]

app = typer.Typer(help="Keys of those who update and transfer zones (TSIG).", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The key's name, which is a domain name.")]


@app.command("create")
def create(
    name: _Name,
    algorithm: Annotated[
        str, typer.Option("--algorithm", metavar="ALGORITHM", help="hmac-sha1 to hmac-sha512.")
    ] = "hmac-sha256",
    allow: Annotated[
        list[str] | None,
        typer.Option(
            "--allow",
            metavar="PATTERN",
            help="Whose records it may change: a name; * in it stands for one label or more. Repeat it for more.",
        ),
    ] = None,
    types: Annotated[
        str, typer.Option("--types", metavar="TYPE,TYPE", help="Of which types alone; else of all that can be.")
    ] = "",
    zone: Annotated[
        list[str] | None,
        typer.Option("--zone", metavar="ZONE", help="In which zone alone; repeat it for more. Else in all."),
    ] = None,
    transfer: Annotated[bool, typer.Option("--transfer", help="It may have whole zones.")] = False,
    kind: Annotated[
        str,
        typer.Option(
            "--for",
            metavar="PROGRAM",
            help="Print what a program is told: nsupdate, certbot, lego, cert-manager, external-dns, knot, nsd, named. "
            "If nothing else is said, an ACME client may change the TXT records at _acme-challenge, and a name server "
            "transfer.",
        ),
    ] = "",
    secret_file: Annotated[
        Path | None,
        typer.Option(
            "--secret-file", metavar="FILE", help="Take the secret of another server's key, base64, in a private file."
        ),
    ] = None,
    database: DatabaseOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key and print it, with its secret; the secret is not shown again.

    With --secret-file it is a key that another server made, for zones that are taken from there, and is not printed.
    """
    import time

    from zonemint.app import tsig_keys
    from zonemint.app.zone_list import plan_of, plans
    from zonemint.cli.output import say, show_facts
    from zonemint.cli.session import run
    from zonemint.clients.shared_secret import PROGRAMS, Secret
    from zonemint.config import advertised
    from zonemint.core.errors import BadName
    from zonemint.core.names import normalize
    from zonemint.pki.passwords import read_secret

    if kind and kind not in PROGRAMS:
        raise typer.BadParameter(f"it is one of {', '.join(PROGRAMS)}", param_hint="--for")
    program = PROGRAMS.get(kind)
    names = tuple(allow or (program.names if program else ()))
    wanted = tuple(filter(None, types.split(","))) or (program.types if program and not allow else ())
    transfers = transfer or (program.transfers if program else False)
    if not names and secret_file is None and (kind == "external-dns" or not transfers):
        raise typer.BadParameter("say what it may change; --allow '*' is everything", param_hint="--allow")

    async def work(session: Session) -> tuple[TsigKey, Secret]:
        config = session.config
        zones = [plan_of(config, session.data, normalize(one)).origin for one in zone or ()]
        key = tsig_keys.new(
            name,
            algorithm,
            config,
            names=names,
            types=wanted,
            zones=zones,
            transfers=transfers,
            by="zonemint tsig create",
            now=time.time(),
            secret=read_secret(secret_file) if secret_file else None,
        )
        await session.db.write(tsig_keys.create(key, actor=session.actor, now=time.time()))
        place = advertised(config.listen), config.listen.dns_port
        served = key.zones or tuple(plans(config, session.data))
        return key, Secret(key.name, key.algorithm, key.secret, *place, served)

    try:
        key, secret = run(data, work, database=database)
    except BadName as error:
        raise typer.BadParameter(str(error)) from None
    if secret_file is not None:
        show_facts(_facts(key), as_json=as_json)
        return
    if program is not None and not as_json:
        print(program.tell(secret), end="")
    else:
        show_facts({**_facts(key), "secret": key.secret}, as_json=as_json)
    if not as_json:
        say("the secret is not shown again")


@app.command("list")
def list_keys(database: DatabaseOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """List keys, without their secrets."""
    from zonemint.cli.output import show_table
    from zonemint.cli.session import run
    from zonemint.store import tsig_keys

    found = run(data, lambda session: session.db.read(tsig_keys.listing()), database=database)
    columns = ["name", "algorithm", "status", "allow", "types", "zones", "transfer", "created"]
    show_table(list(map(_facts, found)), columns, as_json=as_json)


@app.command("show")
def show(name: _Name, database: DatabaseOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show a key, without its secret."""
    from zonemint.cli.output import show_facts
    from zonemint.cli.session import run
    from zonemint.core.errors import ConfigError
    from zonemint.store import tsig_keys

    key = run(data, lambda session: session.db.read(tsig_keys.by_name(_spelled(name))), database=database)
    if key is None:
        raise ConfigError(f"there is no key '{name}'; `zonemint tsig list` shows them")
    show_facts(_facts(key), as_json=as_json)


@app.command("revoke")
def revoke(name: _Name, database: DatabaseOption = None, data: DataOption = None) -> None:
    """End a key: nothing that it signs is believed any more, from now on."""
    import time

    from zonemint.app import tsig_keys
    from zonemint.cli.output import say
    from zonemint.cli.session import run

    async def work(session: Session) -> None:
        await session.db.write(tsig_keys.revoke(_spelled(name), actor=session.actor, now=time.time()))

    run(data, work, database=database)
    say(f"revoked {_spelled(name)}")


def _spelled(name: str) -> str:
    return name.lower().removesuffix(".")


def _facts(key: TsigKey) -> dict[str, object]:
    from zonemint.core.clock import rfc3339

    return {
        "name": key.name,
        "algorithm": key.algorithm,
        "status": "valid" if key.revoked_at is None else "revoked",
        "allow": key.names,
        "types": key.types,
        "zones": key.zones,
        "transfer": key.transfers,
        "created": rfc3339(key.created_at),
        "created_by": key.created_by,
    }
