"""The protocol of a connection as TLS settled it: HTTP/2 for who offers it, else HTTP/1.1 (RFC 9113 section 3.2)."""

from __future__ import annotations

import asyncio
from typing import cast

from zonemint.web.http1 import Connection, Connections
from zonemint.web.http2 import Http2Connection

__all__ = ["PROTOCOLS", "Negotiated"]

PROTOCOLS = ("h2", "http/1.1")
"""What the TLS context offers, the best first."""


class Negotiated(asyncio.Protocol):
    """Gives the connection to the one of the two that goes on with it."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Look what was settled, and hand over."""
        tls = transport.get_extra_info("ssl_object")
        is_second = tls is not None and tls.selected_alpn_protocol() == "h2"
        taker = Http2Connection(self._connections) if is_second else Connection(self._connections)
        cast("asyncio.Transport", transport).set_protocol(taker)
        taker.connection_made(transport)
