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
_LONGEST = 10 * 365 * 86400  # seconds; no value outlives `acmedns.value_lifetime`
_NOTED = 60_000  # milliseconds between notes of an account's last use


async def update(acmedns: AcmeDns, *, user: str, key: str, source: str, body: dict[str, Any] | None) -> str:
    """Set a value and return it once it is on disk and served; the checks come in the order of acme-dns.

    `body` is the JSON object with its keys in lower case, or None when it was not one; beside what acme-dns knows it
    may have `expires_in`, the seconds after which the value goes. Raises AcmeDnsError: `forbidden` 401 for credentials,
    address, JSON or subdomain, `bad_txt` 400 for the value, `bad_expires_in` 400.
    """
    account = await accounts.authenticate(acmedns, user, key, source)
    if account is None or body is None or body.get("subdomain") != account.subdomain:
        raise AcmeDnsError("forbidden", 401)
    value = body.get("txt")
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        raise AcmeDnsError("bad_txt", 400)
    now_ms = acmedns.now_ms()
    expires_ms = _end(body.get("expires_in"), now_ms)
    await acmedns.db.write(_put(account, value, now_ms=now_ms, source=source, keep=acmedns.keep, expires_ms=expires_ms))
    return value


def _end(expires_in: object, now_ms: int) -> int | None:
    if expires_in is None:
        return None
    if not isinstance(expires_in, int) or isinstance(expires_in, bool) or not 0 < expires_in <= _LONGEST:
        raise AcmeDnsError("bad_expires_in", 400)
    return now_ms + expires_in * 1000


def _put(
    account: TxtAccount, value: str, *, now_ms: int, source: str, keep: int, expires_ms: int | None
) -> Steps[None]:
    """Set a value, unless the account was deleted or has got another key since it was looked at."""
    yield Lock(f"txt {account.subdomain}")
    now = yield from txt.by_username(account.username)
    if now is None or now.key_hash != account.key_hash:
        raise AcmeDnsError("forbidden", 401)
    yield from txt.put(account.subdomain, value, now_ms=now_ms, source=source, keep=keep, expires_ms=expires_ms)
    if now_ms - account.used_ms > _NOTED:
        yield from txt.touch(account.username, now_ms=now_ms)
