"""What the main process and its workers say to each other, and how it goes over a socket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

import msgspec

from zonemint.dns.answers.tally import Tally
from zonemint.dns.zones.delta import Delta
from zonemint.dns.zones.records import RRset

__all__ = [
    "Acknowledged",
    "Asked",
    "Begun",
    "Changed",
    "Counts",
    "Ended",
    "FromWorker",
    "Frames",
    "Gone",
    "Handed",
    "Line",
    "Loaded",
    "Nodes",
    "Records",
    "Replied",
    "Serve",
    "Settings",
    "ToWorker",
    "Values",
    "frame",
]


class _Message(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    pass


class Settings(_Message, frozen=True):
    """What a worker is told first.

    config: the settings, as the application writes them; secret: that of the cookies; opcodes, types: which messages
    somebody in the main process answers; recursion: whether names that are not ours are looked up; views: by name, the
    usual one first.
    """

    config: bytes
    secret: bytes | None
    opcodes: tuple[int, ...]
    types: tuple[int, ...]
    recursion: bool
    views: tuple[str, ...]


class Begun(_Message, frozen=True):
    """A zone's data follow; a zone without a copy has none, and whatever is asked of it is handed over."""

    view: str
    origin: str
    copied: bool


class Nodes(_Message, frozen=True):
    """Names of the zone that was begun, and what is there."""

    nodes: tuple[tuple[bytes, tuple[RRset, ...]], ...]


class Ended(_Message, frozen=True):
    """The zone that was begun is whole, and is served from now on."""

    number: int


class Records(_Message, frozen=True):
    """A zone of TXT values whose fixed records (name, TTL, type, data) are these."""

    view: str
    origin: str
    records: tuple[tuple[str, int, str, str], ...]
    number: int


class Changed(_Message, frozen=True):
    """A zone changed."""

    view: str
    delta: Delta
    number: int


class Gone(_Message, frozen=True):
    """A zone is no longer ours."""

    view: str
    origin: str
    number: int


class Loaded(_Message, frozen=True):
    """Everything that there was has been told; changes alone follow."""

    number: int


class Serve(_Message, frozen=True):
    """The sockets are the worker's from now on."""


class Values(_Message, frozen=True):
    """The TXT values that were asked for, None where there is no such account, or why they cannot be told."""

    number: int
    values: tuple[str, ...] | None
    error: str = ""


class Replied(_Message, frozen=True):
    """The answer to a message that was handed over; None where silence is right."""

    number: int
    reply: bytes | None


ToWorker: TypeAlias = Settings | Begun | Nodes | Ended | Records | Changed | Gone | Loaded | Serve | Values | Replied


class Acknowledged(_Message, frozen=True):
    """All changes up to one of this number are seen by every query that is read from now on."""

    number: int


class Asked(_Message, frozen=True):
    """The TXT values of a label in a zone are needed."""

    number: int
    origin: str
    label: str


class Handed(_Message, frozen=True):
    """A datagram for the main process to answer, and the packed address that it is from."""

    number: int
    message: bytes
    address: bytes
    port: int


class Counts(_Message, frozen=True):
    """What the worker has counted since it began; durations: of UDP, by `tally.BOUNDS`, and their sum in seconds."""

    answers: tuple[tuple[tuple[bytes, str, int], Tally], ...]
    durations: tuple[list[int], float]
    limited: dict[str, int]


class Line(_Message, frozen=True):
    """A line for the log of queries."""

    text: str


FromWorker: TypeAlias = Acknowledged | Asked | Handed | Counts | Line

_SIZE: Final = 4
_encoder = msgspec.msgpack.Encoder()


def frame(message: ToWorker | FromWorker) -> bytes:
    """Write a message with its length before it."""
    body = _encoder.encode(message)
    return len(body).to_bytes(_SIZE, "big") + body


class Frames:
    """Messages out of bytes that come in pieces."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes in, and yield the bodies of the messages that are whole."""
        buffer = self._buffer
        buffer += data
        at = 0
        while len(buffer) - at >= _SIZE:
            end = at + _SIZE + int.from_bytes(buffer[at : at + _SIZE], "big")
            if len(buffer) < end:
                break
            yield bytes(buffer[at + _SIZE : end])
            at = end
        del buffer[:at]
