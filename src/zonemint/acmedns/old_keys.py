"""Keys of accounts that came from acme-dns: its bcrypt hash holds until the key is first used, and then ours does.

A check takes a tenth of a second of a processor. So there is one at a time, off the event loop, and few may wait; a
client that brings the same key again meanwhile shares the answer.
"""

from __future__ import annotations

import asyncio
import re
from hashlib import blake2b

__all__ = ["OldKeys", "is_old"]

_CHECKS = 128  # that run or wait, in all
_CHECKS_EACH = 2  # of different keys for one account: more are guesses
_KEY = re.compile(r"[A-Za-z0-9_-]{40}")


def is_old(key_hash: str) -> bool:
    """Tell whether a hash is one of acme-dns."""
    return key_hash.startswith("$2")


class OldKeys:
    """Checks keys against bcrypt hashes, for one event loop."""

    def __init__(self) -> None:
        self._one = asyncio.Lock()
        self._checks: dict[tuple[str, bytes], asyncio.Task[bool]] = {}

    @property
    def is_full(self) -> bool:
        """Tell whether no other check may wait: then nobody can be told that a key is wrong."""
        return len(self._checks) >= _CHECKS

    async def matches(self, key_hash: str, key: str) -> bool:
        """Tell whether a key is the one of a hash; False for one that is not looked at, too."""
        if not _KEY.fullmatch(key):
            return False
        check = key_hash, blake2b(key.encode(), digest_size=32).digest()
        task = self._checks.get(check)
        if task is None:
            if self.is_full or sum(one == key_hash for one, _ in self._checks) >= _CHECKS_EACH:
                return False
            task = self._checks[check] = asyncio.create_task(self._check(key_hash, key))
            task.add_done_callback(lambda _: self._checks.pop(check))
        # A client that goes away does not take the answer from another one.
        return await asyncio.shield(task)

    async def _check(self, key_hash: str, key: str) -> bool:
        async with self._one:
            return await asyncio.to_thread(_matches, key_hash, key)


def _matches(key_hash: str, key: str) -> bool:
    # Imported here: most servers have no such account.
    import bcrypt

    try:
        return bcrypt.checkpw(key.encode(), key_hash.encode())
    except ValueError:
        return False
