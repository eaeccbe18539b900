"""Messages that come again, since an answer was lost or somebody plays them again, are made once."""

from __future__ import annotations

from functools import partial

from zonemint.dns import codes, tsig
from zonemint.dns.answers.requestor import Client
from zonemint.dns.answers.services import Handler, Later, Reply

__all__ = ["Once"]


class Once:
    """Answers a signed message as it was answered when it came before.

    The second time its prerequisite might not hold, because it was met. A signature has the time in it, so what is
    meant anew has another one. It is the signature by which a message is known again, for the id and the letter case of
    the key's name can be changed without it. remembered: how many of the last ones are known; none of those that came
    to nothing.
    """

    def __init__(self, handler: Handler, *, remembered: int = 1024) -> None:
        self._handler = handler
        self._remembered = remembered
        self._recent: dict[tuple[bytes, bytes], Later] = {}

    def __call__(self, message: bytes, client: Client) -> Reply:
        """Answer a message with its signature; what is answered at once changed nothing and is not remembered."""
        signature = tsig.find(message)
        if signature is None:
            return self._handler(message, client)
        by = signature.key, signature.mac
        known = self._recent.get(by)
        if known is not None:
            return known.passed(lambda reply: message[:2] + reply[2:] if isinstance(reply, bytes) else reply)
        reply = self._handler(message, client)
        if not isinstance(reply, Later):
            return reply
        if len(self._recent) >= self._remembered:
            del self._recent[next(iter(self._recent))]
        self._recent[by] = later = reply.passed(partial(self._told, by))
        return later

    def _told(self, by: tuple[bytes, bytes], reply: Reply) -> Reply:
        if isinstance(reply, bytes) and reply[3] & 15 == codes.SERVFAIL:
            self._recent.pop(by, None)
        return reply
