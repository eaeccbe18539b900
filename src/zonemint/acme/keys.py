"""Account keys: JSON Web Keys (RFC 7517, 8037), their thumbprints (RFC 7638) and signatures (RFC 7518)."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple, TypeAlias

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from zonemint.core.errors import AcmeError, AcmeErrorType

__all__ = ["ALGORITHMS", "Jwk", "PublicKey", "canonical", "load", "spki", "verifies"]

PublicKey: TypeAlias = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey

ALGORITHMS = ("ES256", "ES384", "ES512", "EdDSA", "RS256")

_EC_CURVES: dict[str, tuple[ec.EllipticCurve, int]] = {
    "P-256": (ec.SECP256R1(), 32),
    "P-384": (ec.SECP384R1(), 48),
    "P-521": (ec.SECP521R1(), 66),
}
_EC_ALGORITHMS: dict[str, tuple[str, ec.ECDSA, int]] = {
    "ES256": ("secp256r1", ec.ECDSA(hashes.SHA256()), 32),
    "ES384": ("secp384r1", ec.ECDSA(hashes.SHA384()), 48),
    "ES512": ("secp521r1", ec.ECDSA(hashes.SHA512()), 66),
}
_MEMBERS = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x"), "RSA": ("e", "kty", "n")}
_RSA_BITS = (2048, 4096)


class Jwk(NamedTuple):
    """A public key in its canonical JSON (RFC 7638 section 3), with its thumbprint in base64url."""

    text: str
    thumbprint: str


def canonical(jwk: Mapping[str, Any]) -> Jwk:
    """Return the required members of a key in their order; raises AcmeError badPublicKey."""
    members = _MEMBERS.get(str(jwk.get("kty")))
    if members is None:
        raise _bad_key(f"key type '{str(jwk.get('kty'))[:40]}' is not accepted; use EC, OKP or RSA")
    values = {member: jwk.get(member) for member in members}
    for member, value in values.items():
        if not isinstance(value, str):
            raise _bad_key(f"the key has no text member '{member}'")
    text = msgspec.json.encode(values, order="sorted").decode()
    thumbprint = urlsafe_b64encode(sha256(text.encode()).digest()).rstrip(b"=").decode("ascii")
    return Jwk(text, thumbprint)


@lru_cache(maxsize=4096)
def load(text: str) -> PublicKey:
    """Make the public key of a canonical JWK; raises AcmeError badPublicKey for weak or impossible keys."""
    jwk = msgspec.json.decode(text, type=dict[str, str])
    try:
        return _make(jwk)
    except ValueError as error:
        raise _bad_key(f"the key cannot be used: {error}") from error


def verifies(key: PublicKey, algorithm: str, signature: bytes, message: bytes) -> bool:
    """Tell whether a signature (RFC 7518 section 3, RFC 8037 section 3.1) is by this key under this algorithm."""
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            curve, scheme, size = _EC_ALGORITHMS[algorithm]
            if key.curve.name != curve or len(signature) != 2 * size:
                return False
            r = int.from_bytes(signature[:size], "big")
            s = int.from_bytes(signature[size:], "big")
            key.verify(encode_dss_signature(r, s), message, scheme)
        elif isinstance(key, rsa.RSAPublicKey):
            if algorithm != "RS256":
                return False
            key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        else:
            if algorithm != "EdDSA":
                return False
            key.verify(signature, message)
    except (InvalidSignature, KeyError):
        return False
    return True


def spki(key: PublicKey) -> bytes:
    """Return the key's SubjectPublicKeyInfo in DER."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _make(jwk: Mapping[str, str]) -> PublicKey:
    if jwk["kty"] == "EC":
        curve = _EC_CURVES.get(jwk["crv"])
        if curve is None:
            raise _bad_key(f"curve '{jwk['crv'][:40]}' is not accepted; use P-256, P-384 or P-521")
        x, y = _octets(jwk["x"]), _octets(jwk["y"])
        if len(x) != curve[1] or len(y) != curve[1]:
            raise ValueError(f"the coordinates of {jwk['crv']} have {curve[1]} octets each")
        return ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), curve[0]).public_key()
    if jwk["kty"] == "OKP":
        if jwk["crv"] != "Ed25519":
            raise _bad_key(f"curve '{jwk['crv'][:40]}' is not accepted; use Ed25519")
        return ed25519.Ed25519PublicKey.from_public_bytes(_octets(jwk["x"]))
    modulus, exponent = _integer(jwk["n"]), _integer(jwk["e"])
    if not _RSA_BITS[0] <= modulus.bit_length() <= _RSA_BITS[1]:
        raise _bad_key(f"the RSA key has {modulus.bit_length()} bits; {_RSA_BITS[0]} to {_RSA_BITS[1]} are accepted")
    if exponent != 65537:
        raise _bad_key("the RSA key's exponent is not 65537")
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def _octets(text: str) -> bytes:
    """Decode a member; of several spellings of a key only one is taken, so that it has one thumbprint."""
    raw = text.encode("ascii", "replace")
    decoded = urlsafe_b64decode(raw + b"=" * (-len(raw) % 4))
    if urlsafe_b64encode(decoded).rstrip(b"=") != raw:
        raise ValueError("a member is not base64url as RFC 7515 section 2 writes it")
    return decoded


def _integer(text: str) -> int:
    """Decode a Base64urlUInt, which has no leading zero octet (RFC 7518 section 2)."""
    octets = _octets(text)
    if octets[:1] == b"\0":
        raise ValueError("a number has a leading zero octet")
    return int.from_bytes(octets, "big")


def _bad_key(detail: str) -> AcmeError:
    return AcmeError(AcmeErrorType.BAD_PUBLIC_KEY, detail)
