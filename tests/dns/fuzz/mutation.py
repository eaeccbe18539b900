"""Messages that are nearly right."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import dns.edns
import dns.message
import dns.name
import dns.opcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.update

__all__ = ["Mutation"]

_TYPES = "A AAAA TXT SOA NS MX CNAME DS DNSKEY ANY AXFR IXFR SVCB TYPE65280 OPT"
_NAMES = "lab.test. www.lab.test. ca.lab.test. x.auth.lab.test. _acme-challenge.www.lab.test. a.b.c.test. ."
_OPTIONS = (
    *((3, b""), (8, b"\0\1\x18\0\xc0\0\2"), (9, b""), (10, b"12345678"), (10, bytes(24)), (11, b"")),
    (12, bytes(20)),
)
_BYTES = (0, 1, 12, 0x1F, 0x3F, 0x40, 0x7F, 0x80, 0xBF, 0xC0, 0xFE, 0xFF)
_LONGEST = 4096


def _seeds(secret: bytes) -> list[bytes]:
    """Make messages that are right, of every kind that there is; some are signed with the key that has the secret."""
    made: list[dns.message.Message] = []
    for name in _NAMES.split():
        for type_ in _TYPES.split():
            made.append(dns.message.make_query(name, type_))
            options: list[dns.edns.Option] = [
                dns.edns.GenericOption(dns.edns.OptionType.make(code), data) for code, data in _OPTIONS
            ]
            made.append(dns.message.make_query(name, type_, use_edns=0, options=options, want_dnssec=True))
    names = ("version.bind.", "id.server.", "hostname.bind.")
    made += [dns.message.make_query(name, "TXT", dns.rdataclass.CH, use_edns=0) for name in names]
    update = dns.update.UpdateMessage("lab.test.")
    update.present("www.lab.test.", "A")
    update.absent("new.lab.test.")
    update.add("new.lab.test.", 300, "A", "192.0.2.9")
    update.delete("old.lab.test.", "TXT")
    made.append(update)
    notify = dns.message.make_query("lab.test.", "SOA")
    notify.set_opcode(dns.opcode.NOTIFY)
    notify.answer.append(dns.rrset.from_text("lab.test.", 0, "IN", "SOA", "ns1. hostmaster. 9 3600 600 86400 60"))
    made.append(notify)
    incremental = dns.message.make_query("lab.test.", "IXFR")
    incremental.authority.append(
        dns.rrset.from_text("lab.test.", 0, "IN", "SOA", "ns1. hostmaster. 1 3600 600 86400 60")
    )
    made.append(incremental)
    for one in (update, notify, dns.message.make_query("lab.test.", "AXFR"), dns.message.make_query("lab.test.", "A")):
        signed = dns.message.from_wire(one.to_wire())
        signed.use_tsig(dns.tsig.Key(dns.name.from_text("key.lab.test."), secret, dns.tsig.HMAC_SHA256))
        made.append(signed)
    wires = [one.to_wire() for one in made]
    return [*wires, *(wire[:2] + bytes((wire[2] | 0x80,)) + wire[3:] for wire in wires[::9])]


def _flip(random: Random, message: bytearray) -> None:
    at = random.randrange(len(message))
    message[at] ^= 1 << random.randrange(8)


def _poke(random: Random, message: bytearray) -> None:
    message[random.randrange(len(message))] = random.choice(_BYTES)


def _poke_header(random: Random, message: bytearray) -> None:
    message[min(random.randrange(2, 12), len(message) - 1)] = random.choice(_BYTES)


def _cut(random: Random, message: bytearray) -> None:
    del message[random.randrange(len(message)) :]


def _remove(random: Random, message: bytearray) -> None:
    at = random.randrange(len(message))
    del message[at : at + random.randrange(1, 9)]


def _repeat(random: Random, message: bytearray) -> None:
    at = random.randrange(len(message))
    part = message[at : at + random.randrange(1, 64)]
    message[at:at] = part * random.randrange(1, 4)


def _insert(random: Random, message: bytearray) -> None:
    at = random.randrange(len(message) + 1)
    message[at:at] = random.randbytes(random.randrange(1, 9))


def _point(random: Random, message: bytearray) -> None:
    at = random.randrange(len(message))
    message[at : at + 2] = (0xC000 | random.randrange(min(len(message) + 8, 0x3FFF))).to_bytes(2, "big")


_WAYS: tuple[Callable[[Random, bytearray], None], ...] = (
    *(_flip, _poke, _poke_header, _cut, _remove, _repeat, _insert, _point),
)


class Mutation:
    """Makes messages that are nearly right.

    secret: of the key that some are signed with, which the server knows.
    """

    def __init__(self, random: Random, secret: bytes) -> None:
        self._random = random
        self._seeds = _seeds(secret)

    def next(self) -> bytes:
        """Return a message; one in ten is as it should be."""
        random = self._random
        message = bytearray(random.choice(self._seeds))
        if random.random() < 0.9:
            for _ in range(random.choice((1, 1, 1, 2, 2, 3, 5, 8))):
                if message:
                    random.choice(_WAYS)(random, message)
            if message and random.random() < 0.1:
                other = random.choice(self._seeds)
                message[random.randrange(len(message)) :] = other[random.randrange(len(other)) :]
        return bytes(message[:_LONGEST])
