"""A certificate of another CA for our HTTPS listener: files that somebody else renews."""

from __future__ import annotations

import ssl
from pathlib import Path

import structlog

from zonemint.core.errors import ConfigError

__all__ = ["BroughtCertificate"]

_log = structlog.get_logger()


class BroughtCertificate:
    """Keeps a TLS context with what the files hold; raises ConfigError when they hold nothing that can be used."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = certificate, key
        self._stamps = self._look()
        self.context = _context()
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
        # First into one that nobody uses: half of a pair must not get into the running one.
        for context in (_context(), self.context):
            try:
                context.load_cert_chain(*self._files, password=_no_password)
            except (OSError, ValueError) as error:
                why = "they are no certificate and its key, unencrypted" if isinstance(error, ssl.SSLError) else error
                raise ConfigError(f"with its key {self._files[1]}: {why}", file=self._files[0]) from None

    def _look(self) -> list[tuple[int, int, int] | None]:
        return [_stamp(file) for file in self._files]


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _no_password() -> str:
    """Nobody is asked at the terminal."""
    return ""


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
