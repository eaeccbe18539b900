"""Messages signed with a shared secret (RFC 8945), on the octets as they came and go."""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from zonemint.core.errors import ForeignDataError
from zonemint.dns import wire
from zonemint.dns.rights import Rights

__all__ = [
    "ALGORITHMS",
    "BADKEY",
    "BADSIG",
    "BADTIME",
    "BADTRUNC",
    "Key",
    "Keys",
    "Signature",
    "Signer",
    "Unverified",
    "Verified",
    "Verifier",
    "find",
    "refusal",
    "sign",
    "verify",
]

BADSIG: Final = 16
BADKEY: Final = 17
BADTIME: Final = 18
BADTRUNC: Final = 22

FUDGE: Final = 300  # seconds that the other side's clock may differ from ours (section 10)
_LEAST: Final = 10  # octets of a MAC (section 5.2.2.1)
_UNSIGNED: Final = 99  # messages of an answer in a row that may go without a TSIG (section 5.3.1)
_NOTAUTH: Final = 9
_TYPE: Final = 250
_ANY: Final = 255

_RECORD = struct.Struct("!HHIH")
_FIXED = struct.Struct("!HIHH")
_TAIL = struct.Struct("!HHH")

ALGORITHMS: Final = {
    "hmac-md5": ("hmac-md5.sig-alg.reg.int", "md5", 16),
    "hmac-sha1": ("hmac-sha1", "sha1", 20),
    "hmac-sha224": ("hmac-sha224", "sha224", 28),
    "hmac-sha256": ("hmac-sha256", "sha256", 32),
    "hmac-sha256-128": ("hmac-sha256-128", "sha256", 16),
    "hmac-sha384": ("hmac-sha384", "sha384", 48),
    "hmac-sha384-192": ("hmac-sha384-192", "sha384", 24),
    "hmac-sha512": ("hmac-sha512", "sha512", 64),
    "hmac-sha512-256": ("hmac-sha512-256", "sha512", 32),
}
"""The algorithms as people name them: their name in messages, the hash, and the octets of a whole MAC (section 6)."""

_WIRE: Final = {name: wire.name_from_text(in_messages) for name, (in_messages, _, _) in ALGORITHMS.items()}


class Key(msgspec.Struct, frozen=True):
    """A shared secret: its name in lower-case wire form, its one algorithm of ALGORITHMS, the secret's octets."""

    name: bytes
    algorithm: str
    secret: bytes
    rights: Rights = Rights()

    def __repr__(self) -> str:
        return f"Key({wire.name_to_text(self.name)}, {self.algorithm})"

    def mac(self, data: bytes) -> bytes:
        """Return the whole MAC of some octets."""
        _, hash_, size = ALGORITHMS[self.algorithm]
        return hmac.new(self.secret, data, getattr(hashlib, hash_)).digest()[:size]


Keys: TypeAlias = Callable[[bytes], "Key | None"]
"""Finds the key of a name in lower-case wire form."""


class Signature(msgspec.Struct, frozen=True):
    """A TSIG record as it came (section 4.2); it begins at `start` of the message. Times are seconds."""

    start: int
    key: bytes
    algorithm: bytes
    time: int
    fudge: int
    mac: bytes
    original_id: int
    error: int
    other: bytes

    @property
    def timers(self) -> bytes:
        """The two fields that every MAC covers."""
        return self.time.to_bytes(6, "big") + self.fudge.to_bytes(2, "big")

    @property
    def variables(self) -> bytes:
        """What a MAC covers of the record itself (section 4.3.3)."""
        tail = self.error.to_bytes(2, "big") + len(self.other).to_bytes(2, "big") + self.other
        return self.key + b"\0\xff\0\0\0\0" + self.algorithm + self.timers + tail

    def record(self) -> bytes:
        """Write the record."""
        data = self.algorithm + self.timers + len(self.mac).to_bytes(2, "big") + self.mac
        data += _TAIL.pack(self.original_id, self.error, len(self.other)) + self.other
        return self.key + _RECORD.pack(_TYPE, _ANY, 0, len(data)) + data


class Verified(msgspec.Struct, frozen=True):
    """A message that a key vouches for: what it was before it was signed, and the MAC that the answer's one covers."""

    message: bytes
    key: Key
    mac: bytes


class Unverified(Exception):
    """A signed message that cannot be believed.

    error: BADKEY, BADSIG, BADTIME or BADTRUNC; key: with which the refusal is signed, None where it may not be.
    """

    def __init__(self, error: int, signature: Signature, key: Key | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.signature = signature
        self.key = key


def find(message: bytes) -> Signature | None:
    """Return the TSIG record of a message, which is its last one; None where there is none.

    Raises ForeignDataError for a message that cannot be read, and for a TSIG that stands elsewhere (section 5.1).
    """
    if len(message) < 12:
        raise ForeignDataError("a message has a header")
    at = 12
    questions, *counts = (int.from_bytes(message[i : i + 2], "big") for i in (4, 6, 8, 10))
    for _ in range(questions):
        _, at = wire.read_name(message, at)
        at += 4
    found = None
    known: dict[int, bytes] = {}
    last = sum(counts) - 1
    for number in range(last + 1):
        start = at
        (record,), at = wire.read_records(message, at, 1, known)
        if record.type != _TYPE:
            continue
        if number != last or not counts[2]:
            raise ForeignDataError("a TSIG is the last record of a message")
        found = _read(message, start, record)
    if at != len(message):
        raise ForeignDataError("bytes follow the last record, or it ends early")
    return found


def _read(message: bytes, start: int, record: wire.WireRecord) -> Signature:
    if record.class_ != _ANY or record.ttl:
        raise ForeignDataError("a TSIG has the class ANY and no TTL")
    algorithm, at = wire.read_name(message, record.start)
    try:
        high, low, fudge, size = _FIXED.unpack_from(message, at)
        at += _FIXED.size
        mac = message[at : at + size]
        original_id, error, length = _TAIL.unpack_from(message, at + size)
    except struct.error:
        raise ForeignDataError("a TSIG ends early") from None
    other = message[at + size + _TAIL.size : record.end]
    if at + size + _TAIL.size + length != record.end:
        raise ForeignDataError("a TSIG has as much other data as it says")
    return Signature(start, record.name, algorithm.lower(), high << 32 | low, fudge, mac, original_id, error, other)


def verify(message: bytes, signature: Signature, keys: Keys, now: float, *, request_mac: bytes = b"") -> Verified:
    """Check a request (section 5.2), or with the request's MAC an answer of one message (section 5.4).

    Raises Unverified, and ForeignDataError for a MAC of a size that none can have.
    """
    key = keys(signature.key)
    if key is None or signature.algorithm != _WIRE[key.algorithm]:
        raise Unverified(BADKEY, signature)
    bare = _bare(message, signature)
    prefix = len(request_mac).to_bytes(2, "big") + request_mac if request_mac else b""
    _check(key, prefix + bare + signature.variables, signature, now)
    return Verified(bare, key, signature.mac)


def _check(key: Key, covered: bytes, signature: Signature, now: float) -> None:
    """Hold a MAC against what it covers, then its time; a shortened one is not taken (sections 5.2.2.1 and 5.2.3)."""
    whole = key.mac(covered)
    size = len(signature.mac)
    if size > len(whole) or size < min(len(whole), max(_LEAST, len(whole) // 2)):
        raise ForeignDataError("a MAC is as long as its algorithm's, or at least half of that")
    if not hmac.compare_digest(whole[:size], signature.mac):
        raise Unverified(BADSIG, signature)
    if abs(now - signature.time) > signature.fudge:
        raise Unverified(BADTIME, signature, key)
    if size < len(whole):
        raise Unverified(BADTRUNC, signature, key)


def _bare(message: bytes, signature: Signature) -> bytes:
    """Return a message as it was before it was signed: its own id, and a record less."""
    count = int.from_bytes(message[10:12], "big") - 1
    head = signature.original_id.to_bytes(2, "big") + message[2:10] + count.to_bytes(2, "big")
    return head + message[12 : signature.start]


def sign(message: bytes, key: Key, now: float, *, request_mac: bytes = b"") -> bytes:
    """Sign a message; the MAC of the request that it answers is covered, too (sections 5.1 and 5.3)."""
    return Signer(key, request_mac).sign(message, now)


class Signer:
    """Signs the messages of one answer, each with its own TSIG over it and the one before (section 5.3.1)."""

    def __init__(self, key: Key, request_mac: bytes = b"") -> None:
        self._key = key
        self._before = request_mac
        self._is_first = True

    def sign(self, message: bytes, now: float) -> bytes:
        """Sign the next message."""
        return self._signed(message, int(now), 0, b"")

    def _signed(self, message: bytes, now: int, error: int, other: bytes) -> bytes:
        id_ = int.from_bytes(message[:2], "big")
        unsigned = Signature(0, self._key.name, _WIRE[self._key.algorithm], now, FUDGE, b"", id_, error, other)
        prefix = len(self._before).to_bytes(2, "big") + self._before if self._before else b""
        mac = self._key.mac(prefix + message + (unsigned.variables if self._is_first else unsigned.timers))
        self._before, self._is_first = mac, False
        return _with(message, msgspec.structs.replace(unsigned, mac=mac))


class Verifier:
    """Checks the messages of one answer to a request that was signed, in their order (section 5.3.1).

    The first is signed, and the last, and of those between at least one in a hundred; what is not signed itself is
    covered by the next MAC, so nothing of it counts before `is_complete`.
    """

    def __init__(self, key: Key, request_mac: bytes) -> None:
        self._key = key
        self._before = request_mac
        self._waiting: list[bytes] = []
        self._is_first = True

    @property
    def is_complete(self) -> bool:
        """Whether everything that came so far is covered by a MAC."""
        return not self._is_first and not self._waiting

    def take(self, message: bytes, now: float) -> bytes:
        """Check the next message and return it without its signature; raises Unverified, ForeignDataError."""
        signature = find(message)
        if signature is None:
            if self._is_first or len(self._waiting) >= _UNSIGNED:
                raise ForeignDataError("an answer to a signed request is signed")
            self._waiting.append(message)
            return message
        if signature.key != self._key.name or signature.algorithm != _WIRE[self._key.algorithm]:
            raise Unverified(BADKEY, signature)
        if signature.error and not signature.mac:
            # The other side could not believe ours, and has nothing to sign with (section 5.2.1).
            raise Unverified(signature.error, signature)
        bare = _bare(message, signature)
        covered = len(self._before).to_bytes(2, "big") + self._before + b"".join(self._waiting) + bare
        _check(self._key, covered + (signature.variables if self._is_first else signature.timers), signature, now)
        self._before, self._is_first = signature.mac, False
        self._waiting.clear()
        return bare


def refusal(message: bytes, unverified: Unverified, now: float) -> bytes:
    """Answer a request that cannot be believed: NOTAUTH, and the reason in a TSIG (sections 5.2.1 to 5.2.4).

    Who does not have the key gets it unsigned. Who has it and another time gets ours, signed.
    """
    signature, key = unverified.signature, unverified.key
    _, end = wire.read_name(message, 12) if message[4:6] == b"\0\1" else (b"", 8)
    counts = b"\0\1" if message[4:6] == b"\0\1" else b"\0\0"
    reply = message[:2] + bytes((0x80 | message[2] & 0x79, _NOTAUTH)) + counts + bytes(6) + message[12 : end + 4]
    if key is None:
        return _with(reply, msgspec.structs.replace(signature, error=unverified.error, mac=b"", other=b""))
    signer = Signer(key, signature.mac)
    if unverified.error == BADTIME:
        # The time is the client's own, so that it can check the MAC before it believes ours.
        return signer._signed(reply, signature.time, BADTIME, int(now).to_bytes(6, "big"))
    return signer._signed(reply, int(now), unverified.error, b"")


def _with(message: bytes, signature: Signature) -> bytes:
    count = int.from_bytes(message[10:12], "big") + 1
    return message[:10] + count.to_bytes(2, "big") + message[12:] + signature.record()
