"""`zonemint init`: an empty folder becomes an authority with settings, keys and a first zone file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zonemint.cli.options import DatabaseOption, DataOption, OnlyOption

if TYPE_CHECKING:
    from zonemint.config import Config, DataDir
    from zonemint.pki.authority import Authority, Plan

__all__ = ["init", "initialise"]

_ZONE = """\
; The zone {domain}, a master file of RFC 1035. It is yours: zonemint reads it, and reads it again when it
; changes, and never writes it.
;
; These need no line here, but a line of yours wins over them: SOA and NS, the addresses of ns1, ca and auth
; (`advertise` in zonemint.toml), and the delegation of auth.{domain}, where challenges are answered.
$TTL {ttl}

; server-1    A      192.0.2.10
; www         CNAME  server-1
"""


def init(
    domain: Annotated[
        list[str] | None,
        typer.Option(
            "--domain", metavar="DOMAIN", help="The private domain to serve and sign for; repeat it for more."
        ),
    ] = None,
    only: OnlyOption = None,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="The authority's name in its certificates.")] = "",
    root: Annotated[
        Path | None, typer.Option("--root", metavar="CERT", help="A root that clients trust already, in PEM.")
    ] = None,
    root_key: Annotated[
        Path | None,
        typer.Option("--root-key", metavar="KEY", help="Its key, used once; without it, a request is made to sign."),
    ] = None,
    keep_root_key: Annotated[
        bool, typer.Option("--keep-root-key", help="Copy that key into the folder, so that domains can be added.")
    ] = False,
    constrain_root: Annotated[
        bool, typer.Option("--constrain-root", help="Hold a new root to the domains, too: none can be added later.")
    ] = False,
    key_type: Annotated[
        str, typer.Option("--key-type", metavar="KIND", help="p256, p384, p521, ed25519, rsa3072, ml-dsa-65, ...")
    ] = "p256",
    key: Annotated[
        str, typer.Option("--key", metavar="URI", help="The intermediate's key in a token, as a PKCS #11 URI.")
    ] = "",
    pin_file: Annotated[Path | None, typer.Option("--pin-file", metavar="FILE", help="The token's PIN.")] = None,
    password_file: Annotated[
        Path | None,
        typer.Option("--password-file", metavar="FILE", help="Encrypts the keys, and decrypts the root's key."),
    ] = None,
    database: DatabaseOption = None,
    data: DataOption = None,
) -> None:
    """Make a data folder: settings, keys, zones.

    What is there already stays as it is.
    """
    import time

    import msgspec

    from zonemint.cli.output import say, show_facts
    from zonemint.config import Config, DataDir, data_dir, override
    from zonemint.config.ca import Ca
    from zonemint.pki.authority import Plan
    from zonemint.pki.brought import read_root, read_root_key
    from zonemint.pki.ca_certificate import has_usage
    from zonemint.pki.key_source import key_source
    from zonemint.pki.keys import KINDS

    folder = DataDir(data_dir(data))
    chosen = Config(domain[0], extra_domains=tuple(domain[1:]), name=name) if domain else None
    chosen = override(chosen, database=database, roles=only or ()) if chosen else None
    if chosen is not None:
        named = Ca(key, _absolute(pin_file), _absolute(password_file))
        chosen = msgspec.structs.replace(chosen, ca=named)
    if not root and (root_key or keep_root_key):
        raise typer.BadParameter("it belongs to a root: name that with --root", param_hint="--root-key")
    if key_type not in KINDS:
        raise typer.BadParameter(f"'{key_type}' is not one of {', '.join(KINDS)}", param_hint="--key-type")
    now = time.time()

    def plan(config: Config) -> Plan:
        source = key_source(config, folder.path)
        brought = read_root(root, domains=config.domains, now=now) if root else None
        brought_key = read_root_key(root_key, brought, source) if root_key and brought else None
        keeps = keep_root_key if root else True
        return Plan(key_type, source.password(), brought, brought_key, keeps, source.in_token(), constrain_root)

    if not folder.config.exists() and chosen is not None:
        # What is wrong with keys is found before anything is written.
        plan(chosen)
    config, authority = initialise(folder, chosen, now=now, database=database, plan=plan)
    facts: dict[str, object] = {"data": folder.path, "domains": config.domains}
    if authority is not None:
        facts["root_sha256"] = authority.fingerprint
        if root and not has_usage(authority.root):
            say("the root has no key usage, as RFC 5280 asks: strict verifiers refuse it, such as Python from 3.13 on")
    elif (request := folder.pki / "intermediate.csr").exists():
        facts["request"] = request
        show_facts(facts, as_json=False)
        say(f"next: have the request signed, then zonemint ca install-intermediate CERT --data {folder.path}")
        return
    show_facts(facts, as_json=False)
    say(f"next: zonemint up --data {folder.path}")


def _absolute(path: Path | None) -> str:
    return str(path.absolute()) if path else ""


def initialise(
    data: DataDir,
    chosen: Config | None,
    *,
    now: float,
    database: str | None = None,
    patience: float = 0.0,
    roles: Sequence[str] = (),
    plan: Callable[[Config], Plan] | None = None,
) -> tuple[Config, Authority | None]:
    """Make what the data folder lacks, and return the settings that hold and the authority: None without that role.

    roles: those of this run, if they are not the settings'; plan: how a new authority is made. One whose root's key is
    elsewhere is only begun, and None is returned.
    `chosen` are the settings of a new folder; an old one must serve the same domains. With a database, of `database`
    or the settings, the folder joins the authority that is there; `patience` is how many seconds to wait for it.
    Stopped half-way, it goes on where it stopped. Raises ConfigError (KeyFileError of `pki`) and StoreError, and
    OSError when the folder cannot be written.
    """
    import asyncio

    from zonemint.app.joining import join
    from zonemint.config import database_url, load, render
    from zonemint.core.files import put
    from zonemint.pki import authority
    from zonemint.pki.key_source import key_source

    if chosen is not None and not data.config.exists():
        data.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        put(data.config, render(chosen).encode(), private=True)
    config = load(data.config)
    if chosen is not None:
        _agree(config, chosen, data.config)

    roles = roles or config.roles

    # What is made last tells whether the rest was made once: a zone file that the user has removed stays away.
    def zones() -> None:
        if "dns" in roles:
            _make_zones(data, config)

    if "ca" not in roles:
        if not data.zones.exists():
            zones()
        return config, None

    def make() -> Authority:
        if {file.name for file in data.pki.glob("*")} - {data.server_certificate.name, data.server_key.name}:
            return _for_all_domains(data, config, authority.load(data.pki, now=now, source=source), now)
        if not url:
            _check_is_first(data)
        zones()
        how = plan(config) if plan else authority.Plan(password=source.password())
        return authority.create(data.pki, name=config.name, domains=config.domains, now=now, plan=how)

    source = key_source(config, data.path)
    url = database_url(database, config.store.database)
    if plan and not authority.is_there(data.pki):
        how = plan(config)
        if how.root is not None and how.root_key is None:
            zones()
            authority.begin(data.pki, name=config.name, domains=config.domains, plan=how)
            return config, None
    if not url:
        return config, make()
    if not authority.is_there(data.pki):
        zones()
    return config, asyncio.run(join(url, data.pki, config, make, now=now, patience=patience))


def _for_all_domains(data: DataDir, config: Config, found: Authority, now: float) -> Authority:
    """Make the intermediate anew, for its own key, when the settings have a domain more and the root's key is here."""
    from zonemint.cli.output import say
    from zonemint.pki import constraints
    from zonemint.pki.key_source import key_source
    from zonemint.pki.succession import renew_for

    lacking = constraints.refused(found.intermediate, config.domains)
    if not lacking or not (data.pki / "root.key").exists():
        return found
    renewed = renew_for(data.pki, found, config.domains, key_source(config, data.path), now=now)
    say(f"the intermediate was made anew, for {', '.join(lacking)} too")
    return renewed


def _make_zones(data: DataDir, config: Config) -> None:
    from zonemint.core.files import put

    data.zones.mkdir(exist_ok=True)
    for domain in config.domains:
        if not (file := data.zone_file(domain)).exists():
            put(file, _ZONE.format(domain=domain, ttl=int(config.dns.ttl)).encode())


def _agree(config: Config, chosen: Config, file: Path) -> None:
    """Raise ConfigError when the folder belongs to other domains than those asked for."""
    from zonemint.core.errors import ConfigError

    if config.domain != chosen.domain or not set(chosen.domains) <= set(config.domains):
        raise ConfigError(
            f"this folder is for {', '.join(config.domains)}, not for {', '.join(chosen.domains)}; "
            "choose another folder with --data",
            file=file,
        )


def _check_is_first(data: DataDir) -> None:
    """Raise ConfigError when the store has certificates: the authority that signed them would lose its clients."""
    import asyncio

    from zonemint.core.errors import ConfigError
    from zonemint.store import inventory
    from zonemint.store.sqlite import SqliteDatabase

    async def has_signed() -> bool:
        db = SqliteDatabase(data.database)
        try:
            return bool(await db.read(inventory.page(inventory.Wanted(), after=None, by_end=False, limit=1)))
        finally:
            await db.close()

    if data.database.exists() and asyncio.run(has_signed()):
        raise ConfigError(
            "the keys are gone, and the store has certificates that they signed: restore the folder from a backup; "
            "for a new authority, choose another folder with --data",
            file=data.pki,
        )
