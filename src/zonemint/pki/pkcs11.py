"""Keys that stay in a token: the library's classes of private keys, whose signatures are made by PKCS #11.

cryptography builds a certificate and has the key sign it by calling `sign`, so all else is as with a key in a file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from functools import lru_cache
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, NoReturn
from urllib.parse import unquote, unquote_to_bytes
from weakref import finalize

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from zonemint.core.errors import ConfigError, IssuanceError, KeyFileError
from zonemint.pki.keys import PrivateKey
from zonemint.pki.passwords import read_secret

__all__ = ["Uri", "open_key"]

_TIMEOUT = 5.0  # seconds for one signature: an event loop waits meanwhile
_PATH = ("token", "serial", "manufacturer", "model", "object", "id", "type")
_QUERY = ("module-path", "module-name", "pin-source", "pin-value")
_SUPPORTED = "use P-256, P-384, P-521, Ed25519 or RSA"
_CURVES: Mapping[bytes, ec.EllipticCurve] = {  # by the DER of their object identifiers
    bytes.fromhex("06082a8648ce3d030107"): ec.SECP256R1(),
    bytes.fromhex("06052b81040022"): ec.SECP384R1(),
    bytes.fromhex("06052b81040023"): ec.SECP521R1(),
}
_PART = re.compile(r"([a-z-]+)=(.*)", re.DOTALL)


class Uri(dict[str, str]):
    """The attributes of a PKCS #11 URI (RFC 7512 section 2.3), percent-decoded; `id` in hex."""

    @classmethod
    def read(cls, text: str) -> Uri:
        """Read a URI; raises ConfigError, which never shows a PIN."""
        if not text.startswith("pkcs11:"):
            raise ConfigError("a PKCS #11 URI begins with pkcs11:")
        path, _, query = text.removeprefix("pkcs11:").partition("?")
        found = cls()
        for parts, known in ((path.split(";"), _PATH), (query.split("&"), _QUERY)):
            for part in filter(None, parts):
                match = _PART.fullmatch(part)
                if match is None or match[1] not in known:
                    raise ConfigError(
                        f"the PKCS #11 URI has '{part.partition('=')[0][:40]}', which is none of {', '.join(known)}"
                    )
                if match[1] in found:
                    raise ConfigError(f"the PKCS #11 URI says '{match[1]}' twice")
                found[match[1]] = unquote_to_bytes(match[2]).hex() if match[1] == "id" else unquote(match[2])
        if "pin-value" in found:
            raise ConfigError("the PKCS #11 URI has the PIN in it: put it into a file and name that with ca.pin_file")
        if not {"object", "id"} & set(found):
            raise ConfigError("the PKCS #11 URI names no key: add object=LABEL or id=%HEX")
        return found


@lru_cache(maxsize=16)
def open_key(text: str, pin_file: Path | None) -> PrivateKey:
    """Find the private key that a URI names and return what signs with it; raises KeyFileError, one sentence.

    The module is that of `module-path`, and else of $PKCS11_MODULE or p11-kit's proxy.
    """
    token = _Token(Uri.read(text), pin_file)
    public = token.call(token.public)
    if isinstance(public, ec.EllipticCurvePublicKey):
        return _EcKey(token, public)
    if isinstance(public, rsa.RSAPublicKey):
        return _RsaKey(token, public)
    return _Ed25519Key(token, public)


_Turns = SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]


class _Worker:
    """A thread that does one thing after the other, for which a program that ends does not wait.

    It ends when nobody has the worker any more.
    """

    def __init__(self) -> None:
        self._turns: _Turns = SimpleQueue()
        finalize(self, self._turns.put, None)
        Thread(target=_work, args=(self._turns,), name="pkcs11", daemon=True).start()

    def submit(self, work: Callable[[], Any]) -> Future[Any]:
        """Do something in its turn."""
        asked: Future[Any] = Future()
        self._turns.put((asked, work))
        return asked


def _work(turns: _Turns) -> None:
    while (turn := turns.get()) is not None:
        asked, work = turn
        try:
            asked.set_result(work())
        except BaseException as error:
            asked.set_exception(error)
        # What was done must not be what keeps its token, and so this thread, alive.
        del turn, asked, work


class _Token:
    """One session with a token, used by one thread; it is opened anew after a failure."""

    def __init__(self, uri: Uri, pin_file: Path | None) -> None:
        self._uri = uri
        self._pin_file = pin_file or (Path(uri["pin-source"].removeprefix("file:")) if "pin-source" in uri else None)
        self._session: Any = None
        self.worker = _Worker()
        self._stuck: Future[Any] | None = None

    def call(self, work: Callable[[], Any]) -> Any:
        """Do something in the token's thread; raises KeyFileError when it fails or takes too long."""
        if self._stuck is not None and not self._stuck.done():
            raise KeyFileError("the token still has not answered an earlier request")
        asked = self.worker.submit(lambda: self._again(work))
        try:
            return asked.result(_TIMEOUT)
        except NotInTime:
            self._stuck = asked
            raise KeyFileError(f"the token did not answer within {_TIMEOUT:g} seconds") from None

    def sign(self, data: bytes, mechanism: str) -> bytes:
        """Return the token's signature; raises IssuanceError."""
        import pkcs11

        def work() -> bytes:
            signature: bytes = self._key(pkcs11.ObjectClass.PRIVATE_KEY).sign(
                data, mechanism=pkcs11.Mechanism[mechanism]
            )
            return signature

        try:
            done: bytes = self.call(work)
        except KeyFileError as error:
            raise IssuanceError(f"the CA's key cannot be used: {error.detail}") from None
        return done

    def public(self) -> Any:
        """Return the public key, read from its attributes (PKCS #11 sections 6.1.3 and 6.3.3)."""
        import pkcs11
        from pkcs11 import Attribute, KeyType

        public = self._key(pkcs11.ObjectClass.PUBLIC_KEY)
        if public.key_type == KeyType.RSA:
            numbers = (public[Attribute.PUBLIC_EXPONENT], public[Attribute.MODULUS])
            return rsa.RSAPublicNumbers(*(int.from_bytes(number, "big") for number in numbers)).public_key()
        # The point is an OCTET STRING around what its curve writes.
        point = public[Attribute.EC_POINT]
        if public.key_type == KeyType.EC_EDWARDS and len(point) >= 32:
            return ed25519.Ed25519PublicKey.from_public_bytes(point[-32:])
        for oid, curve in _CURVES.items():
            if public.key_type == KeyType.EC and public[Attribute.EC_PARAMS] == oid:
                octets = 1 + 2 * ((curve.key_size + 7) // 8)
                return ec.EllipticCurvePublicKey.from_encoded_point(curve, point[-octets:])
        raise KeyFileError(f"the kind of this key in the token is not supported: {_SUPPORTED}")

    def _again(self, work: Callable[[], Any]) -> Any:
        import pkcs11

        for last in (False, True):
            try:
                return work()
            except pkcs11.exceptions.PKCS11Error as error:
                # A token that was away, or restarted, knows our session no more.
                self._session = None
                if last or isinstance(error, pkcs11.exceptions.PinIncorrect | pkcs11.exceptions.PinLocked):
                    raise KeyFileError(_why(error)) from None
        raise AssertionError

    def _key(self, kind: Any) -> Any:
        import pkcs11

        if self._session is None:
            self._session = self._open()
        wanted: dict[Any, Any] = {pkcs11.Attribute.CLASS: kind}
        if "object" in self._uri:
            wanted[pkcs11.Attribute.LABEL] = self._uri["object"]
        if "id" in self._uri:
            wanted[pkcs11.Attribute.ID] = bytes.fromhex(self._uri["id"])
        found = list(self._session.get_objects(wanted))
        if len(found) != 1:
            what = "private key" if kind == pkcs11.ObjectClass.PRIVATE_KEY else "public key"
            raise KeyFileError(f"the token has {len(found) or 'no'} {what}s of this label and id, and one is needed")
        return found[0]

    def _open(self) -> Any:
        library = _module(self._uri)
        pin = None if self._pin_file is None else read_secret(self._pin_file).decode("utf-8", "surrogateescape")
        library.reinitialize()
        found = [
            token
            for slot in library.get_slots(token_present=True)
            for token in [slot.get_token()]
            if token.label.rstrip("\0 ") == self._uri.get("token", token.label.rstrip("\0 "))
            and _text(token.serial) == self._uri.get("serial", _text(token.serial))
        ]
        if len(found) != 1:
            raise KeyFileError(f"{len(found) or 'no'} token fits the PKCS #11 URI: is the device there?")
        return found[0].open(user_pin=pin)


def _text(serial: bytes | str) -> str:
    return (serial.decode("ascii", "replace") if isinstance(serial, bytes) else serial).rstrip("\0 ")


def _module(uri: Mapping[str, str]) -> Any:
    import os

    try:
        import pkcs11
    except ImportError:
        raise KeyFileError(
            "for keys in a token, install zonemint with its extra: pip install 'zonemint[pkcs11]'"
        ) from None
    path = uri.get("module-path") or os.environ.get("PKCS11_MODULE") or "p11-kit-proxy.so"
    try:
        return pkcs11.lib(path)
    except RuntimeError as error:
        raise KeyFileError(f"the PKCS #11 module cannot be loaded: {error}", file=path) from None


def _why(error: Exception) -> str:
    word = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__).lower()
    return f"the token says: {word}" + (f" ({error})" if str(error) else "")


class _Kept:
    """What a key in a token has in common: it cannot be taken out."""

    def __init__(self, token: _Token, public: Any) -> None:
        self._token = token
        self._public = public

    def public_key(self) -> Any:
        return self._public

    @property
    def key_size(self) -> int:
        size: int = self._public.key_size
        return size

    def private_numbers(self) -> NoReturn:
        raise TypeError("the key stays in its token")

    def private_bytes(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("the key stays in its token")

    def private_bytes_raw(self) -> NoReturn:
        raise TypeError("the key stays in its token")

    def exchange(self, *_: Any) -> NoReturn:
        raise TypeError("this key signs")

    def decrypt(self, *_: Any) -> NoReturn:
        raise TypeError("this key signs")

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self


class _EcKey(_Kept, ec.EllipticCurvePrivateKey):
    @property
    def curve(self) -> ec.EllipticCurve:
        curve: ec.EllipticCurve = self._public.curve
        return curve

    def sign(self, data: Any, signature_algorithm: Any) -> bytes:
        """See EllipticCurvePrivateKey.sign: the token is given the hash, and gives r and s side by side."""
        digest = hashes.Hash(signature_algorithm.algorithm)
        digest.update(data)
        made = self._token.sign(digest.finalize(), "ECDSA")
        half = len(made) // 2
        signature = encode_dss_signature(int.from_bytes(made[:half], "big"), int.from_bytes(made[half:], "big"))
        self._public.verify(signature, data, signature_algorithm)
        return signature


class _RsaKey(_Kept, rsa.RSAPrivateKey):
    def sign(self, data: Any, padding: Any, algorithm: Any) -> bytes:
        """See RSAPrivateKey.sign, of PKCS #1 v1.5 with SHA-256."""
        signature = self._token.sign(bytes(data), "SHA256_RSA_PKCS")
        self._public.verify(signature, data, padding, algorithm)
        return signature


class _Ed25519Key(_Kept, ed25519.Ed25519PrivateKey):
    def sign(self, data: Any) -> bytes:
        """See Ed25519PrivateKey.sign."""
        signature = self._token.sign(bytes(data), "EDDSA")
        self._public.verify(signature, data)
        return signature
