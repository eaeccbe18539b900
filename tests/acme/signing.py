"""Account keys and JWS made with `cryptography` alone, so that nothing of ours checks itself."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

__all__ = ["ALGORITHMS", "Draft", "Signer", "b64url", "eddsa", "es256", "integer", "of", "rs256"]

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True)
class Signer:
    """A private key with its JWK and its JWS algorithm."""

    alg: str
    key: PrivateKey
    jwk: dict[str, str]
    sign: Callable[[bytes], bytes] = field(repr=False)


@dataclass
class Draft:
    """A request before it is signed; a test breaks what it wants to see refused."""

    protected: dict[str, Any]
    payload: bytes
    signer: Signer

    def parts(self) -> dict[str, Any]:
        """The members of the flattened JWS, signed."""
        protected, payload = b64url(json.dumps(self.protected).encode()), b64url(self.payload)
        signature = self.signer.sign(f"{protected}.{payload}".encode())
        return {"protected": protected, "payload": payload, "signature": b64url(signature)}

    def body(self, **members: Any) -> bytes:
        """The signed request with members put in place of its own; None takes one away."""
        parts = {**self.parts(), **members}
        return json.dumps({name: value for name, value in parts.items() if value is not None}).encode()


def b64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def integer(number: int, size: int | None = None) -> str:
    """Write an integer as JWA does: big-endian in as few octets as it needs, or in `size`."""
    return b64url(number.to_bytes(size or (number.bit_length() + 7) // 8, "big"))


def _ecdsa(alg: str, name: str, key: ec.EllipticCurvePrivateKey, digest: hashes.HashAlgorithm) -> Signer:
    size = (key.key_size + 7) // 8
    public = key.public_key().public_numbers()

    def sign(message: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(message, ec.ECDSA(digest)))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    return Signer(
        alg, key, {"kty": "EC", "crv": name, "x": integer(public.x, size), "y": integer(public.y, size)}, sign
    )


def of(key: ec.EllipticCurvePrivateKey) -> Signer:
    """Sign with a P-256 key that exists."""
    return _ecdsa("ES256", "P-256", key, hashes.SHA256())


def es256() -> Signer:
    return of(ec.generate_private_key(ec.SECP256R1()))


def eddsa() -> Signer:
    key = ed25519.Ed25519PrivateKey.generate()
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return Signer("EdDSA", key, {"kty": "OKP", "crv": "Ed25519", "x": b64url(raw)}, key.sign)


def rs256(bits: int = 2048) -> Signer:
    key = rsa.generate_private_key(65537, bits)
    public = key.public_key().public_numbers()
    jwk = {"kty": "RSA", "n": integer(public.n), "e": integer(public.e)}
    return Signer("RS256", key, jwk, lambda message: key.sign(message, padding.PKCS1v15(), hashes.SHA256()))


ALGORITHMS: dict[str, Callable[[], Signer]] = {
    "ES256": es256,
    "ES384": lambda: _ecdsa("ES384", "P-384", ec.generate_private_key(ec.SECP384R1()), hashes.SHA384()),
    "ES512": lambda: _ecdsa("ES512", "P-521", ec.generate_private_key(ec.SECP521R1()), hashes.SHA512()),
    "EdDSA": eddsa,
    "RS256": rs256,
}
