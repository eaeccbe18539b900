"""`zonemint certs block-key`, `unblock-key` and `blocked-keys`: keys that no certificate may carry."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from zonemint.cli.options import DataOption, JsonOption

__all__ = ["block_key", "blocked_keys", "unblock_key"]

_SHA256 = re.compile(r"[0-9a-f]{64}")

KeyArgument = Annotated[
    str,
    typer.Argument(
        metavar="FILE|SHA256",
        help="A public key, certificate or CSR in PEM, or the SHA-256 of the SubjectPublicKeyInfo in hexadecimal.",
    ),
]


def block_key(
    key: KeyArgument,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; clients that use the key are told.")
    ] = "an administrator blocked it",
    data: DataOption = None,
) -> None:
    """Issue no certificate for a key again; what was issued for it stays valid until it is revoked."""
    import time

    from zonemint.cli.session import Session, run
    from zonemint.core.hash_chain import Detail
    from zonemint.store import audit, blocked_keys
    from zonemint.store.database import Steps

    digest = _digest(key)

    async def work(session: Session) -> bool:
        now = time.time()

        def steps() -> Steps[bool]:
            if not (yield from blocked_keys.block(digest, now=int(now), reason=reason)):
                return False
            told: Detail = {"reason": reason, "via": "zonemint certs"}
            yield from audit.append(audit.Fact(audit.Kind.KEY_BLOCKED, session.actor, digest, told), now=now)
            return True

        return await session.db.write(steps())

    print(f"blocked {digest}" if run(data, work) else f"{digest} was blocked already")


def unblock_key(key: KeyArgument, data: DataOption = None) -> None:
    """Issue certificates for a blocked key again."""
    import time

    from zonemint.cli.session import Session, run
    from zonemint.core.errors import ConfigError
    from zonemint.store import audit, blocked_keys
    from zonemint.store.database import Steps

    digest = _digest(key)

    async def work(session: Session) -> bool:
        def steps() -> Steps[bool]:
            if not (yield from blocked_keys.unblock(digest)):
                return False
            fact = audit.Fact(audit.Kind.KEY_UNBLOCKED, session.actor, digest, {"via": "zonemint certs"})
            yield from audit.append(fact, now=time.time())
            return True

        return await session.db.write(steps())

    if not run(data, work):
        raise ConfigError(f"the key {digest} is not blocked; `zonemint certs blocked-keys` shows those that are")
    print(f"unblocked {digest}")


def blocked_keys(
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="The newest N.")] = 50,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List blocked keys, newest first."""
    from zonemint.cli.output import show_table
    from zonemint.cli.session import run
    from zonemint.core.clock import rfc3339
    from zonemint.store import blocked_keys

    found = run(data, lambda session: session.db.read(blocked_keys.listing(limit=limit)))
    rows = [{"key": one.key_hash, "blocked": rfc3339(one.blocked_at), "reason": one.reason} for one in found]
    show_table(rows, ["blocked", "key", "reason"], as_json=as_json)


def _digest(text: str) -> str:
    """Return the SHA-256 that a command line names, or that of the key in a file; raises ConfigError."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    from zonemint.core.errors import ConfigError
    from zonemint.pki.keys import spki_sha256

    bare = text.lower().replace(":", "")
    if _SHA256.fullmatch(bare):
        return bare
    try:
        pem = Path(text).read_bytes()
    except OSError as error:
        raise ConfigError(f"neither a SHA-256 in hexadecimal nor a file: {error.strerror}", file=text) from None
    try:
        if b"-----BEGIN CERTIFICATE-----" in pem:
            return spki_sha256(x509.load_pem_x509_certificate(pem).public_key())
        if b"CERTIFICATE REQUEST-----" in pem:
            return spki_sha256(x509.load_pem_x509_csr(pem).public_key())
        return spki_sha256(load_pem_public_key(pem))
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigError("there is no public key, certificate or CSR in PEM in this file", file=text) from None
