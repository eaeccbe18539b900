"""Looks after a store in a file: is it there, does it take writes again? The log tells when that changes."""

from __future__ import annotations

import structlog

from zonemint.store.sqlite import SqliteDatabase

__all__ = ["StoreWatch"]

_log = structlog.get_logger()


class StoreWatch:
    """To be asked to look every second or so; a database on the network looks after itself."""

    def __init__(self, db: SqliteDatabase) -> None:
        self._db = db
        self._told = ""

    async def look(self) -> None:
        """See how the store is, and say so if it was otherwise."""
        self._db.look()
        failure = self._db.failure
        if bool(failure) != bool(self._told):
            if failure:
                _log.error("the store cannot be used", why=failure)
            else:
                _log.info("the store is back")
        self._told = failure
