"""One-time tokens: a JSON Web Token (RFC 7519) that says for which names its bearer gets one certificate.

They are those of step's JWK provisioners, so that its clients can make them and send them.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from zonemint.acme import keys
from zonemint.acme.jws import b64url, from_b64url
from zonemint.core.errors import AcmeError, BadName, EnrollmentError
from zonemint.core.hosts import is_address, with_wildcard
from zonemint.core.ids import new_id

__all__ = ["LONGEST_LIFETIME", "Claims", "Token", "made", "parse", "public_jwk", "read"]

LONGEST_LIFETIME = 86400
"""Seconds from a token's beginning to its end."""

_LEEWAY = 60  # seconds that clocks may differ
_PATHS = frozenset({"/sign", "/1.0/sign"})
_NAMES = 100
_LONGEST = 8192


class _Header(msgspec.Struct, frozen=True):
    alg: str
    kid: str


class _Claims(msgspec.Struct, frozen=True):
    iss: str
    sub: str
    aud: str | list[str]
    exp: float
    iat: float | None = None
    nbf: float | None = None
    jti: str = ""
    sans: list[str] | None = None
    sha: str = ""
    step: dict[str, Any] | None = None


_header = msgspec.json.Decoder(_Header)
_claims = msgspec.json.Decoder(_Claims)


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was taken apart and not yet verified; `kid` names the key that should have signed it."""

    algorithm: str
    kid: str
    payload: bytes
    signing_input: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says: who made it, for which names and addresses, its id, and its end in seconds."""

    issuer: str
    names: tuple[str, ...]
    ips: tuple[str, ...]
    id: str
    expires_at: int

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names and addresses."""
        return (*self.names, *self.ips)


def parse(text: str) -> Token:
    """Take a token in the compact serialization (RFC 7515 section 7.1) apart; raises EnrollmentError 401."""
    parts = text.split(".")
    if len(parts) != 3 or len(text) > _LONGEST or not text.isascii():
        raise _refused("it is not a signed token in the compact serialization")
    try:
        header, payload, signature = (from_b64url(part, "a part of the token") for part in parts)
        protected = _header.decode(header)
    except (AcmeError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _refused("it is not a signed token with 'alg' and 'kid' in its header") from None
    if protected.alg not in keys.ALGORITHMS:
        raise _refused(f"it is signed with '{protected.alg[:40]}'; {', '.join(keys.ALGORITHMS)} are accepted")
    return Token(protected.alg, protected.kid, payload, f"{parts[0]}.{parts[1]}".encode("ascii"), signature)


def read(token: Token, key: str, issuer: str, *, host: str, roots: Container[str], now: float) -> Claims:
    """Verify a token with the public key (canonical JWK) of its issuer, and return what it says.

    `host` is the server's that it must be for, `roots` the hex SHA-256 of those that it may name. Raises
    EnrollmentError 401: a wrong signature, another issuer or audience, not yet or no longer valid,
    valid for longer than a day, for SSH.
    """
    if not keys.verifies(keys.load(key), token.algorithm, token.signature, token.signing_input):
        raise _refused("its signature is not by the key that it names")
    try:
        claims = _claims.decode(token.payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refused(f"its claims are not those of a one-time token: {error}") from None
    if claims.iss != issuer:
        raise _refused(f"its issuer is '{claims.iss[:80]}' and its key that of '{issuer}'")
    if claims.sha and claims.sha.lower() not in roots:
        raise _refused("it is for a CA with another root")
    audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    if not any(_is_ours(audience, host) for audience in audiences):
        raise _refused(f"it is not for https://{host}/1.0/sign")
    if claims.step:
        raise _refused("it is for SSH, and there are only X.509 certificates here")
    begin = claims.nbf if claims.nbf is not None else claims.iat
    if begin is None:
        raise _refused("it does not say since when it is valid ('nbf' or 'iat')")
    if now < begin - _LEEWAY or now > claims.exp + _LEEWAY:
        raise _refused("it is not yet valid" if now < begin else "its time is over; make a new one")
    if claims.exp - begin > LONGEST_LIFETIME:
        raise _refused(f"it is valid for longer than {LONGEST_LIFETIME} seconds")
    names, ips = _hosts(claims.sans or [claims.sub])
    own = claims.jti or sha256(token.signing_input).hexdigest()
    # An id is its maker's word, so that it says something only together with the key.
    token_id = sha256(f"{token.kid}\n{own}".encode()).hexdigest()
    return Claims(claims.iss, names, ips, token_id, int(claims.exp) + _LEEWAY + 1)


def made(
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    hosts: Sequence[str],
    *,
    url: str,
    root: str,
    now: float,
    lifetime: int,
) -> tuple[str, str]:
    """Make a token for hosts (normalized), the first as its subject, signed with a P-256 key; return id and text.

    `url` is the server's, `root` the hex SHA-256 of its root, times are in seconds.
    """
    token_id = new_id()
    header = {"alg": "ES256", "kid": public_jwk(key).thumbprint, "typ": "JWT"}
    claims = {
        "aud": f"{url}/1.0/sign",
        "exp": int(now) + lifetime,
        "iat": int(now),
        "iss": issuer,
        "jti": token_id,
        "nbf": int(now),
        "sans": list(hosts),
        "sha": root,
        "sub": hosts[0],
    }
    body = ".".join(b64url(msgspec.json.encode(part)) for part in (header, claims))
    r, s = decode_dss_signature(key.sign(body.encode(), ec.ECDSA(hashes.SHA256())))
    return token_id, f"{body}.{b64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def public_jwk(key: ec.EllipticCurvePrivateKey) -> keys.Jwk:
    """Return the public half of a P-256 key as a JWK (RFC 7518 section 6.2.1)."""
    numbers = key.public_key().public_numbers()
    x, y = (b64url(one.to_bytes(32, "big")) for one in (numbers.x, numbers.y))
    return keys.canonical({"kty": "EC", "crv": "P-256", "x": x, "y": y})


def _is_ours(audience: str, host: str) -> bool:
    """Tell whether an audience is this server's URL to sign at; ports are left to whoever forwards them."""
    try:
        url = urlsplit(audience)
        return url.scheme == "https" and (url.hostname or "").lower() == host and url.path in _PATHS
    except ValueError:
        return False


def _hosts(texts: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if not 0 < len(texts) <= _NAMES:
        raise _refused(f"it has {len(texts)} names; 1 to {_NAMES} are possible")
    names: dict[str, None] = {}
    ips: dict[str, None] = {}
    for text in texts:
        if is_address(text):
            ips[str(ip_address(text))] = None
            continue
        try:
            names[with_wildcard(text)] = None
        except BadName as error:
            raise _refused(f"one of its names is neither a DNS name nor an address: {error}") from None
    return tuple(names), tuple(ips)


def _refused(why: str) -> EnrollmentError:
    return EnrollmentError(f"the token is refused: {why}", 401)
