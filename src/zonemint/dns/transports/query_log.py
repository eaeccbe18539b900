"""Queries and what was answered to them, a line each, in the shape that tools for CoreDNS's log read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from time import perf_counter

from zonemint.core.errors import ForeignDataError
from zonemint.dns import codes, wire
from zonemint.dns.answers.requestor import Client
from zonemint.dns.answers.services import Ready, Stream

__all__ = ["QueryLog", "line"]

_FLAGS = ((2, 0x80, "qr"), (2, 4, "aa"), (2, 2, "tc"), (2, 1, "rd"), (3, 0x80, "ra"), (3, 0x20, "ad"), (3, 0x10, "cd"))
"""Octet, bit and word of the flags, in the order in which they are written."""

_NO_BUFFER = 512


class QueryLog:
    """Writes down the queries that are asked for.

    write: takes a line; classes: of `success`, `denial`, `error`; every: one of so many; names: in lower-case wire
    form, none for all; networks: of clients, none for all.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        *,
        classes: Sequence[str],
        every: int = 1,
        names: Sequence[bytes] = (),
        networks: Sequence[IPv4Network | IPv6Network] = (),
    ) -> None:
        self._write = write
        self._classes = frozenset(classes)
        self._every = every
        self._names = tuple(names)
        self._networks = tuple(networks)
        self._passed = 0

    def note(self, client: Client, message: bytes, reply: Ready, seconds: float) -> None:
        """Write a query down if it is one of those; `reply` is None where it was left without an answer."""
        self._passed += 1
        if self._passed < self._every or len(message) < 12 or message[2] & 0xF8:
            return
        if _class_of(reply) not in self._classes:
            return
        try:
            query = wire.parse_query(message)
        except ForeignDataError:
            query = None
        if self._names and (query is None or not any(wire.is_within(query.name, one) for one in self._names)):
            return
        if self._networks and not any(ip_address(client.address) in network for network in self._networks):
            return
        self._passed = 0
        self._write(line(client, message, query, reply, seconds))

    def noting(self, client: Client, message: bytes, send: Callable[[Ready], None]) -> Callable[[Ready], None]:
        """Return what sends an answer that comes later, and writes the query down then."""
        began = perf_counter()

        def noted(reply: Ready) -> None:
            self.note(client, message, reply, perf_counter() - began)
            send(reply)

        return noted


def line(client: Client, message: bytes, query: wire.Query | None, reply: Ready, seconds: float) -> str:
    """Write one query: who asked what and how, with which sizes; and the rcode, flags, size and time of the answer.

    What cannot be read has dashes for its question; an answer of many messages is written down when it begins, without
    a size. Names are escaped, so a line is one line.
    """
    asked = "- - -"
    if query is not None:
        name = wire.name_to_text(query.name)
        class_ = "IN" if query.class_ == codes.IN else "CH" if query.class_ == 3 else f"CLASS{query.class_}"
        asked = f"{codes.type_to_text(query.type)} {class_} {name if name == '.' else name + '.'}"
    dnssec_ok = "true" if query is not None and query.dnssec_ok else "false"
    buffer = query.size if query is not None and query.edns else _NO_BUFFER
    head = f"[INFO] {client} - {int.from_bytes(message[:2], 'big')}"
    sent = f'"{asked} {client.transport.value} {len(message)} {dnssec_ok} {buffer}"'
    if reply is None:
        return f"{head} {sent} - - 0 {seconds:.9f}s"
    if isinstance(reply, Stream):
        return f"{head} {sent} NOERROR qr,aa 0 {seconds:.9f}s"
    flags = ",".join([word for at, bit, word in _FLAGS if reply[at] & bit])
    return f"{head} {sent} {codes.rcode_to_text(reply[3] & 15)} {flags} {len(reply)} {seconds:.9f}s"


def _class_of(reply: Ready) -> str:
    """Sort an answer as CoreDNS does: data or a referral, a denial, or an error."""
    if isinstance(reply, Stream):
        return "success"
    rcode = codes.SERVFAIL if reply is None else reply[3] & 15
    if reply is not None and rcode == codes.NOERROR:
        is_referral = not reply[2] & 4 and reply[8:10] != b"\0\0"
        return "success" if reply[6:8] != b"\0\0" or is_referral or reply[2] & 2 else "denial"
    return "denial" if rcode == codes.NXDOMAIN else "error"
