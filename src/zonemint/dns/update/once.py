"""Messages that come again, since an answer was lost or somebody plays them again, are made once."""

from __future__ import annotations

from functools import partial
from hashlib import sha256

from zonemint.dns import codes
from zonemint.dns.answers.requestor import Client
from zonemint.dns.answers.services import Handler, Later, Reply

__all__ = ["Once"]


class Once:
    """Answers a signed message as it was answered when it came before.

    The second time its prerequisite might not hold, because it was met. A signature has the time in it, so what is
    meant anew is another message. remembered: how many of the last ones are known; none of those that came to nothing.
    """

    def __init__(self, handler: Handler, *, remembered: int = 1024) -> None:
        self._handler = handler
        self._remembered = remembered
        self._recent: dict[bytes, Later] = {}

    def __call__(self, message: bytes, client: Client) -> Reply:
        """Answer a message with its signature; what is answered at once changed nothing and is not remembered."""
        digest = sha256(message).digest()
        known = self._recent.get(digest)
        if known is not None:
            return known
        reply = self._handler(message, client)
        if not isinstance(reply, Later):
            return reply
        if len(self._recent) >= self._remembered:
            del self._recent[next(iter(self._recent))]
        self._recent[digest] = later = reply.passed(partial(self._told, digest))
        return later

    def _told(self, digest: bytes, reply: Reply) -> Reply:
        if isinstance(reply, bytes) and reply[3] & 15 == codes.SERVFAIL:
            self._recent.pop(digest, None)
        return reply
