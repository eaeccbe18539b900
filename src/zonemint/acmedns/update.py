"""Updates of the acme-dns API: an account sets a TXT value, which the next DNS query sees."""

from __future__ import annotations

import re
from typing import Any

from zonemint.acmedns import accounts
from zonemint.acmedns.context import AcmeDns
from zonemint.core.errors import AcmeDnsError
from zonemint.store import txt
from zonemint.store.database import Lock, Steps
from zonemint.store.txt import TxtAccount

__all__ = ["update"]

_VALUE = re.compile(r"[A-Za-z0-9_-]{43}")
_NOTED = 60_000  # milliseconds between notes of an account's last use


async def update(acmedns: AcmeDns, *, user: str, key: str, source: str, body: dict[str, Any] | None) -> str:
    """Set a value and return it once it is on disk and served; the checks come in the order of acme-dns.

    `body` is the JSON object with its keys in lower case, or None when it was not one. Raises AcmeDnsError:
    `forbidden` 401 for credentials, address, JSON or subdomain, `bad_txt` 400 for the value.
    """
    account = await accounts.authenticate(acmedns, user, key, source)
    if account is None or body is None or body.get("subdomain") != account.subdomain:
        raise AcmeDnsError("forbidden", 401)
    value = body.get("txt")
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        raise AcmeDnsError("bad_txt", 400)
    await acmedns.db.write(_put(account, value, now_ms=acmedns.now_ms(), source=source, keep=acmedns.keep))
    return value


def _put(account: TxtAccount, value: str, *, now_ms: int, source: str, keep: int) -> Steps[None]:
    """Set a value, unless the account was deleted or has got another key since it was looked at."""
    yield Lock(f"txt {account.subdomain}")
    now = yield from txt.by_username(account.username)
    if now is None or now.key_hash != account.key_hash:
        raise AcmeDnsError("forbidden", 401)
    yield from txt.put(account.subdomain, value, now_ms=now_ms, source=source, keep=keep)
    if now_ms - account.used_ms > _NOTED:
        yield from txt.touch(account.username, now_ms=now_ms)
