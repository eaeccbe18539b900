"""Linux's recvmmsg and sendmmsg: many datagrams in one system call, answered in the buffers they came in."""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple

from zonemint.dns.answers.requestor import Client, Transport, packed
from zonemint.dns.answers.responder import Responder
from zonemint.dns.answers.services import Later
from zonemint.dns.answers.tally import SLOTS, Durations
from zonemint.dns.answers.views import Views
from zonemint.dns.transports.query_log import QueryLog

__all__ = ["Batch", "Origin", "available"]

_SLOTS = 64
"""Datagrams in one go; what waits longer is read at the loop's next turn, so that others on it live."""
_SLOT = 4096
"""Bytes for one datagram: longer ones are cut, and no question is that long."""
_WITH_COOKIE = 12 + 6 + 23
"""Bytes of a datagram from which on it may have a cookie."""
_NAME = 28
_CONTROL = 40


class _IoVec(ctypes.Structure):
    _fields_ = [("iov_base", ctypes.c_void_p), ("iov_len", ctypes.c_size_t)]


class _MsgHdr(ctypes.Structure):
    _fields_ = [
        ("msg_name", ctypes.c_void_p),
        ("msg_namelen", ctypes.c_uint32),
        ("msg_iov", ctypes.c_void_p),
        ("msg_iovlen", ctypes.c_size_t),
        ("msg_control", ctypes.c_void_p),
        ("msg_controllen", ctypes.c_size_t),
        ("msg_flags", ctypes.c_int),
    ]


class _MMsgHdr(ctypes.Structure):
    _fields_ = [("msg_hdr", _MsgHdr), ("msg_len", ctypes.c_uint32)]


class Origin(NamedTuple):
    """The way back of a datagram: its sender, and the control data with our own address, as `socket` has them."""

    address: Any
    ancillary: list[tuple[int, int, bytes]]


_CONTROL_HEAD = struct.Struct("@Nii")
"""Length with this head, level and type of the control data (cmsg(3))."""

_libc = ctypes.CDLL(None, use_errno=True)


def available() -> bool:
    """Tell whether this system has both calls, with the structures as they are laid out here."""
    linux64 = sys.platform == "linux" and ctypes.sizeof(ctypes.c_void_p) == 8
    return linux64 and hasattr(_libc, "recvmmsg") and hasattr(_libc, "sendmmsg")


class Batch:
    """The buffers of one UDP socket, and the loop over one batch of its datagrams.

    Each datagram's slot is read, looked up and overwritten by its answer: the id stays where it is, and the
    sender's address and (with `any_address`) our own address of the packet are used again for the way back.
    postpone: is given the answers that come later, when the slot is another's; log: is told of those that come now.
    """

    def __init__(
        self,
        sock: socket.socket,
        views: Views,
        postpone: Callable[[Later, Origin, Client, bytes], None],
        *,
        any_address: bool,
        durations: Durations,
        log: QueryLog | None = None,
    ) -> None:
        self._fd = sock.fileno()
        self._views = views
        self._postpone = postpone
        self._durations = durations
        self._log = log
        self._family = sock.family
        self._slot = SLOTS.index((Transport.UDP, 1 if sock.family == socket.AF_INET else 2))
        self._any_address = any_address
        self._pktinfo4 = any_address and sock.family == socket.AF_INET
        buffers = ctypes.create_string_buffer(_SLOTS * _SLOT)
        names = ctypes.create_string_buffer(_SLOTS * _NAME)
        controls = ctypes.create_string_buffer(_SLOTS * _CONTROL)
        self._iov_in, self._iov_out = (_IoVec * _SLOTS)(), (_IoVec * _SLOTS)()
        self._in, self._out = (_MMsgHdr * _SLOTS)(), (_MMsgHdr * _SLOTS)()
        control_length = 0
        if any_address:
            control_length = 32 if self._pktinfo4 else _CONTROL
        for i in range(_SLOTS):
            for iov, header in ((self._iov_in, self._in[i].msg_hdr), (self._iov_out, self._out[i].msg_hdr)):
                iov[i].iov_base = ctypes.addressof(buffers) + i * _SLOT
                iov[i].iov_len = _SLOT
                header.msg_name = ctypes.addressof(names) + i * _NAME
                header.msg_namelen = 16 if sock.family == socket.AF_INET else _NAME
                header.msg_iov = ctypes.addressof(iov) + i * ctypes.sizeof(_IoVec)
                header.msg_iovlen = 1
                header.msg_control = ctypes.addressof(controls) + i * _CONTROL if any_address else None
                header.msg_controllen = control_length
        self._names = memoryview(names).cast("B")
        self._addresses4 = self._names.cast("I")[1 :: _NAME // 4]
        self._controls = memoryview(controls).cast("B")
        self._bytes = memoryview(buffers).cast("B")
        self._headers = memoryview(self._in).cast("B")
        self._fresh = bytes(self._headers)
        stride = ctypes.sizeof(_MMsgHdr) // 4
        self._lengths = self._headers.cast("I")[_MMsgHdr.msg_len.offset // 4 :: stride]
        self._out_lengths = memoryview(self._iov_out).cast("B").cast("L")[1::2]
        self._interfaces = self._controls.cast("I")[4 :: _CONTROL // 4]
        self._no_interfaces = memoryview(bytes(4 * _SLOTS)).cast("I")

    def serve(self) -> int:
        """Read what waits, at most one batch, and answer it; return how many datagrams there were."""
        self._headers[:] = self._fresh
        count: int = _libc.recvmmsg(self._fd, self._in, _SLOTS, socket.MSG_DONTWAIT, None)
        if count <= 0:
            return 0
        began = perf_counter()
        buffers, lengths, place = self._bytes, self._out_lengths, self._slot
        log = self._log
        if log is not None:
            asked = [buffers[at * _SLOT : at * _SLOT + size].tobytes() for at, size in enumerate(self._lengths[:count])]
        responders = self._responders(count)
        responder = responders[0]
        lasting, passing = responder.lasting, responder.passing
        several = len(responders) > 1
        silent = []
        start = 0
        for i, length in enumerate(self._lengths[:count].tolist()):
            if several:
                responder = responders[i]
                lasting, passing = responder.lasting, responder.passing
            question = buffers[start + 2 : start + length].tobytes()
            known = lasting.get(question) or passing.get(question)
            if known is not None:
                reply, tally = known
                tally[place] += 1
                size = len(reply) + 2
                buffers[start + 2 : start + size] = reply
            elif length > _WITH_COOKIE and (
                (baked := responder.with_cookie(question, self._address(i), place)) is not None
            ):
                size = len(baked) + 2
                buffers[start + 2 : start + size] = baked
            elif (folded := _folded(question)) != question and (known := lasting.get(folded) or passing.get(folded)):
                # The name stands in both at the same place, and goes back as it was spelt.
                reply, tally = known
                tally[place] += 1
                size = len(reply) + 2
                end = question.find(0, 10)
                buffers[start + 2 : start + size] = reply[:10] + question[10:end] + reply[end:]
            elif (absent := responder.absent(question, folded, place)) is not None:
                size = len(absent) + 2
                buffers[start + 2 : start + size] = absent
            else:
                client = self._client(i)
                message = buffers[start : start + length].tobytes()
                whole = responder.respond(message, client, looked=bool(lasting))
                size = 0
                if isinstance(whole, bytes) and len(whole) <= _SLOT:
                    size = len(whole)
                    buffers[start : start + size] = whole
                else:
                    # What is longer than a slot would be the end of the next question; it is left out.
                    silent.append(i)
                    if isinstance(whole, Later):
                        self._postpone(whole, self._origin(i), client, message)
            lengths[i] = size
            start += _SLOT
        took = perf_counter() - began
        self._durations.note(Transport.UDP, took, count - len(silent))
        if log is not None:
            for i, message in enumerate(asked):
                if lengths[i]:
                    reply = buffers[i * _SLOT : i * _SLOT + lengths[i]].tobytes()
                    log.note(self._client(i), message, reply, took / count)
        if self._pktinfo4:
            # The answer leaves by the route to the client, which need not be the interface that it came in by.
            self._interfaces[:] = self._no_interfaces
        first = 0
        for i in (*silent, count):
            self._send(first, i)
            first = i + 1
        return count

    def _responders(self, count: int) -> list[Responder]:
        """Return who answers each datagram; one alone answers them all."""
        views = self._views
        if views.only is not None:
            return [views.only]
        if self._family == socket.AF_INET:
            numbers = self._addresses4[:count].tolist()
            if len(set(numbers)) == 1:
                return [views.of(self._address(0))]
        responders = [views.of(self._address(slot)) for slot in range(count)]
        first = responders[0]
        return responders if any(one is not first for one in responders) else [first]

    def _address(self, slot: int) -> bytes:
        """Return the packed address of the sender of a slot's datagram."""
        at = slot * _NAME
        if self._family == socket.AF_INET:
            return self._names[at + 4 : at + 8].tobytes()
        return packed(self._names[at + 8 : at + 24].tobytes())

    def _client(self, slot: int) -> Client:
        at = slot * _NAME
        return Client(self._address(slot), int.from_bytes(self._names[at + 2 : at + 4], "big"), Transport.UDP)

    def _origin(self, slot: int) -> Origin:
        """Copy out of the buffers where the datagram of a slot is from and came to (ip(7), ipv6(7))."""
        name = self._names[slot * _NAME : (slot + 1) * _NAME].tobytes()
        address: tuple[Any, ...]
        if self._family == socket.AF_INET:
            address = (socket.inet_ntop(self._family, name[4:8]), int.from_bytes(name[2:4], "big"))
        else:
            flow, scope = int.from_bytes(name[4:8], "big"), int.from_bytes(name[24:28], sys.byteorder)
            host = socket.inet_ntop(self._family, name[8:24])
            address = (host, int.from_bytes(name[2:4], "big"), flow, scope)
        if not self._any_address:
            return Origin(address, [])
        control = self._controls[slot * _CONTROL : (slot + 1) * _CONTROL].tobytes()
        length, level, type_ = _CONTROL_HEAD.unpack_from(control)
        data = control[_CONTROL_HEAD.size : length]
        return Origin(address, [(level, type_, bytes(4) + data[4:] if self._pktinfo4 else data)])

    def _send(self, first: int, end: int) -> None:
        """Send the answers of the slots from `first` to before `end`; one that cannot be sent is left out."""
        while first < end:
            where = ctypes.byref(self._out, first * ctypes.sizeof(_MMsgHdr))
            sent: int = _libc.sendmmsg(self._fd, where, end - first, socket.MSG_DONTWAIT)
            first += max(sent, 1)


def _folded(question: bytes) -> bytes:
    """Return a question, without its id, with its name in lower case."""
    end = question.find(0, 10)
    return question[:10] + question[10:end].lower() + question[end:]
