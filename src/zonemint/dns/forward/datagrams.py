"""One question by UDP: from a socket and a port of its own, until what came back is the answer (RFC 5452 section 9)."""

from __future__ import annotations

import asyncio
import errno
import socket

from zonemint.dns.forward.messages import Match, Sent, compare

__all__ = ["ask", "is_ours"]

_LARGEST = 4096
_LOCAL = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_READS = 32
"""How many datagrams are looked at in one go: who floods us with forged ones does not stop everything else."""


async def ask(address: str, port: int, sent: Sent) -> tuple[bytes, Match]:
    """Send a question and return what answers it, and how; it waits for ever.

    The socket is connected: the kernel drops what others send, and says so when nobody is there. Raises OSError.
    """
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[tuple[bytes, Match]] = loop.create_future()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM | getattr(socket, "SOCK_NONBLOCK", 0)) as sock:
        sock.setblocking(False)
        sock.connect((address, port))
        sock.send(sent.message)

        def receive() -> None:
            for _ in range(_READS):
                if answered.done():
                    return
                try:
                    reply = sock.recv(_LARGEST)
                except BlockingIOError:
                    return
                except OSError as error:
                    answered.set_exception(error)
                    return
                match = compare(reply, sent)
                if match is not Match.NO:
                    answered.set_result((reply, match))

        loop.add_reader(sock.fileno(), receive)
        try:
            return await answered
        finally:
            loop.remove_reader(sock.fileno())


def is_ours(error: OSError) -> bool:
    """Tell whether it is this machine that has no room, which says nothing of the server."""
    return error.errno in _LOCAL
