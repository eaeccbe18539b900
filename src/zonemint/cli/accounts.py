"""`zonemint accounts`: who may order certificates (ACME accounts) and who may set TXT values (acme-dns accounts)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from zonemint.cli.options import DatabaseOption, DataOption, JsonOption

if TYPE_CHECKING:
    from zonemint.cli.session import Session
    from zonemint.store.accounts import Account
    from zonemint.store.database import Steps
    from zonemint.store.txt import TxtAccount

__all__ = ["app"]

_PAGE = 1000  # accounts that are read at once

app = typer.Typer(help="Accounts: of ACME, and of the acme-dns API.", no_args_is_help=True)

IdArgument = Annotated[
    str,
    typer.Argument(metavar="ID", help="The account's id, user name or name in the auth zone, as `list` shows them."),
]


@app.command("list")
def list_accounts(
    kind: Annotated[
        Literal["acme", "txt", "all"], typer.Option("--kind", help="acme: who orders; txt: who sets TXT values.")
    ] = "all",
    unused: Annotated[
        str, typer.Option("--unused", metavar="TIME", help="Only TXT accounts without an update for so long, as 90d.")
    ] = "",
    database: DatabaseOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List accounts: since when they are there, when they were last used, and for which names."""
    import time

    from zonemint.cli.output import show_table
    from zonemint.cli.session import run
    from zonemint.config.values import Seconds

    before_ms = None
    if unused:
        try:
            before_ms = int((time.time() - Seconds.parse(unused)) * 1000)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--unused") from None
    rows = run(data, lambda session: _list(session, kind, before_ms), database=database)
    show_table(
        rows, ["kind", "id", "status", "created", "last_used", "names", "provisioner", "external_key"], as_json=as_json
    )


@app.command("show")
def show(
    which: IdArgument, database: DatabaseOption = None, data: DataOption = None, as_json: JsonOption = False
) -> None:
    """Show an account; of a TXT account, also its values and the CNAMEs of ours that lead to it."""
    from zonemint.cli.output import show_facts
    from zonemint.cli.session import run

    show_facts(run(data, lambda session: _show(session, which), database=database), as_json=as_json)


@app.command("deactivate")
def deactivate(which: IdArgument, database: DatabaseOption = None, data: DataOption = None) -> None:
    """End an ACME account: it orders and revokes no more. Its certificates stay valid."""
    from zonemint.acme import administration
    from zonemint.cli.output import say
    from zonemint.cli.session import run
    from zonemint.core.errors import ConfigError

    async def work(session: Session) -> None:
        if isinstance(await session.db.read(_either(which)), _txt_account()):
            raise ConfigError(f"{which} is a TXT account; `zonemint accounts delete {which}` ends it")
        if not await session.db.write(administration.deactivate(which, **_by(session, "deactivate"))):
            raise ConfigError(f"the account {which} is not valid any more")

    run(data, work, database=database)
    say(f"deactivated {which}")


@app.command("agree")
def agree(which: IdArgument, database: DatabaseOption = None, data: DataOption = None) -> None:
    """Note that the holder of an ACME account agrees to the terms of service as they are now."""
    from zonemint.acme import administration
    from zonemint.cli.output import say
    from zonemint.cli.session import run
    from zonemint.core.errors import ConfigError
    from zonemint.store.accounts import Account

    async def work(session: Session) -> str:
        account = await session.db.read(_either(which))
        if not isinstance(account, Account):
            raise ConfigError(f"{which} is a TXT account: terms of service are for ACME accounts")
        provisioner = session.config.every_provisioner.get(account.provisioner)
        if provisioner is None or not provisioner.terms:
            raise ConfigError(f"the provisioner '{account.provisioner}' has no terms of service")
        await session.db.write(administration.agree(which, provisioner.terms, **_by(session, "agree")))
        return provisioner.terms

    terms = run(data, work, database=database)
    say(f"{which} agrees to {terms}")


@app.command("delete")
def delete(which: IdArgument, database: DatabaseOption = None, data: DataOption = None) -> None:
    """Remove a TXT account, its values, and the CNAMEs of ours that lead to it; running servers drop them at once."""
    from zonemint.acmedns import administration
    from zonemint.cli.output import say
    from zonemint.cli.session import run

    async def work(session: Session) -> tuple[str, list[str]]:
        account = await _txt(session, which)
        return account.fulldomain, await session.db.write(
            administration.delete(account, **_by(session, "delete"))
        ) or []

    name, aliases = run(data, work, database=database)
    say(f"deleted {name}")
    for alias in aliases:
        say(f"removed the CNAME {alias}")


@app.command("rotate")
def rotate(which: IdArgument, database: DatabaseOption = None, data: DataOption = None) -> None:
    """Give a TXT account another key, and print its credentials as JSON; the old key is refused from now on."""
    from zonemint.acmedns import administration
    from zonemint.acmedns.accounts import Credentials
    from zonemint.cli.output import show_facts
    from zonemint.cli.session import run
    from zonemint.core.errors import ConfigError

    async def work(session: Session) -> Credentials:
        account = await _txt(session, which)
        credentials = await session.db.write(administration.rotate(account, **_by(session, "rotate")))
        if credentials is None:
            raise ConfigError("the account has changed meanwhile; ask again")
        return credentials

    import msgspec

    show_facts(msgspec.structs.asdict(run(data, work, database=database)), as_json=True)


@app.command("scope")
def scope(
    which: IdArgument,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME...", help="Host names; *.lab.test is every name below. None: as it stands."),
    ] = None,
    any_name: Annotated[bool, typer.Option("--any", help="Every name, as accounts of acme-dns are.")] = False,
    database: DatabaseOption = None,
    data: DataOption = None,
) -> None:
    """Say which names a TXT account is for, instead of those before: a challenge for another one fails and says so."""
    from zonemint.acmedns import administration
    from zonemint.acmedns import scope as scope_
    from zonemint.cli import names as names_
    from zonemint.cli.session import run

    if any_name == bool(names):
        raise typer.BadParameter("give names, or --any")

    async def work(session: Session) -> tuple[str, ...]:
        account = await _txt(session, which)
        wanted = scope_.read(names_.scope(names or (), session.config.domain))
        await session.db.write(administration.rescope(account, wanted, **_by(session, "scope")))
        return wanted

    print(", ".join(run(data, work, database=database)) or "every name")


async def _list(session: Session, kind: str, before_ms: int | None) -> list[dict[str, object]]:
    from zonemint.store import accounts, txt

    rows: list[dict[str, object]] = []
    if kind != "txt" and before_ms is None:
        rows += [_acme_row(one) for one in await session.db.read(accounts.listing())]
    if kind != "acme":
        after = ""
        while found := await session.db.read(txt.listing(after=after, limit=_PAGE)):
            rows += [
                _txt_row(one) for one in found if before_ms is None or max(one.used_ms, one.created_ms) < before_ms
            ]
            after = found[-1].username
    return rows


async def _show(session: Session, which: str) -> dict[str, object]:
    from zonemint.core.clock import rfc3339
    from zonemint.store import records, txt
    from zonemint.store.accounts import Account

    account = await session.db.read(_either(which))
    if isinstance(account, Account):
        return {
            **_acme_row(account),
            "thumbprint": account.thumbprint,
            "contacts": account.contacts,
            "created_from": account.created_from,
            "terms": account.terms or None,
        }
    values = await session.db.read(txt.values(account.subdomain))
    aliases = await session.db.read(records.aliases_to(account.fulldomain))
    return {
        **_txt_row(account),
        "fulldomain": account.fulldomain,
        "allowfrom": account.allow_from,
        "created_from": account.created_from,
        "aliases": [one.name for one in aliases],
        "values": [one.value for one in values],
        "updated": rfc3339(values[0].updated_ms // 1000) if values else None,
    }


def _either(which: str) -> Steps[Account | TxtAccount]:
    """Find an account of either kind; raises ConfigError."""
    from zonemint.acmedns import administration
    from zonemint.core.errors import ConfigError
    from zonemint.store import accounts

    found = (yield from accounts.by_id(which)) or (yield from administration.find(which))
    if found is None:
        raise ConfigError(f"there is no account '{which}'; `zonemint accounts list` shows them")
    return found


async def _txt(session: Session, which: str) -> TxtAccount:
    from zonemint.core.errors import ConfigError
    from zonemint.store.accounts import Account

    account = await session.db.read(_either(which))
    if isinstance(account, Account):
        raise ConfigError(f"{which} is an ACME account; `zonemint accounts deactivate {which}` ends it")
    return account


def _txt_account() -> type[TxtAccount]:
    from zonemint.store.txt import TxtAccount

    return TxtAccount


def _by(session: Session, command: str) -> dict[str, Any]:
    import time

    return {"actor": session.actor, "via": f"zonemint accounts {command}", "now": time.time()}


def _acme_row(account: Account) -> dict[str, object]:
    from zonemint.core.clock import rfc3339

    return {
        "kind": "acme",
        "id": account.id,
        "status": account.status,
        "created": rfc3339(account.created_at),
        "last_used": None,
        "names": None,
        "provisioner": account.provisioner,
        "external_key": account.external_key,
    }


def _txt_row(account: TxtAccount) -> dict[str, object]:
    from zonemint.core.clock import rfc3339

    return {
        "kind": "txt",
        "id": account.username,
        "status": "valid",
        "created": rfc3339(account.created_ms // 1000),
        "last_used": rfc3339(account.used_ms // 1000) if account.used_ms else None,
        "names": account.scope or ("*",),
        "provisioner": None,
        "external_key": None,
    }
