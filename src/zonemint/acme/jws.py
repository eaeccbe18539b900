"""JSON Web Signatures as ACME uses them (RFC 8555 section 6.2, RFC 7515): flattened, signed, bound to a URL."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from binascii import a2b_base64
from typing import Any, TypeVar

import msgspec

from zonemint.acme import keys
from zonemint.core.errors import AcmeError, AcmeErrorType

__all__ = ["Flattened", "Jws", "Protected", "b64url", "decode_payload", "flattened", "from_b64url", "parse", "verify"]

S = TypeVar("S", bound=msgspec.Struct)

_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")
_TO_BASE64 = bytes.maketrans(b"-_", b"+/")
_PADDING = (b"", b"", b"==", b"=")


class Protected(msgspec.Struct, frozen=True):
    """The protected header; exactly one of `jwk` and `kid` is set."""

    alg: str
    url: str | None = None
    nonce: str | None = None
    kid: str | None = None
    jwk: dict[str, Any] | None = None
    crit: msgspec.Raw | None = None
    b64: msgspec.Raw | None = None


class Jws(msgspec.Struct, frozen=True):
    """A parsed, not yet verified request; `payload` is decoded and empty for POST-as-GET (section 6.3)."""

    protected: Protected
    payload: bytes
    signature: bytes
    signing_input: bytes


class Flattened(msgspec.Struct, frozen=True):
    """The serialization with one signature, its parts still in base64url."""

    protected: str
    payload: str
    signature: str
    header: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    signatures: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_flattened = msgspec.json.Decoder(Flattened)
_protected = msgspec.json.Decoder(Protected)


def parse(body: bytes) -> Jws:
    """Take a request body apart; raises AcmeError malformed, badSignatureAlgorithm."""
    flat = flattened(body, "the body")
    header = from_b64url(flat.protected, "the protected header")
    try:
        protected = _protected.decode(header)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(f"the protected header is not as RFC 8555 section 6.2 wants it: {error}") from error
    if protected.alg not in keys.ALGORITHMS:
        raise AcmeError(
            AcmeErrorType.BAD_SIGNATURE_ALGORITHM,
            f"the signature algorithm '{protected.alg[:40]}' is not accepted; use one of {', '.join(keys.ALGORITHMS)}",
            fields={"algorithms": list(keys.ALGORITHMS)},
        )
    if protected.crit is not None or protected.b64 is not None:
        raise _malformed("the protected header has 'crit' or 'b64', which ACME does not use")
    if (protected.jwk is None) == (protected.kid is None):
        raise _malformed("the protected header must have exactly one of 'jwk' and 'kid'")
    payload = from_b64url(flat.payload, "the payload")
    signature = from_b64url(flat.signature, "the signature")
    return Jws(protected, payload, signature, f"{flat.protected}.{flat.payload}".encode("ascii"))


def flattened(text: bytes, what: str) -> Flattened:
    """Take one serialization apart and no other (RFC 7515 section 7.2.2); raises AcmeError malformed naming `what`."""
    try:
        flat = _flattened.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(f"{what} is not a flattened JWS in JSON: {error}") from error
    if flat.signatures is not msgspec.UNSET:
        raise _malformed("the JWS has 'signatures': only the flattened serialization with one signature is allowed")
    if flat.header is not msgspec.UNSET:
        raise _malformed("the JWS has an unprotected 'header': everything must be in the protected header")
    if not flat.signature:
        raise _malformed("the JWS has an empty signature")
    return flat


def verify(jws: Jws, key: keys.PublicKey) -> None:
    """Check the signature with a key; raises AcmeError malformed when it does not fit."""
    if not keys.verifies(key, jws.protected.alg, jws.signature, jws.signing_input):
        raise _malformed("the signature of the JWS does not verify with the key")


def decode_payload(payload: bytes, shape: type[S]) -> S:
    """Read a payload as JSON of a known shape; raises AcmeError malformed."""
    try:
        return msgspec.json.decode(payload, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(f"the payload is not what this resource takes: {error}") from error


def from_b64url(text: str, what: str) -> bytes:
    """Decode base64url without padding (RFC 7515 section 2); raises AcmeError malformed naming `what`."""
    if not _BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        raise _malformed(f"{what} is not base64url without padding")
    return a2b_base64(text.encode("ascii").translate(_TO_BASE64) + _PADDING[len(text) % 4])


def b64url(data: bytes) -> str:
    """Encode as base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _malformed(detail: str) -> AcmeError:
    return AcmeError(AcmeErrorType.MALFORMED, detail)
