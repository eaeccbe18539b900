"""The file of queries: written in turns of the loop of its own, opened again when another program moved it away."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

import structlog

from zonemint.config import DataDir
from zonemint.config.query_log import QueryLog as Settings
from zonemint.core.errors import ConfigError
from zonemint.core.names import normalize
from zonemint.dns import wire
from zonemint.dns.transports.query_log import QueryLog

__all__ = ["QueryLogFile", "chosen", "query_log"]

_STDERR = "-"
_PAUSE = 0.2  # seconds between lines that come and their way into the file
_MOST = 20_000  # lines that wait; what comes beyond them in one pause is left out, and told

_log = structlog.get_logger()


class QueryLogFile:
    """Takes lines and appends them to a file, or to standard error; raises ConfigError when it cannot be opened."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._descriptor = sys.stderr.fileno() if file is None else _open(file)
        self._lines: list[str] = []
        self._left_out = 0
        self._timer: asyncio.TimerHandle | None = None
        self._failed = False

    def write(self, line: str) -> None:
        """Take a line."""
        if len(self._lines) >= _MOST:
            self._left_out += 1
            return
        self._lines.append(line)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_PAUSE, self._flush)

    def close(self) -> None:
        """Write what waits, and close the file."""
        if self._timer is not None:
            self._timer.cancel()
            self._flush()
        if self._file is not None:
            os.close(self._descriptor)

    def _flush(self) -> None:
        self._timer = None
        lines, self._lines = self._lines, []
        left_out, self._left_out = self._left_out, 0
        try:
            self._follow()
            text = "".join(f"{line}\n" for line in lines).encode("ascii", "backslashreplace")
            os.write(self._descriptor, text)
        except (OSError, ConfigError) as error:
            # A full disk costs lines of this file, and no answer.
            if not self._failed:
                _log.error("queries are not written down", why=str(error))
            self._failed = True
        else:
            self._failed = False
        if left_out:
            _log.warning("queries came faster than they are written down", left_out=left_out)

    def _follow(self) -> None:
        """Go on in a new file where the old one was moved away, as logrotate does."""
        if self._file is None:
            return
        try:
            is_same = os.path.samestat(os.fstat(self._descriptor), os.stat(self._file))
        except FileNotFoundError:
            is_same = False
        if not is_same:
            fresh = _open(self._file)
            os.close(self._descriptor)
            self._descriptor = fresh


def query_log(settings: Settings, data: DataDir) -> tuple[QueryLog, QueryLogFile] | None:
    """Return what writes queries down as the settings say, and its file to close; None when they want none."""
    if not settings.file:
        return None
    file = QueryLogFile(None if settings.file == _STDERR else data.path / settings.file)
    return chosen(settings, file.write), file


def chosen(settings: Settings, write: Callable[[str], None]) -> QueryLog:
    """Return what writes down the queries that the settings choose."""
    return QueryLog(
        write,
        classes=settings.classes,
        every=settings.every,
        names=[wire.name_from_text(normalize(one)) for one in settings.names],
        networks=[ip_network(one) for one in settings.clients],
    )


def _open(file: Path) -> int:
    # Who asked for what is nobody's business but the administrator's.
    try:
        return os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"the log of queries cannot be opened: {error.strerror}", file=file) from None
