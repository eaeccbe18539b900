"""Tokens of the HTTP interface: made, recognised again, revoked.

A token is `zonemint_ID_SECRET`. The secret is 256 random bits, so one pass of a fast hash keeps it.
"""

from __future__ import annotations

import re
import secrets
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from zonemint.core.hash_chain import Detail
from zonemint.core.ids import new_id, random_text
from zonemint.store import audit, tokens
from zonemint.store.database import Database, Steps
from zonemint.store.tokens import Right, Token

__all__ = ["Bearer", "insert", "new", "presented", "recognise", "revoke"]

_SECRET_OCTETS = 32
_TOKEN = re.compile(r"zonemint_([0-9a-z]{26})_([A-Za-z0-9_-]{43})", re.ASCII)
_NOTED = 60_000  # milliseconds between notes of the last use
# Compared in place of an unknown token's, so that the time of a refusal does not tell which it was.
_NO_TOKEN = "0" * 64


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who presented a token: the token as it is stored, and its secret, which opens what is kept under it."""

    token: Token
    secret: str

    @property
    def actor(self) -> str:
        """Who it is for the audit log."""
        return f"token:{self.token.id}"


def new(rights: Sequence[Right], names: Sequence[str], by: str, *, now_ms: int) -> tuple[Token, str]:
    """Return a token, not yet stored, and its text, which is seen only now."""
    secret = random_text(_SECRET_OCTETS)
    token = Token(new_id(), _hash(secret), tuple(rights), tuple(names), now_ms, by)
    return token, f"zonemint_{token.id}_{secret}"


def insert(token: Token, *, actor: str) -> Steps[None]:
    """Store a token and record that it was made."""
    yield from tokens.insert(token)
    told: Detail = {"rights": token.rights, "names": token.names, "via": token.created_by}
    yield from audit.append(audit.Fact(audit.Kind.TOKEN_CREATED, actor, token.id, told), now=token.created_ms / 1000)


def revoke(token_id: str, *, actor: str, via: str, now: float) -> Steps[bool]:
    """Remove a token; tell whether there was one."""
    if not (yield from tokens.remove(token_id)):
        return False
    yield from audit.append(audit.Fact(audit.Kind.TOKEN_REVOKED, actor, token_id, {"via": via}), now=now)
    return True


def presented(authorization: str) -> str:
    """Return the token in an Authorization header, or an empty text.

    It is the bearer token (RFC 6750) or the password of basic authentication (RFC 7617), since that is what
    clients send that are given `https://zonemint:TOKEN@host` as the URL.
    """
    scheme, _, credentials = authorization.partition(" ")
    match scheme.lower():
        case "bearer":
            return credentials.strip()
        case "basic":
            try:
                return b64decode(credentials.strip(), validate=True).decode("ascii").partition(":")[2]
            except (NotBase64, UnicodeDecodeError, ValueError):
                return ""
    return ""


async def recognise(db: Database, text: str, right: Right, *, now_ms: int) -> Bearer | None:
    """Return who has this token, if it is one and has the right.

    Unknown token and wrong secret take the same time; a text that is no token is known for that at once.
    """
    match = _TOKEN.fullmatch(text)
    if match is None:
        return None
    token_id, secret = match.groups()
    token = await db.read(tokens.by_id(token_id))
    matches = secrets.compare_digest(_hash(secret), _NO_TOKEN if token is None else token.hash)
    if not matches or token is None or right not in token.rights:
        return None
    if now_ms - token.used_ms > _NOTED:
        db.write_soon(tokens.touch(token_id, now_ms=now_ms))
    return Bearer(token, secret)


def _hash(secret: str) -> str:
    return sha256(secret.encode("ascii")).hexdigest()
