"""The roots of a server that is not trusted yet: fetched unverified, and believed by their fingerprint alone."""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit

from zonemint.core.errors import TrustError
from zonemint.core.exchange import exchange

__all__ = ["download"]

_LIMIT = 1 << 18  # octets of a file of roots: some hundred
_TIMEOUT = 15.0  # seconds in all


async def download(url: str) -> bytes:
    """Fetch the roots of a server's URL, or a file by its whole URL; raises TrustError, ExchangeFailed, ValueError.

    Nothing that comes is to be trusted: whoever calls holds it against a fingerprint.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if urlsplit(url).path in ("", "/"):
        url = f"{url.rstrip('/')}/roots.pem"
    answer = await exchange(url, context=context, timeout=_TIMEOUT, limit=_LIMIT)
    if answer.status != 200:
        raise TrustError(f"{url}: the server answered {answer.status}, and not with its roots")
    return answer.body
