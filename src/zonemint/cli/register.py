"""`zonemint register`: what names need to get certificates by dns-01, in one step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zonemint.cli.options import DataOption

if TYPE_CHECKING:
    from zonemint.app.registration import Alias
    from zonemint.cli.names import Name
    from zonemint.cli.session import Session
    from zonemint.clients.accounts import Registered

__all__ = ["register"]

_BY = "zonemint register"


def register(
    name: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME...", help="Hosts: relative to the domain, below it, or with a final dot."),
    ] = None,
    names: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="More names: one on a line, # begins a comment.")
    ] = None,
    client: Annotated[
        str,
        typer.Option(
            "--for",
            metavar="CLIENT",
            help="Whom to tell: certbot, lego, acme.sh, dehydrated, caddy, traefik, cert-manager; or json.",
        ),
    ] = "certbot",
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Write what is told to a file, for its owner alone."),
    ] = None,
    storage: Annotated[
        Path | None, typer.Option("--storage", metavar="FILE", help="The file of accounts; else DIR/acmedns.json.")
    ] = None,
    account: Annotated[
        str | None,
        typer.Option("--account", metavar="URL", help="Make the CNAMEs of dns-account-01, for this ACME account."),
    ] = None,
    data: DataOption = None,
) -> None:
    """Make names ready for certificates.

    Each gets an account and a CNAME, and what their client must know is printed. A CNAME in another's zone is
    looked for instead, and its line printed while it lacks; then the exit status is 1. The same again changes
    nothing and prints the same.
    """
    from zonemint.cli.output import say
    from zonemint.cli.session import run
    from zonemint.clients.kinds import KINDS
    from zonemint.core.files import put

    if client not in KINDS:
        raise typer.BadParameter(f"'{client}' is not one of {', '.join(KINDS)}", param_hint="--for")
    if not name and names is None:
        raise typer.BadParameter("no name is given, here or with --from", param_hint="NAME")
    outcome = run(data, lambda session: _register(session, name or [], names, storage, account or ""))
    for line in outcome.talk:
        say(line)
    if outcome.registered is not None:
        told = KINDS[client](outcome.registered)
        if output is None:
            print(told)
        else:
            put(output, f"{told}\n".encode(), private=True)
    if not outcome.ready:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What there is to tell a client, what to say beside it, and whether every CNAME is there."""

    registered: Registered | None
    talk: list[str]
    ready: bool


async def _register(
    session: Session, words: Sequence[str], file: Path | None, storage: Path | None, account_url: str
) -> _Outcome:
    from zonemint.app.registration import Registrar
    from zonemint.cli import names
    from zonemint.cli.output import say
    from zonemint.cli.progress import counted
    from zonemint.clients.accounts import Registered, locked, read_roots
    from zonemint.core.errors import ConfigError, ZonemintError

    config, data = session.config, session.data
    if "acmedns" not in config.roles:
        raise ConfigError("there is no acme-dns API here (roles): register at the server that has it", file=data.config)
    wanted = names.read(words, file, config.domain)
    if not wanted:
        return _Outcome(None, [f"{file}: there is no name in it"], ready=True)
    accounts_file = (storage or data.path / "acmedns.json").absolute()
    registrar = Registrar(session.db, config, data, accounts_file, session.actor, _BY, account_url)
    domains = _domains(wanted)
    for one in domains.values():
        try:
            registrar.check(one.domain)
        except ConfigError as error:
            raise one.refuse(error.detail) from None
    roots = read_roots((data.pki / "root.crt").absolute()) if "ca" in config.roles else None
    with locked(accounts_file), counted("names", len(domains)) as show:
        ready = 0

        def done(count: int) -> None:
            nonlocal ready
            ready += count
            show(count)

        try:
            accounts, aliases = await registrar.register(list(domains), done=done)
        except ZonemintError:
            if ready:
                say(f"{ready} of {len(domains)} names are ready; the same command goes on from there")
            raise
    talk = [line for alias in aliases if alias.made for line in _made(alias)]
    lacking = await _lacking(session, [alias for alias in aliases if alias.zone is None])
    directory = f"{config.external_url}/acme/acme/directory"
    told = Registered(tuple(one.text for one in wanted), accounts, directory, accounts_file, roots)
    return _Outcome(told, talk + lacking, ready=not lacking)


def _domains(names: Sequence[Name]) -> dict[str, Name]:
    """Return the domains, each with the first name that asked for it."""
    found: dict[str, Name] = {}
    for name in names:
        found.setdefault(name.domain, name)
    return found


def _made(alias: Alias) -> list[str]:
    lost = [
        f"it led to {target}: who has that account can answer for {alias.domain} no more" for target in alias.before
    ]
    return [f"made {alias.name} CNAME {alias.target}", *lost]


async def _lacking(session: Session, aliases: Sequence[Alias]) -> list[str]:
    """Look for the CNAMEs that are not ours to make; say which of them others have to make, and how."""
    import time

    from zonemint.app import foreign_alias
    from zonemint.app.resolvers import resolver
    from zonemint.cli.progress import counted
    from zonemint.dns.zones import zonefile
    from zonemint.dns.zones.records import Record

    if not aliases:
        return []
    with counted("CNAMEs", len(aliases)) as done:
        findings = await foreign_alias.look(aliases, resolver(session.config, None, time.time), done=done)
    missing = [one for one in findings if one.problem is not None]
    if not missing:
        return []
    lines = [Record(one.alias.name, 300, "CNAME", f"{one.alias.target}.") for one in missing]
    return [
        *[f"{one.alias.domain} is in no zone of ours, and {one.problem}" for one in missing],
        f"add to {'its zone' if len(missing) == 1 else 'their zones'}:",
        *zonefile.write(lines).splitlines(),
    ]
