"""One server that is asked: how, whether it answers, and what it does not understand."""

from __future__ import annotations

import os
import ssl
from time import perf_counter
from typing import NamedTuple

from zonemint.core.errors import DnsFailure
from zonemint.dns import codes
from zonemint.dns.answers.foreign import Question
from zonemint.dns.forward import datagrams
from zonemint.dns.forward.counts import UpstreamCounts
from zonemint.dns.forward.messages import Match, Sent, write
from zonemint.dns.forward.streams import Stream

__all__ = ["Endpoint", "NoRoom", "Upstream"]

_OTHER_CASE_LIMIT = 3
"""After how many answers whose letter case is not the question's a server is asked in lower case."""
_TRUNCATED = 2
_UNSURE = frozenset((codes.FORMERR, codes.NOTIMP))


class NoRoom(DnsFailure):
    """It is this machine that could not ask, for want of sockets or memory."""


class Endpoint(NamedTuple):
    """Where a server is: `udp`, then TCP where an answer is too long, `tcp` or `tls`; name: in its certificate."""

    kind: str
    address: str
    port: int
    name: str = ""

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{'' if self.kind == 'udp' else f'{self.kind}://'}{host}:{self.port}"


class Upstream:
    """A server.

    fails: how often it was silent, one time after the other; heard: when it last said anything (`perf_counter`);
    probing: it is being asked whether it is there; is_loop: what is asked of it comes back to us.
    """

    def __init__(self, endpoint: Endpoint, *, mixed_case: bool = True, context: ssl.SSLContext | None = None) -> None:
        self.endpoint = endpoint
        self.counts = UpstreamCounts()
        self.fails = 0
        self.heard = 0.0
        self.probing = False
        self.is_loop = False
        self.is_private_path = (
            endpoint.kind == "tls" or endpoint.address.startswith("127.") or endpoint.address == "::1"
        )
        self._mixed_case = mixed_case
        self._other_case = 0
        self._edns = True
        tls = context if endpoint.kind == "tls" else None
        self._stream = Stream(endpoint.address, endpoint.port, tls, endpoint.name or endpoint.address)

    def __str__(self) -> str:
        return str(self.endpoint)

    async def ask(self, question: Question) -> bytes:
        """Return the server's answer, of whatever rcode; raises DnsFailure when it cannot be asked."""
        began = perf_counter()
        try:
            reply = await self._ask(question)
            if reply[3] & 15 in _UNSURE and self._edns:
                # Old servers do not understand EDNS (RFC 6891 section 7).
                plain = await self._ask(question, edns=False)
                if plain[3] & 15 not in _UNSURE:
                    self._edns = False
                reply = plain
        except OSError as error:
            if datagrams.is_ours(error):
                raise NoRoom(_reason(error)) from None
            self.counts.failures += 1
            raise DnsFailure(_reason(error)) from None
        self.heard = perf_counter()
        self.counts.answered(reply[3] & 15, self.heard - began)
        return reply

    async def _ask(self, question: Question, *, edns: bool | None = None) -> bytes:
        edns = self._edns if edns is None else edns
        if self.endpoint.kind != "udp":
            return (await self._stream.ask(write(question, edns=edns, mixed_case=False)))[0]
        mixed_case = self._mixed_case and self._other_case < _OTHER_CASE_LIMIT
        sent = write(question, edns=edns, mixed_case=mixed_case)
        reply, match = await datagrams.ask(self.endpoint.address, self.endpoint.port, sent)
        if match is Match.OTHER_CASE:
            # Either somebody guesses, or the server folds the case: a connection tells.
            return await self._ask_again_in_lower_case(question, edns=edns)
        if match is Match.YES:
            self._other_case = 0 if mixed_case else self._other_case
        if reply[2] & _TRUNCATED:
            return (await self._stream.ask(sent))[0]
        return reply

    async def _ask_again_in_lower_case(self, question: Question, *, edns: bool) -> bytes:
        sent: Sent = write(question, edns=edns, mixed_case=False)
        try:
            reply, _ = await self._stream.ask(sent)
        except OSError:
            if self._other_case + 1 < _OTHER_CASE_LIMIT:
                self._other_case += 1
                raise
            reply, _ = await datagrams.ask(self.endpoint.address, self.endpoint.port, sent)
        self._other_case += 1
        return reply

    def close(self) -> None:
        """Close the connection that there may be."""
        self._stream.close()


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not the one to expect: {error.verify_message}"
    if isinstance(error, ssl.SSLError) or error.errno is None:
        return error.strerror or str(error) or "no answer"
    return os.strerror(error.errno)
