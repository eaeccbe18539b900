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
    urls = [url]
    if urlsplit(url).path in ("", "/"):
        # By the second file one root can speak for another, its successor.
        urls = [f"{url.rstrip('/')}/{file}" for file in ("roots.pem", "intermediates.pem")]
    found = []
    for one in urls:
        answer = await exchange(one, context=context, timeout=_TIMEOUT, limit=_LIMIT)
        if answer.status != 200:
            raise TrustError(f"{one}: the server answered {answer.status}, and not with its roots")
        found.append(answer.body)
    return b"\n".join(found)
