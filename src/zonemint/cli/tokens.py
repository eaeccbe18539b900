"""`zonemint tokens`: who may do more over HTTPS than everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from zonemint.cli.options import DatabaseOption, DataOption, JsonOption

if TYPE_CHECKING:
    from zonemint.cli.session import Session

__all__ = ["app"]

app = typer.Typer(help="Tokens: for registration, for clients' storage, for the admin API.", no_args_is_help=True)


@app.command("create")
def create(
    rights: Annotated[
        list[str],
        typer.Option(
            "--right",
            metavar="RIGHT",
            help="register: make TXT accounts; storage: keep them here, with the CNAME made; admin: the admin API.",
        ),
    ],
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--name",
            metavar="NAME",
            help="For which hosts; *.lab.test is every name below it, * every name; server-1 is below the domain.",
        ),
    ] = None,
    database: DatabaseOption = None,
    data: DataOption = None,
) -> None:
    """Make a token and print it; it is not shown again."""
    import time
    from typing import get_args

    from zonemint.acmedns import scope, tokens
    from zonemint.cli import names as names_
    from zonemint.cli.session import run
    from zonemint.store.tokens import Right

    for right in rights:
        if right not in get_args(Right):
            raise typer.BadParameter(f"'{right}' is not one of {', '.join(get_args(Right))}", param_hint="--right")
    if "storage" in rights and not names:
        raise typer.BadParameter("a token for storage has CNAMEs made: say for which names", param_hint="--name")
    if "admin" in rights and names:
        raise typer.BadParameter("the admin API is for every account: a token for it has no names", param_hint="--name")

    async def work(session: Session) -> str:
        wanted = scope.read(names_.scope(names or (), session.config.domain))
        chosen = [right for right in get_args(Right) if right in rights]
        token, text = tokens.new(chosen, wanted, "zonemint tokens create", now_ms=int(time.time() * 1000))
        await session.db.write(tokens.insert(token, actor=session.actor))
        return text

    print(run(data, work, database=database))


@app.command("list")
def list_tokens(database: DatabaseOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """List tokens, without their secrets."""
    from zonemint.cli.output import show_table
    from zonemint.cli.session import run
    from zonemint.core.clock import rfc3339
    from zonemint.store import tokens

    rows = [
        {
            "id": one.id,
            "rights": one.rights,
            "names": one.names,
            "created": rfc3339(one.created_ms // 1000),
            "last_used": rfc3339(one.used_ms // 1000) if one.used_ms else None,
        }
        for one in run(data, lambda session: session.db.read(tokens.listing()), database=database)
    ]
    show_table(rows, ["id", "rights", "names", "created", "last_used"], as_json=as_json)


@app.command("revoke")
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="The token's id, as `list` shows it.")],
    database: DatabaseOption = None,
    data: DataOption = None,
) -> None:
    """Revoke a token: it is refused from now on, and the accounts that clients keep under it are forgotten."""
    import time

    from zonemint.acmedns import tokens
    from zonemint.cli.output import say
    from zonemint.cli.session import run
    from zonemint.core.errors import ConfigError

    async def work(session: Session) -> None:
        if not await session.db.write(
            tokens.revoke(token_id, actor=session.actor, via="zonemint tokens revoke", now=time.time())
        ):
            raise ConfigError(f"there is no token '{token_id}'; `zonemint tokens list` shows them")

    run(data, work, database=database)
    say(f"revoked {token_id}")
