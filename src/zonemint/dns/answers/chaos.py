"""What the server says of itself in class CH, to those who manage it (RFC 4892)."""

from __future__ import annotations

from struct import Struct

from zonemint.dns import codes, wire
from zonemint.dns.answers.compiled import bare, option
from zonemint.dns.answers.requestor import Client

__all__ = ["Chaos"]

_RECORD = Struct("!HHHIHB")
_HEAD = Struct("!BBHHHH")
_VERSION = tuple(map(wire.name_from_text, ("version.bind", "version.server")))
_IDENTITY = tuple(map(wire.name_from_text, ("id.server", "hostname.bind")))


class Chaos:
    """Answers questions of class CH.

    version: for version.bind and version.server; identity: for id.server and hostname.bind; at most 255 bytes, and
    what is empty is refused, as are all other names.
    """

    def __init__(self, *, version: bytes = b"", identity: bytes = b"") -> None:
        self._texts = dict.fromkeys(_VERSION, version) | dict.fromkeys(_IDENTITY, identity)

    def __call__(self, message: bytes, client: Client) -> bytes:
        """Answer a well-formed query; raises ForeignDataError for another one."""
        query = wire.parse_query(message)
        text = self._texts.get(query.name)
        if not text:
            return bare(message, query, codes.REFUSED)
        known = query.type in (codes.TXT, codes.ANY)
        head = _HEAD.pack(0x84 | message[2] & 1, 0, 1, known, 0, query.edns)
        record = _RECORD.pack(0xC00C, codes.TXT, codes.CH, 0, len(text) + 1, len(text)) + text if known else b""
        opt = option(dnssec_ok=query.dnssec_ok) if query.edns else b""
        return message[:2] + head + message[12 : query.end] + record + opt
