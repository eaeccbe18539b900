"""Webhooks: events are POSTed, signed as the Standard Webhooks specification says."""

from __future__ import annotations

import base64
import binascii
import hmac
import ssl
from hashlib import sha256

from zonemint import __version__
from zonemint.core.errors import ConfigError, ExchangeFailed, Undelivered
from zonemint.core.exchange import address_of, exchange
from zonemint.hooks.events import Event, encode

__all__ = ["Webhook", "read_secret", "signature"]

_ANSWER = 65536  # octets of an answer that are read
_SHOWN = 300  # characters of an answer that are told
_PREFIX = "whsec_"
_LEAST = 16  # octets of a secret
# What says "not now" and nothing of the event: RFC 9110 section 15.5.9, RFC 8470, RFC 6585.
_NOT_NOW = frozenset({408, 425, 429})


class Webhook:
    """One URL; `source` is who we are, `secret` signs if there is one, `timeout` is for each event, in seconds."""

    def __init__(
        self, url: str, *, source: str, secret: bytes | None, timeout: float, context: ssl.SSLContext | None
    ) -> None:
        self._url = url
        self._source = source
        self._secret = secret
        self._timeout = timeout
        self._context = context

    @property
    def place(self) -> str:
        """The scheme and the host: what follows may be a secret."""
        parts = address_of(self._url)
        return f"{parts.scheme}://{parts.netloc}"

    async def deliver(self, event: Event, *, now: float) -> str:
        """See Receiver.deliver."""
        body = encode(event, source=self._source)
        headers = {
            "Content-Type": "application/cloudevents+json",
            "User-Agent": f"zonemint/{__version__}",
            "webhook-id": event.id,
            "webhook-timestamp": str(int(now)),
        }
        if self._secret is not None:
            headers["webhook-signature"] = signature(self._secret, event.id, int(now), body)
        try:
            answer = await exchange(
                self._url, body=body, headers=headers, context=self._context, timeout=self._timeout, limit=_ANSWER
            )
        except ExchangeFailed as error:
            raise Undelivered(str(error), refused=False) from None
        said = f"{answer.status} {_shown(answer.body)}".strip()
        if 200 <= answer.status < 300:
            return said
        refused = 400 <= answer.status < 500 and answer.status not in _NOT_NOW
        raise Undelivered(f"{self.place}: {said}", refused=refused)


def signature(secret: bytes, id_: str, timestamp: int, body: bytes) -> str:
    """Sign an event with HMAC-SHA256 over its id, the time and the body (Standard Webhooks, `v1`)."""
    digest = hmac.digest(secret, f"{id_}.{timestamp}.".encode() + body, sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def read_secret(text: str) -> bytes:
    """Read a secret: `whsec_` and base64, as the specification writes it, or any text; raises ConfigError."""
    text = text.strip()
    try:
        secret = (
            base64.b64decode(text.removeprefix(_PREFIX), validate=True) if text.startswith(_PREFIX) else text.encode()
        )
    except binascii.Error:
        raise ConfigError(f"after {_PREFIX} comes base64") from None
    if len(secret) < _LEAST:
        raise ConfigError(
            f"the secret is too short: at least {_LEAST} octets are needed, such as `openssl rand -hex 32`"
        )
    return secret


def _shown(body: bytes) -> str:
    text = " ".join(body.decode(errors="replace").split())
    return "".join(one if one.isprintable() else "?" for one in text[:_SHOWN])
