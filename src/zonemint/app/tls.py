"""The TLS contexts of our listeners: one certificate, put into all of them while connections go on."""

from __future__ import annotations

import ssl
from pathlib import Path

__all__ = ["Contexts"]


class Contexts:
    """Every context that was made, each with the certificate and key that were loaded last."""

    def __init__(self) -> None:
        self._made: list[ssl.SSLContext] = []
        self._files: tuple[Path, Path] | None = None

    def make(self, *protocols: str) -> ssl.SSLContext:
        """Make a context for one more listener, which offers these protocols (RFC 7301), the best first."""
        context = _bare()
        if protocols:
            context.set_alpn_protocols(list(protocols))
        if self._files is not None:
            context.load_cert_chain(*self._files, password=_no_password)
        self._made.append(context)
        return context

    def load(self, certificate: Path, key: Path) -> None:
        """Have every context show a chain from now on; raises OSError, ValueError, and changes nothing then."""
        # First into one that nobody uses: half of a pair must not get into a running one.
        for context in (_bare(), *self._made):
            context.load_cert_chain(certificate, key, password=_no_password)
        self._files = certificate, key


def _bare() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _no_password() -> str:
    """Nobody is asked at the terminal."""
    return ""
