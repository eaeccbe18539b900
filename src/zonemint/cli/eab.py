"""`zonemint eab`: keys with which ACME accounts are made (external account binding, RFC 8555 section 7.3.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from zonemint.cli.options import DatabaseOption, DataOption, JsonOption

if TYPE_CHECKING:
    from zonemint.cli.session import Session
    from zonemint.store.external_keys import ExternalKey

__all__ = ["app"]

app = typer.Typer(help="Keys for external account binding: who may make ACME accounts.", no_args_is_help=True)


@app.command("create")
def create(
    provisioner: Annotated[
        str, typer.Option("--provisioner", metavar="NAME", help="The ACME server whose accounts it is for.")
    ] = "acme",
    name: Annotated[str, typer.Option("--name", metavar="LABEL", help="Whom it is for, for people.")] = "",
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--names",
            metavar="PATTERN",
            help="What its accounts may order: a name, *.lab.test for all names below, a network; repeat it for more.",
        ),
    ] = None,
    uses: Annotated[
        int, typer.Option("--uses", min=0, metavar="N", help="For how many accounts it is good; 0: any number.")
    ] = 1,
    expires: Annotated[
        str, typer.Option("--expires", metavar="TIME", help="After what time it makes no more accounts, as 24h or 7d.")
    ] = "",
    database: DatabaseOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key and print it, with its secret; the secret is not shown again."""
    import time

    from zonemint.acme import external_accounts
    from zonemint.cli.output import say, show_facts
    from zonemint.cli.session import run
    from zonemint.config.values import Seconds
    from zonemint.core.errors import BadName, ConfigError
    from zonemint.core.patterns import spelled

    try:
        lifetime = Seconds.parse(expires) if expires else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--expires") from None
    try:
        patterns = tuple(dict.fromkeys(map(spelled, names or ())))
    except BadName as error:
        raise typer.BadParameter(str(error), param_hint="--names") from None
    if len(name) > 100 or not name.isprintable():
        raise typer.BadParameter("it must have at most 100 characters, all printable", param_hint="--name")

    async def work(session: Session) -> tuple[ExternalKey, str]:
        if provisioner not in session.config.every_provisioner:
            known = ", ".join(session.config.every_provisioner)
            raise ConfigError(f"there is no provisioner '{provisioner}' in the settings: it is one of {known}")
        key = external_accounts.new(
            provisioner,
            label=name,
            names=patterns,
            uses=uses,
            lifetime=lifetime,
            by="zonemint eab create",
            now=time.time(),
        )
        await session.db.write(external_accounts.create(key, actor=session.actor))
        return key, f"{session.config.external_url}/acme/{provisioner}/directory"

    key, directory = run(data, work, database=database)
    show_facts({"kid": key.id, "hmac_key": key.secret, "directory": directory}, as_json=as_json)
    if not as_json:
        say(_advice(key, directory))


@app.command("list")
def list_keys(database: DatabaseOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """List keys, without their secrets."""
    import time

    from zonemint.acme import external_accounts
    from zonemint.cli.output import show_table
    from zonemint.cli.session import run
    from zonemint.core.clock import rfc3339
    from zonemint.store import external_keys

    now = time.time()
    rows = [
        {
            "kid": one.id,
            "name": one.label,
            "provisioner": one.provisioner,
            "status": external_accounts.status(one, now),
            "used": f"{one.used} of {one.uses}" if one.uses else str(one.used),
            "names": one.names or ("*",),
            "created": rfc3339(one.created_at),
            "expires": None if one.expires_at is None else rfc3339(one.expires_at),
        }
        for one in run(data, lambda session: session.db.read(external_keys.listing()), database=database)
    ]
    columns = ["kid", "name", "provisioner", "status", "used", "names", "created", "expires"]
    show_table(rows, columns, as_json=as_json)


@app.command("revoke")
def revoke(
    kid: Annotated[str, typer.Argument(metavar="KID", help="The key's identifier, as `list` shows it.")],
    with_accounts: Annotated[
        bool, typer.Option("--with-accounts", help="End the accounts that were made with it, too.")
    ] = False,
    database: DatabaseOption = None,
    data: DataOption = None,
) -> None:
    """End a key: no account is made with it any more. Those that were go on, unless they are ended with it."""
    import time

    from zonemint.acme import external_accounts
    from zonemint.cli.output import say
    from zonemint.cli.session import run
    from zonemint.core.errors import ConfigError

    async def work(session: Session) -> int:
        ended = await session.db.write(
            external_accounts.revoke(
                kid,
                with_accounts=with_accounts,
                actor=session.actor,
                via="zonemint eab revoke",
                now=time.time(),
            )
        )
        if ended is None:
            raise ConfigError(f"there is no key '{kid}'; `zonemint eab list` shows them")
        return ended

    ended = run(data, work, database=database)
    say(f"revoked {kid}")
    if with_accounts:
        say(f"ended {ended} of its accounts")


def _advice(key: ExternalKey, directory: str) -> str:
    """Say how clients are told the key; what stands in their files is what they call it."""
    return (
        "the HMAC key is not shown again. Clients take it so, with it in place of HMAC_KEY:\n"
        f"  certbot register --server {directory} --eab-kid {key.id} --eab-hmac-key HMAC_KEY\n"
        f"  lego --server {directory} --eab --kid {key.id} --hmac HMAC_KEY ...\n"
        f"  acme.sh --register-account --server {directory} --eab-kid {key.id} --eab-hmac-key HMAC_KEY\n"
        f"  Caddyfile: acme_ca {directory}, and acme_eab {{ key_id {key.id} mac_key HMAC_KEY }}"
    )
