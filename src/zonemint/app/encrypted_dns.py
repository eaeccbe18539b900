"""DNS over TLS (RFC 7858) and over HTTPS (RFC 8484), with the certificate of our other listeners."""

from __future__ import annotations

from collections.abc import Sequence

from zonemint.app.base import Base
from zonemint.app.listeners import Listener
from zonemint.app.tls import Contexts
from zonemint.config import Config
from zonemint.dns.server import DnsServer
from zonemint.web.doh import DohResources
from zonemint.web.endpoint import Sources
from zonemint.web.negotiated import PROTOCOLS
from zonemint.web.routes import dispatcher

__all__ = ["EncryptedDns", "is_on_https"]

_DOT = "dot"
"""The protocol's name in TLS, without which there is no zone transfer (RFC 9103 section 7.1)."""


def is_on_https(config: Config) -> bool:
    """Tell whether queries are answered at the port of the other resources."""
    return config.listen.doh_port is not None and config.listen.doh_port == config.listen.https_port


class EncryptedDns:
    """The two listeners, as far as the settings ask for them; their ports are held from the beginning.

    Raises ConfigError when a port cannot be had.
    """

    def __init__(self, base: Base, hosts: Sequence[str]) -> None:
        self._base = base
        listen = base.config.listen
        self._dot = self._doh = None
        if listen.dot_port is not None:
            self._dot = self._listener("DNS over TLS", "--dot-port", hosts, listen.dot_port)
        if listen.doh_port is not None and not is_on_https(base.config):
            self._doh = self._listener("DNS over HTTPS", "--doh-port", hosts, listen.doh_port)
        self.dot_port = self._dot.port if self._dot else 0
        self.doh_port = self._doh.port if self._doh else 0

    async def serve(self, dns: DnsServer, contexts: Contexts, sources: Sources) -> None:
        """Answer from now on."""
        if self._dot is not None:
            await self._dot.accept(dns.connection, contexts.make(_DOT))
            self._base.stack.push_async_callback(self._dot.close)
        if self._doh is not None:
            queries = dispatcher(DohResources(dns.answer_to, sources))
            await self._doh.serve(queries, contexts.make(*PROTOCOLS), negotiates=True)
            self._base.stack.push_async_callback(self._doh.close)

    def _listener(self, name: str, option: str, hosts: Sequence[str], port: int) -> Listener:
        listener = Listener(name, option, hosts, port)
        self._base.stack.callback(listener.release)
        return listener
