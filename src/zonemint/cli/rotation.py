"""`zonemint ca rotate-intermediate` and `rotate-root`: another issuer and another root, while the server runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zonemint.cli.options import DataOption

if TYPE_CHECKING:
    from cryptography import x509

    from zonemint.app.rotation import Rotation
    from zonemint.cli.session import Session
    from zonemint.pki.authority import Authority
    from zonemint.pki.key_source import KeySource

__all__ = ["left_to_do", "rotate_intermediate", "rotate_root"]

KindOption = Annotated[
    str, typer.Option("--key-type", metavar="KIND", help="Another kind of key than before: p256, p384, ml-dsa-65, ...")
]
DryOption = Annotated[bool, typer.Option("--dry-run", help="Tell what would be done, and do nothing.")]


def rotate_intermediate(
    csr: Annotated[
        bool, typer.Option("--csr", help="Print a request for a new key instead, where the root's key is elsewhere.")
    ] = False,
    kind: KindOption = "",
    dry: DryOption = False,
    data: DataOption = None,
) -> None:
    """Make a new intermediate with a new key, which signs from now on; a running server takes it up at once.

    What the old one signed stays good, with its chain and its revocation list, and its clients are asked to renew.
    """
    from zonemint.cli.output import say
    from zonemint.cli.session import run
    from zonemint.pki import rotation

    _check(kind)

    async def work(session: Session) -> None:
        change = _rotation(session)
        if dry:
            found = _loaded(session)
            say(f"would make a new intermediate; {_name(found.intermediate)} would sign no more")
            return
        found = await change.settled()
        if csr:
            pem = rotation.request(session.data.pki, found, _source(session), change.turn(kind))
            print(pem.decode(), end="")
            say("have it signed by the root, then: zonemint ca install-intermediate CERT")
            return
        made = await change.intermediate(found, kind=kind)
        _tell(made)

    run(data, work)


def rotate_root(
    finish: Annotated[
        bool, typer.Option("--finish", help="Drop the old root, once clients trust the new one: they trust no other.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also while certificates are valid that need the old root.")
    ] = False,
    kind: KindOption = "",
    dry: DryOption = False,
    data: DataOption = None,
) -> None:
    """Make a new root that the old one vouches for, and an intermediate under it; --finish drops the old root.

    Until then both are in /roots.pem, and certificates come with a chain for those that know the old root only; chains
    to the new one are alternates.
    """
    from cryptography.hazmat.primitives.hashes import SHA256

    from zonemint.cli.output import say
    from zonemint.cli.session import run

    _check(kind)

    async def work(session: Session) -> None:
        change = _rotation(session)
        if dry:
            for line in left_to_do(session.data.pki, _loaded(session)) or (
                "would make a new root, each vouched for by the other, and an intermediate under it",
            ):
                say(line)
            return
        found = await change.settled()
        if finish:
            old = await change.finish(found, force=force)
            digest = old.fingerprint(SHA256()).hex()
            say(f"dropped {_name(old)}, SHA-256 {digest}")
            if (session.data.pki / "roots" / f"{digest}.key").exists():
                say(f"its key is in pki/roots/{digest}.key: take it away, and destroy it when no client trusts it")
            return
        made = await change.root(found, kind=kind)
        _tell(made)
        for line in left_to_do(session.data.pki, made):
            say(line)

    run(data, work)


def left_to_do(pki: Path, found: Authority) -> list[str]:
    """Say how far a change of root is, and what comes next; nothing when none is under way."""
    from cryptography.hazmat.primitives.hashes import SHA256

    from zonemint.pki import rotation

    if (change := rotation.change(pki, found)) is None:
        return []
    new = f"{_name(change.new)}, SHA-256 {change.new.fingerprint(SHA256()).hex()}"
    if change.done:
        return [f"the change to the root {new} was cut off at its end: run `zonemint ca rotate-root --finish` again"]
    if not rotation.is_under(found.current, change.new, change.old):
        return [f"the new root {new} has no intermediate yet: run `zonemint ca rotate-root` again"]
    return [
        f"the root is being changed to {new}",
        f"{_name(change.old)} is trusted too until it is dropped, and ends {change.old.not_valid_after_utc:%Y-%m-%d}",
        "have all clients trust both roots, as they are in /roots.pem (`zonemint trust install`)",
        "then: zonemint ca rotate-root --finish",
    ]


def _tell(made: Authority) -> None:
    from cryptography.hazmat.primitives.hashes import SHA256

    from zonemint.cli.output import show_facts

    new = made.intermediate
    facts = {
        "intermediate": _name(new),
        "intermediate_sha256": new.fingerprint(SHA256()).hex(),
        "not_after": f"{new.not_valid_after_utc:%Y-%m-%d}",
        "roots": [one.fingerprint(SHA256()).hex() for one in made.roots],
    }
    show_facts(facts, as_json=False)


def _check(kind: str) -> None:
    from zonemint.pki.keys import KINDS

    if kind and kind not in KINDS:
        raise typer.BadParameter(f"'{kind}' is not one of {', '.join(KINDS)}", param_hint="--key-type")


def _rotation(session: Session) -> Rotation:
    from zonemint.app.rotation import Rotation
    from zonemint.core.clock import system_clock

    return Rotation(session.data, session.config, session.db, system_clock, session.actor)


def _loaded(session: Session) -> Authority:
    import time

    from zonemint.pki import authority

    return authority.load(session.data.pki, now=time.time(), needs_key=False, source=_source(session))


def _source(session: Session) -> KeySource:
    from zonemint.pki.key_source import key_source

    return key_source(session.config, session.data.path)


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()
