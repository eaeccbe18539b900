"""Sockets bound to a port, and the one line that says why a port cannot be had."""

from __future__ import annotations

import errno
import os
import socket

__all__ = ["bound", "refusal"]


def bound(address: str, port: int, kind: socket.SocketKind, *, backlog: int, shared: bool = False) -> socket.socket:
    """Bind a non-blocking socket to one address of its own family, and listen if it is a stream; raises OSError.

    shared: others may have the same port, and the kernel chooses one of them for each sender (Linux).
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # asyncio turns Nagle's delay off only where it sees the protocol named.
    protocol = socket.IPPROTO_TCP if kind == socket.SOCK_STREAM else 0
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((address, port))
        if kind == socket.SOCK_STREAM:
            sock.listen(backlog)
    except OSError:
        sock.close()
        raise
    return sock


def refusal(
    error: OSError, address: str, port: int, *, service: str, option: str, kind: socket.SocketKind = socket.SOCK_STREAM
) -> str:
    """Say why a service cannot have a port, and what to do; `option` is the one that takes another port."""
    where = f"{'UDP' if kind == socket.SOCK_DGRAM else 'TCP'} port {port} of {address}"
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"{service} may not listen on {where} without the right to use low ports; {option} takes another one"
    if error.errno == errno.EADDRINUSE:
        return f"{service} cannot listen on {where}: another program does; stop it, or take another port with {option}"
    if error.errno == errno.EADDRNOTAVAIL:
        return (
            f"{service} cannot listen on {where}: this machine does not have that address; --listen takes another one"
        )
    return f"{service} cannot listen on {where}: {os.strerror(error.errno or 0)}"
