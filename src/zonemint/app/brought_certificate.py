"""A certificate of another CA for our listeners: files that somebody else renews."""

from __future__ import annotations

import ssl
from pathlib import Path

import structlog

from zonemint.app.tls import Contexts
from zonemint.core.errors import ConfigError

__all__ = ["BroughtCertificate"]

_log = structlog.get_logger()


class BroughtCertificate:
    """Keeps the TLS contexts with what the files hold; raises ConfigError when they hold nothing that can be used."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = certificate, key
        self._stamps = self._look()
        self.contexts = Contexts()
        self._load()

    async def renew_if_due(self) -> None:
        """Take over what the files hold now; while that cannot be used, the old certificate stays."""
        if (stamps := self._look()) == self._stamps:
            return
        self._stamps = stamps
        try:
            self._load()
        except ConfigError as error:
            _log.error("the new certificate is not used, the old one stays", why=str(error))
        else:
            _log.info("took over a new certificate", file=str(self._files[0]))

    def _load(self) -> None:
        try:
            self.contexts.load(*self._files)
        except (OSError, ValueError) as error:
            why = "they are no certificate and its key, unencrypted" if isinstance(error, ssl.SSLError) else error
            raise ConfigError(f"with its key {self._files[1]}: {why}", file=self._files[0]) from None

    def _look(self) -> list[tuple[int, int, int] | None]:
        return [_stamp(file) for file in self._files]


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
