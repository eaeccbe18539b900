"""Sends mutated messages to a server by UDP and TCP, and looks at all that comes back."""

from __future__ import annotations

import socket
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import monotonic

import dns.exception
import dns.message

from tests.dns.fuzz.lab import Target
from tests.dns.fuzz.mutation import Mutation
from tests.server import HOST

__all__ = ["Attack"]

_BURST = 48
"""Messages that are sent before a right question is asked, whose answer shows that all before it were read."""
_PATIENCE = 20.0  # seconds, for what takes a millisecond
_SAMPLE = 16
"""One of how many answers is parsed whole."""
_ABOVE = [
    dns.message.make_query(name, "A", flags=0).to_wire()
    for name in ("lab.test.", "wild.lab.test.", "child.lab.test.", "auth.lab.test.")
]
"""Questions of which each label before the name makes another one; without RD, so that they are not asked on."""
_REMEMBERED = 4096
"""How many messages an answer that comes late may be for."""
_LARGEST_UDP = 1232


@dataclass
class Attack:
    """One attack on a server; `sent` and `answered` by transport."""

    server: Target
    random: Random
    sent: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    _mutation: Mutation = field(init=False)
    _ident: int = 0
    _open: dict[int, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._mutation = Mutation(self.random, self.server.secret)

    def udp(self, packets: int) -> None:
        """Send so many datagrams, from ever new addresses and ports of the loopback network."""
        while packets > 0:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind((f"127.{self.random.randrange(1, 255)}.0.{self.random.randrange(1, 255)}", 0))
                sock.connect((HOST, self.server.running.ports.dns))
                for _ in range(40):
                    count = min(packets, _BURST)
                    packets -= count
                    self._burst(sock, count)

    def flood(self, names: int) -> None:
        """Ask for so many names that nobody has, as those do who want to have resolvers and servers remember them."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect((HOST, self.server.running.ports.dns))
            for _ in range(names // _BURST):
                for _ in range(_BURST):
                    label = self.random.randbytes(self.random.randrange(4, 16)).hex().encode()
                    whole = self.random.choice(_ABOVE)
                    sock.send(self._note("udp", whole[:12] + bytes((len(label),)) + label + whole[12:]))
                self._settle(sock)

    def _burst(self, sock: socket.socket, count: int) -> None:
        for _ in range(count):
            sock.send(self._next("udp"))
        self._settle(sock)

    def _settle(self, sock: socket.socket) -> None:
        """Ask a right question, look at the answers to those before it, and return when its own has come."""
        ident, question = self._question()
        sock.settimeout(0.5)
        end = monotonic() + _PATIENCE
        sock.send(question)
        while True:
            try:
                reply = sock.recv(65_535)
            except TimeoutError:
                # A datagram may be lost, also on loopback, when there is no room for it.
                assert monotonic() < end, "the server answers no more by UDP"
                sock.send(question)
                continue
            assert len(reply) <= _LARGEST_UDP, reply.hex()
            if int.from_bytes(reply[:2], "big") == ident:
                self._is_right(reply)
                return
            self._look_at("udp", reply)

    def tcp(self, messages: int) -> None:
        """Send so many messages, some a few together, over connections that the server ends where it likes."""
        while messages > 0:
            with socket.create_connection((HOST, self.server.running.ports.dns), timeout=_PATIENCE) as sock:
                for _ in range(20):
                    count = min(messages, self.random.randrange(1, 5))
                    messages -= count
                    try:
                        if not self._exchange(sock, count):
                            break
                    except (ConnectionResetError, BrokenPipeError):
                        break

    def _exchange(self, sock: socket.socket, count: int) -> bool:
        """Send some messages and a right question, and read until its answer; tell whether there may be more."""
        for _ in range(count):
            message = self._next("tcp")
            if self.random.random() < 0.02:
                # A length that is not the message's: what follows is read as it falls, or never comes.
                sock.sendall(self.random.randbytes(2) + message)
                return False
            sock.sendall(len(message).to_bytes(2, "big") + message)
        ident, question = self._question()
        sock.sendall(len(question).to_bytes(2, "big") + question)
        while reply := self._framed(sock):
            if int.from_bytes(reply[:2], "big") == ident:
                self._is_right(reply)
                return True
            self._look_at("tcp", reply)
        return False

    def _framed(self, sock: socket.socket) -> bytes:
        size = sock.recv(2, socket.MSG_WAITALL)
        return sock.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL) if len(size) == 2 else b""

    def _next(self, transport: str) -> bytes:
        return self._note(transport, self._mutation.next())

    def _note(self, transport: str, message: bytes) -> bytes:
        """Return a message with an id of its own, as far as it is long enough for one."""
        self._ident = (self._ident + 1) % 0x8000
        message = self._ident.to_bytes(2, "big")[: len(message)] + message[2:]
        self._open[self._ident] = message
        self._open.pop((self._ident - _REMEMBERED) % 0x8000, None)
        self.sent[transport] += 1
        return message

    def _question(self) -> tuple[int, bytes]:
        ident = 0x8000 | self.random.randrange(0x8000)
        query = dns.message.make_query("fuzz.lab.test.", "TXT", id=ident)
        return ident, query.to_wire()

    def _is_right(self, reply: bytes) -> None:
        assert [str(one) for one in dns.message.from_wire(reply).answer] == ['fuzz.lab.test. 60 IN TXT "still here"']

    def _look_at(self, transport: str, reply: bytes) -> None:
        """Hold an answer against the message that it is for."""
        self.answered[transport] += 1
        assert len(reply) >= 12, reply.hex()
        message = self._open.get(int.from_bytes(reply[:2], "big"))
        # TCP reads what follows a wrong length as another message, with an id of its own.
        if message is not None and len(message) >= 12:
            assert not message[2] & 0x80, f"an answer was answered: {message.hex()} by {reply.hex()}"
            assert reply[2] & 0xF8 == 0x80 | message[2] & 0x78, f"{message.hex()} was answered by {reply.hex()}"
        if not self.answered[transport] % _SAMPLE:
            try:
                # As an answer to a query: dnspython is stricter about the zone of an update than an error can be.
                dns.message.from_wire(reply[:2] + bytes((reply[2] & 0x87,)) + reply[3:])
            except dns.message.UnknownTSIGKey:
                pass
            except dns.exception.DNSException as error:
                raise AssertionError(f"{reply.hex()} is no message: {error!r}") from error

    def memory(self) -> float:
        """Return how many MB of memory the server has now."""
        status = Path(f"/proc/{self.server.running.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024
