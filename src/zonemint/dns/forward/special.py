"""Names that belong to nobody: they are answered here, and no server of others hears of them (RFC 6761 section 6).

Their zones say what a network itself would have to say if it cared: that there is nothing. A zone of ours, or a setting
for the name, comes before.
"""

from __future__ import annotations

from struct import Struct

from zonemint.dns import codes, wire
from zonemint.dns.answers.compiled import compile_answer
from zonemint.dns.answers.foreign import Foreign
from zonemint.dns.answers.lookup import Answer
from zonemint.dns.zones.records import RRset

__all__ = ["LOCAL", "SpecialNames"]

_TTL = 10800
_TIMES = Struct("!5I")

_PRIVATE = (
    *("10", "168.192", "254.169", "2.0.192", "100.51.198", "113.0.203", "0", "127", "255.255.255.255"),
    *(f"{n}.172" for n in range(16, 32)),
    *(f"{n}.100" for n in range(64, 128)),
)
"""Networks whose reverse zones nobody on the internet has (RFC 6303 section 4, RFC 7793)."""
_PRIVATE6 = (
    *(".".join("0" * 32), "1." + ".".join("0" * 31), "d.f", "c.f"),
    *("8.e.f", "9.e.f", "a.e.f", "b.e.f", "8.b.d.0.1.0.0.2"),
)

LOCAL = (
    "localhost",
    "test",
    "invalid",
    "onion",
    "local",
    "home.arpa",
    "resolver.arpa",
    "use-application-dns.net",
    *(f"{network}.in-addr.arpa" for network in _PRIVATE),
    *(f"{network}.ip6.arpa" for network in _PRIVATE6),
)
"""The names, each with all below it: of RFC 6761, RFC 7686, RFC 6762, RFC 8375, RFC 9462, the one by which Firefox asks
whether the network has a DNS of its own, and those of private reverse zones."""

_LOCALHOST = wire.name_from_text("localhost")
_RESOLVER = wire.name_from_text("resolver.arpa")
_PTR = {
    wire.name_from_text("1.0.0.127.in-addr.arpa"): _LOCALHOST,
    wire.name_from_text("1." + ".".join("0" * 31) + ".ip6.arpa"): _LOCALHOST,
}
_ADDRESSES = {codes.A: b"\x7f\0\0\1", codes.AAAA: bytes(15) + b"\1"}


class SpecialNames:
    """Answers for the names; but: those that the settings have somebody asked for."""

    def __init__(self, but: frozenset[bytes] = frozenset()) -> None:
        self._zones = frozenset(map(wire.name_from_text, LOCAL)) - but

    def find(self, name: bytes) -> bytes | None:
        """Return the zone that belongs to nobody in which a name lies."""
        at = 0
        while name[at]:
            if name[at:] in self._zones:
                return name[at:]
            at += 1 + name[at]
        return None

    @staticmethod
    def answer(zone: bytes, name: bytes, type_: int) -> Foreign:
        """Answer a question about a name in such a zone."""
        answer = Answer()
        data: bytes | None = None
        if zone == _LOCALHOST:
            data = _ADDRESSES.get(type_)
        elif type_ == codes.PTR:
            data = _PTR.get(name)
        soa = zone + b"\6nobody\7invalid\0" + _TIMES.pack(1, 3600, 1200, 604_800, _TTL)
        if data is None and name == zone:
            data = {codes.SOA: soa, codes.NS: zone}.get(type_)
        if data is not None:
            answer.answer = [(name, RRset(type_, _TTL, (data,)))]
        else:
            exists = name == zone or name in _PTR or zone in (_LOCALHOST, _RESOLVER)
            answer.rcode = codes.NOERROR if exists else codes.NXDOMAIN
            answer.authority = [(zone, RRset(codes.SOA, _TTL, (soa,)))]
        tail = compile_answer(name, answer).tail
        return Foreign(answer.rcode, tail, (len(answer.answer), len(answer.authority)), authoritative=True)
