"""The key with which `zonemint token` makes tokens: in the data folder, with its public half in the store."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec

from zonemint.config import DataDir
from zonemint.core.errors import KeyFileError
from zonemint.enrollment.token import public_jwk
from zonemint.pki.keys import generate, load_key, write_key
from zonemint.store import audit, token_issuers
from zonemint.store.database import Database, Steps
from zonemint.store.token_issuers import TokenIssuer

__all__ = ["NAME", "own_key"]

NAME = "zonemint"
"""The issuer's name in its tokens; each data folder has a key of its own under it."""


async def own_key(data: DataDir, db: Database, *, actor: str, now: float) -> ec.EllipticCurvePrivateKey:
    """Return the key, made and put into the store where it lacks; raises KeyFileError, StoreError."""
    file = data.pki / "token.key"
    if not file.exists():
        data.pki.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_key(file, generate())
    key = load_key(file)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise KeyFileError("tokens are signed with a P-256 key: move this one away, and another is made", file=file)
    jwk = public_jwk(key)
    issuer = TokenIssuer(jwk.thumbprint, NAME, jwk.text, "", int(now), actor)

    def add() -> Steps[None]:
        if (yield from token_issuers.insert(issuer)):
            fact = audit.Fact(audit.Kind.TOKEN_ISSUER_ADDED, actor, issuer.kid, {"name": NAME})
            yield from audit.append(fact, now=now)

    if await db.read(token_issuers.by_kid(jwk.thumbprint)) is None:
        await db.write(add())
    return key
