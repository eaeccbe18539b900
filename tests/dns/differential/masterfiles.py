"""Zone files that say the same in odd ways, and how other programs read them."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import dns.name
import dns.rdatatype
import dns.zone

from tests.programs import require_program

__all__ = ["READERS", "Fact", "make"]

Fact = tuple[str, int, str, bytes]
"""Owner in lower case, TTL, type, data in wire form."""

_OWNERS = ["@", "a", "b.a", "*", "*.c", r"x\.y", r"s\ p", r"\065b", "_tcp", "1", "60", "IN", "mx", r"\@", r"q\"q"]
_SPACES = [" ", "  ", "\t", " \t "]


def make(rng: random.Random) -> tuple[str, set[Fact]]:
    """Write a zone z.test at random; return the text and what it says."""
    writer = _Writer(rng)
    for _ in range(rng.randrange(3, 20)):
        writer.something()
    return writer.text(), writer.facts


class _Writer:
    """A file while it is written: the lines, and what a reader of them has in mind."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._default = rng.choice([60, 3600])
        self._origin = "z.test."
        self._owner = "ns.z.test."
        self.facts: set[Fact] = set()
        self._lines = [f"$TTL {self._units(self._default)}"]
        self._ttls: dict[tuple[str, str], int] = {}
        numbers = rng.choice(["7 1d 2h 4w 5m", "7 86400 7200 2419200 300", "( 7 ; serial\n 1D 2H\n\t4W 5M )"])
        self._line("@", "SOA", f"ns h {numbers}")
        data = b"\2ns\1z\4test\0\1h\1z\4test\0" + b"".join(
            [n.to_bytes(4, "big") for n in (7, 86400, 7200, 2419200, 300)]
        )
        self.facts.add(("z.test.", self._default, "SOA", data))
        self._line("@", "NS", "ns.z.test.")
        self.facts.add(("z.test.", self._default, "NS", b"\2ns\1z\4test\0"))
        self._line("ns", "A", "192.0.2.1")
        self._ttls["ns.z.test.", "A"] = self._default
        self.facts.add(("ns.z.test.", self._default, "A", b"\xc0\0\2\1"))

    def text(self) -> str:
        """Return the file, with either kind of line end, and with or without the last one."""
        end = self._rng.choice(["\n", "\n", "\r\n"])
        # BIND wants one behind a directive.
        last = end if self._lines[-1].startswith("$") else self._rng.choice([end, ""])
        return end.join("\n".join(self._lines).split("\n")) + last

    def something(self) -> None:
        kind = self._rng.random()
        if kind < 0.1:
            self._lines.append(self._rng.choice(["", '; a comment (with " signs', "   ; another", "\t"]))
        elif kind < 0.2:
            relative = self._rng.choice(["sub.z.test.", "z.test.", "deep.sub.z.test."])
            self._lines.append(f"$ORIGIN{self._space()}{relative}")
            self._origin = relative
        elif kind < 0.25:
            self._default = self._rng.choice([1, 300, 604800])
            self._lines.append(f"$TTL {self._units(self._default)} ; from here")
        else:
            self._record()

    def _record(self) -> None:
        type_, text, data = self._rng.choice([self._address, self._txt, self._mx, self._unknown])()
        owner = self._rng.choice([*_OWNERS, ""])
        name = self._owner if not owner else self._absolute(owner)
        # A set has one TTL, and other programs take another one of several.
        ttl = self._ttls.setdefault((name, type_), self._rng.choice([None, 5, 90061]) or self._default)
        words = [] if ttl == self._default else [self._units(ttl)]
        words += self._rng.choice([[], ["IN"], ["in"]])
        self._rng.shuffle(words)
        words.append(self._rng.choice([type_, type_.lower()]))
        self._line(owner, self._space().join(words), text)
        self._owner = name
        self.facts.add((name, ttl, type_, data))

    def _line(self, owner: str, middle: str, text: str) -> None:
        if "(" not in text and self._rng.random() < 0.3:
            text = self._rng.choice([f"( {text} )", f"(\n{text}\n)", f"( ; why\n  {text} ) ; so"])
        comment = self._rng.choice(["", "", " ; with a comment", ";without a space"])
        self._lines.append(f"{owner}{self._space()}{middle}{self._space()}{text}{comment}")

    def _absolute(self, owner: str) -> str:
        name = dns.name.from_text(owner, dns.name.from_text(self._origin))
        return str(name).lower()

    def _space(self) -> str:
        return self._rng.choice(_SPACES)

    def _units(self, seconds: int) -> str:
        if self._rng.random() < 0.5:
            return str(seconds)
        text = ""
        for unit, size in (("w", 604800), ("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
            if seconds >= size:
                text += f"{seconds // size}{unit if self._rng.random() < 0.5 else unit.upper()}"
                seconds %= size
        return text

    def _address(self) -> tuple[str, str, bytes]:
        number = self._rng.randrange(256)
        return "A", f"192.0.2.{number}", bytes((192, 0, 2, number))

    def _txt(self) -> tuple[str, str, bytes]:
        strings = [
            ('"a b"', b"a b"),
            ("plain", b"plain"),
            ('""', b""),
            ('"semi;colon"', b"semi;colon"),
            (r"semi\;colon", b"semi;colon"),
            (r'"\"q\" \\ \000\255"', b'"q" \\ \0\xff'),
            ('"(not open"', b"(not open"),
            ("x" * 255, b"x" * 255),
            (r"\065\066", b"AB"),
        ]
        chosen = [self._rng.choice(strings) for _ in range(self._rng.choice([1, 1, 2, 5]))]
        data = b"".join([bytes((len(raw),)) + raw for _, raw in chosen])
        return "TXT", self._space().join([text for text, _ in chosen]), data

    def _mx(self) -> tuple[str, str, bytes]:
        host = self._rng.choice(["mail", "mail.z.test.", "@", ".", r"m\.x"])
        wire = dns.name.from_text(host, dns.name.from_text(self._origin)).to_wire()
        assert wire is not None
        return "MX", f"10 {host}", b"\0\x0a" + wire

    def _unknown(self) -> tuple[str, str, bytes]:
        data = self._rng.randbytes(self._rng.randrange(1, 20))
        half = len(data) // 2
        return "TYPE65400", f"\\# {len(data)} {data[:half].hex()} {data[half:].hex()}", data


def _facts(text: str, origin: str) -> set[Fact]:
    """Read what a program printed: one record a line, as dnspython reads them."""
    name = dns.name.from_text(origin)
    zone = dns.zone.from_text(text, origin=name, relativize=False, check_origin=False)
    return {
        (str(owner).lower(), ttl, dns.rdatatype.to_text(data.rdtype), data.to_wire() or b"")
        for owner, ttl, data in zone.iterate_rdatas()
    }


def _printed(command: list[str], path: Path, origin: str) -> set[Fact] | None:
    done = subprocess.run([*command, origin, str(path)], capture_output=True, check=False)
    if done.returncode:
        return None
    lines = [line for line in done.stdout.decode("latin-1").splitlines() if not line.startswith("zone ")]
    return _facts("\n".join(lines) + "\n", origin)


def _named(path: Path, origin: str) -> set[Fact] | None:
    command = [require_program("named-checkzone"), "-q", "-i", "none", "-k", "ignore", "-D", "-o", "-", "-s", "full"]
    return _printed(command, path, origin)


def _nsd(path: Path, origin: str) -> set[Fact] | None:
    return _printed([require_program("nsd-checkzone"), "-p"], path, origin)


READERS: dict[str, Callable[[Path, str], set[Fact] | None]] = {"named": _named, "nsd": _nsd}
"""What other programs read in a file for an origin; None where they refuse it. Knot's prints nothing."""
