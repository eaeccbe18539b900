"""`zonemint dnssec`: which zones are signed here, with which keys, and what their parents are to be told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from zonemint.cli.options import DatabaseOption, DataOption, JsonOption

if TYPE_CHECKING:
    from collections.abc import Callable

    from zonemint.cli.session import Session
    from zonemint.store.database import Steps
    from zonemint.store.dnssec_keys import DnssecKey

__all__ = ["app"]

app = typer.Typer(help="Signed zones and their keys (DNSSEC).", no_args_is_help=True)

_Zone = Annotated[str, typer.Argument(metavar="ZONE", help="The zone's name.")]
_WAITS = {
    "new": "until caches know it",
    "ready": "for its DS records at the parent",
    "known": "until caches know those",
    "active": "",
    "leaving": "for the DS records to be gone from the parent",
    "left": "until caches have forgotten those",
}


@app.command("list")
def list_keys(database: DatabaseOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """List the keys of all signed zones."""
    from zonemint.cli.output import show_table
    from zonemint.cli.session import run
    from zonemint.store import dnssec_keys

    found = run(data, lambda session: session.db.read(dnssec_keys.listing()), database=database)
    show_table(list(map(_facts, found)), ["zone", "tag", "algorithm", "state", "since", "waits"], as_json=as_json)


@app.command("show")
def show(zone: _Zone, database: DatabaseOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show the keys of a zone and what each waits for.

    With --json also their DNSKEY and DS records, and when signatures are made anew next.
    """
    import time

    from zonemint.cli.output import show_facts, show_table
    from zonemint.cli.session import run
    from zonemint.core.clock import rfc3339
    from zonemint.dns.dnssec.signing import Lifetimes

    async def work(session: Session) -> tuple[list[DnssecKey], float]:
        return await _keys(session, zone), session.config.dnssec.signature_lifetime

    keys, lifetime = run(data, work, database=database)
    again = rfc3339(Lifetimes.of(lifetime).next_change(time.time()))
    if as_json:
        facts = {"zone": keys[0].zone, "signed_anew": again, "keys": list(map(_facts, keys))}
        show_facts(facts, as_json=True)
        return
    show_table(list(map(_facts, keys)), ["tag", "algorithm", "state", "since", "until", "waits"], as_json=False)


@app.command("ds")
def ds(
    zone: _Zone,
    dnskey: Annotated[
        bool, typer.Option("--dnskey", help="The keys themselves instead, for resolvers that trust them directly.")
    ] = False,
    database: DatabaseOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the DS records that the parent zone should have now, as lines of its zone file.

    There are none while the zone's first key is too new, and none when signing is to end.
    """
    import json

    from zonemint.app.zone_keys import announced
    from zonemint.cli.output import say
    from zonemint.cli.session import run

    keys = run(data, lambda session: _keys(session, zone), database=database)
    wanted = keys if dnskey else announced(keys)
    found = [line for key in wanted for line in (_records(key)[:1] if dnskey else _records(key)[1:])]
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for line in found:
        print(line)
    if not found:
        say(f"zone {keys[0].zone} should have no DS records now; see `zonemint dnssec show {keys[0].zone}`")


@app.command("enable")
def enable(zone: _Zone, database: DatabaseOption = None, data: DataOption = None) -> None:
    """Sign a zone from now on, or go on with it when that was to end."""
    from zonemint.app import zone_keys

    _do(
        data,
        database,
        zone,
        lambda session, name: zone_keys.enable(name, session.config.dnssec.algorithm, actor=session.actor, clock=_now),
        "is signed",
        "is signed already",
    )


@app.command("disable")
def disable(zone: _Zone, database: DatabaseOption = None, data: DataOption = None) -> None:
    """End the signing of a zone, safely.

    It goes on until the parent has no DS records any more and every cache has forgotten them.
    """
    from zonemint.app import zone_keys
    from zonemint.core.errors import ConfigError

    def steps(session: Session, name: str) -> Steps[bool]:
        if (settings := session.config.zones.get(name)) is not None and settings.dnssec:
            raise ConfigError(f'the settings say that zone {name} is signed; remove `dnssec` from [zones."{name}"]')
        return zone_keys.disable(name, actor=session.actor, clock=_now)

    _do(data, database, zone, steps, "goes on to be signed until its parent has no DS records", "ends already")


@app.command("roll")
def roll(zone: _Zone, database: DatabaseOption = None, data: DataOption = None) -> None:
    """Replace the key of a zone; both sign until the parent has the DS record of the new one."""
    from zonemint.app import zone_keys
    from zonemint.cli.output import say
    from zonemint.cli.session import run

    async def work(session: Session) -> tuple[str, int]:
        name = _name(session, zone)
        return name, await session.db.write(zone_keys.roll(name, actor=session.actor, clock=_now))

    name, tag = run(data, work, database=database)
    say(f"zone {name} has a new key {tag}; `zonemint dnssec show {name}` tells how far it is")


@app.command("confirm")
def confirm(zone: _Zone, database: DatabaseOption = None, data: DataOption = None) -> None:
    """Say that the parent has the DS records that it should have now; needed where we do not serve it."""
    from zonemint.app import zone_keys
    from zonemint.cli.output import say
    from zonemint.cli.session import run

    async def work(session: Session) -> DnssecKey:
        settings = session.config.dnssec
        wait = settings.ds_ttl + settings.propagation
        steps = zone_keys.confirm(_name(session, zone), actor=session.actor, clock=_now, wait=wait)
        return await session.db.write(steps)

    key = run(data, work, database=database)
    say(f"zone {key.zone} goes on with key {key.tag}; `zonemint dnssec show {key.zone}` tells how far it is")


def _now() -> float:
    import time

    return time.time()


def _name(session: Session, text: str) -> str:
    """Return the zone that a person named; raises ConfigError, BadName."""
    from zonemint.app.zone_list import plan_of
    from zonemint.core.names import normalize

    return plan_of(session.config, session.data, normalize(text)).origin


def _do(
    data: DataOption,
    database: DatabaseOption,
    zone: str,
    steps: Callable[[Session, str], Steps[bool]],
    done: str,
    already: str,
) -> None:
    from zonemint.cli.output import say
    from zonemint.cli.session import run

    async def work(session: Session) -> tuple[str, bool]:
        name = _name(session, zone)
        return name, await session.db.write(steps(session, name))

    name, is_changed = run(data, work, database=database)
    say(f"zone {name} {done if is_changed else already}; see `zonemint dnssec show {name}`")


async def _keys(session: Session, zone: str) -> list[DnssecKey]:
    from zonemint.core.errors import ConfigError
    from zonemint.store import dnssec_keys

    name = _name(session, zone)
    found = await session.db.read(dnssec_keys.of_zone(name))
    if not found:
        raise ConfigError(f"zone {name} is not signed here; `zonemint dnssec enable {name}` begins that")
    return list(found)


def _facts(key: DnssecKey) -> dict[str, object]:
    from zonemint.core.clock import rfc3339

    dnskey, *ds = _records(key)
    return {
        "zone": key.zone,
        "tag": key.tag,
        "algorithm": key.algorithm,
        "state": key.state.value,
        "since": rfc3339(key.since),
        "until": None if key.until is None else rfc3339(key.until),
        "waits": _WAITS[key.state.value],
        "dnskey": dnskey,
        "ds": ds,
    }


def _records(key: DnssecKey) -> list[str]:
    """Return the DNSKEY record and the DS records of a key, as lines of a zone file."""
    from base64 import b64encode

    from zonemint.dns import codes, rdata, wire
    from zonemint.dns.dnssec.keys import SigningKey

    loaded = SigningKey.load(key.private)
    flags, public = int.from_bytes(loaded.dnskey[:2], "big"), b64encode(loaded.dnskey[4:]).decode()
    found = [f"DNSKEY\t{flags} {loaded.dnskey[2]} {loaded.dnskey[3]} {public}"]
    every = loaded.ds(wire.name_from_text(key.zone))
    found += [f"DS\t{rdata.to_text(codes.DS, data, 0, len(data))}" for data in every]
    return [f"{key.zone}.\tIN\t{text}" for text in found]
