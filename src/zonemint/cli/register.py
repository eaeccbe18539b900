"""`zonemint register`: what a name needs to get certificates by dns-01, in one step."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zonemint.cli.options import DataOption

if TYPE_CHECKING:
    from zonemint.cli.session import Session
    from zonemint.clients.accounts import Account, Registered

__all__ = ["register"]

_BY = "zonemint register"


def register(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The host: relative to the domain, below it, or with a final dot.")
    ],
    client: Annotated[
        str,
        typer.Option(
            "--for",
            metavar="CLIENT",
            help="Whom to tell: certbot, lego, acme.sh, dehydrated, caddy, traefik, cert-manager; or json.",
        ),
    ] = "certbot",
    storage: Annotated[
        Path | None, typer.Option("--storage", metavar="FILE", help="The file of accounts; else DIR/acmedns.json.")
    ] = None,
    data: DataOption = None,
) -> None:
    """Make a name ready for certificates.

    It gets an account and a CNAME, and what its client must know is printed. The same again changes
    nothing and prints the same.
    """
    from zonemint.cli.output import say
    from zonemint.cli.session import run
    from zonemint.clients.kinds import KINDS

    if client not in KINDS:
        raise typer.BadParameter(f"'{client}' is not one of {', '.join(KINDS)}", param_hint="--for")
    registered, talk = run(data, lambda session: _register(session, name, storage))
    for line in talk:
        say(line)
    print(KINDS[client](registered))


async def _register(session: Session, text: str, storage: Path | None) -> tuple[Registered, list[str]]:
    """Do it, and return what there is to tell, with what to say beside it."""
    from zonemint.app.dynamic import zone_of
    from zonemint.app.zones import auth_of
    from zonemint.clients.accounts import Registered, load, locked, read_roots, save
    from zonemint.core.errors import ConfigError
    from zonemint.core.names import absolute, hostname, is_within
    from zonemint.dns import zonefile
    from zonemint.dns.zone import Record

    config, data = session.config, session.data
    wildcard = "*." if text.startswith("*.") else ""
    domain = hostname(absolute(text.removeprefix("*."), config.domain))
    if is_within(domain, auth := auth_of(config)):
        raise ConfigError(f"{domain} lies in {auth}, the zone of the TXT values: no CNAME can be made there")
    if "acmedns" not in config.roles:
        raise ConfigError("there is no acme-dns API here (roles): register at the server that has it", file=data.config)
    roots = read_roots((data.pki / "root.crt").absolute()) if "ca" in config.roles else None
    file = (storage or data.path / "acmedns.json").absolute()
    with locked(file):
        known = load(file, domain)
        if known is not None and not await _is_known(session, known):
            raise ConfigError(
                f"the account of {domain} is not one of this server: remove it to get a new one", file=file
            )
        account, made = await _ensure(session, domain, known)
        if account is not known:
            save(file, domain, account)
    talk = []
    if zone_of(config, domain) is None:
        record = Record(f"_acme-challenge.{domain}", 300, "CNAME", f"{account.fulldomain}.")
        talk.append(f"{domain} is in no zone of ours; add this line to its zone:\n{zonefile.write([record]).strip()}")
    elif made is not None:
        talk.append(f"made _acme-challenge.{domain} CNAME {account.fulldomain}")
        talk += [f"it led to {target}: who has that account can answer for {domain} no more" for target in made]
    directory = f"{config.external_url}/acme/acme/directory"
    return Registered(wildcard + domain, account, directory, file, roots), talk


async def _is_known(session: Session, account: Account) -> bool:
    from zonemint.store import txt

    stored = await session.db.read(txt.by_username(account.username))
    return stored is not None and stored.fulldomain == account.fulldomain


async def _ensure(session: Session, domain: str, account: Account | None) -> tuple[Account, list[str] | None]:
    """Make the account and the CNAME that lack, in one transaction; tell where a new CNAME led before."""
    import time

    from zonemint.acmedns import accounts
    from zonemint.app.dynamic import change, zone_of
    from zonemint.app.zones import auth_of
    from zonemint.clients.accounts import Account
    from zonemint.store import records
    from zonemint.store.database import Steps
    from zonemint.store.records import DynamicRecord

    config = session.config
    now_ms = int(time.time() * 1000)
    also = None
    if account is None:
        stored, credentials = accounts.new(auth_of(config), (), _BY, now_ms=now_ms)
        account = Account(
            credentials.username,
            credentials.password,
            credentials.fulldomain,
            credentials.subdomain,
            credentials.allowfrom,
            config.api_url,
        )

        def also() -> Steps[None]:
            yield from accounts.insert(stored, actor=session.actor)

    zone = zone_of(config, domain)
    if zone is None:
        if also is not None:
            await session.db.write(also())
        return account, None
    alias = f"_acme-challenge.{domain}"
    wanted = DynamicRecord(zone, alias, "CNAME", f"{account.fulldomain}.", int(config.dns.ttl), now_ms, _BY)
    old = await session.db.read(records.at(zone, alias, "CNAME"))
    stale = [one for one in old if one.data != wanted.data]
    made = await change(
        session.db, config, session.data, zone, actor=session.actor, add=[wanted], remove=stale, also=also
    )
    return account, [one.data.removesuffix(".") for one in stale] if made else None
