"""What validation needs of DNS: one question to one server, and the facts of the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import NamedTuple, Protocol

from zonemint.core.clock import Clock
from zonemint.core.errors import DnsFailure
from zonemint.core.text import shown
from zonemint.core.trace import Event
from zonemint.validation.method import Tell

__all__ = ["Answer", "Ask", "Questions", "Resolver", "Rr", "Server", "place"]

_SHOWN = 5  # records of an answer that an event repeats

Server = tuple[str, int]
"""The address and port of a name server."""


class Rr(NamedTuple):
    """A record; names are normalized, also where they are a value.

    The value of a TXT record is its strings joined (RFC 8555 section 8.4), that of a CAA record is flags, tag and
    value with a space between; both have one character for each octet.
    """

    name: str
    type: str
    value: str


class Answer(NamedTuple):
    """What a server answered; `server` is its address and port, `ms` the time that it took."""

    server: str
    rcode: str
    records: tuple[Rr, ...]
    ms: float
    authoritative: bool = False
    authority: tuple[Rr, ...] = ()
    additional: tuple[Rr, ...] = ()


class Ask(Protocol):
    """Asks one name server over the network, with no cache of ours in between."""

    async def __call__(self, server: Server, name: str, type_: str, *, recurse: bool, timeout: float) -> Answer:  # noqa: ASYNC109
        """Return the server's answer; raises DnsFailure when none came within `timeout` seconds."""
        ...


class Resolver(Protocol):
    """Finds the answer for a name, of whichever server; following its aliases is left to `follow`."""

    async def __call__(self, name: str, type_: str, tell: Tell) -> Answer:
        """Return an answer whose records are the word of who may speak for them.

        Everything that is asked on the way is told. Raises DnsFailure when no server could tell.
        """
        ...


@dataclass(frozen=True, slots=True)
class Questions:
    """Asks name servers and tells of each exchange; what a failing server cannot say, the next one may."""

    ask: Ask
    clock: Clock

    async def first(
        self,
        servers: Sequence[Server],
        name: str,
        type_: str,
        tell: Tell,
        *,
        recurse: bool,
        timeout: float,  # noqa: ASYNC109 - of all servers together
    ) -> Answer:
        """Return the first answer that is one, else the last that is none; raises DnsFailure, naming all servers.

        Each server gets an equal part of the time that the ones before it left.
        """
        end = perf_counter() + timeout
        failures: list[str] = []
        for left, server in zip(range(len(servers), 0, -1), servers, strict=True):
            wait = max(end - perf_counter(), 0.0) / left
            asked_at, began = self.clock(), perf_counter()
            try:
                answer = await self.ask(server, name, type_, recurse=recurse, timeout=wait)
            except DnsFailure as failure:
                ms = (perf_counter() - began) * 1000
                data = {"name": name, "type": type_}
                tell(Event(asked_at, "dns-query", "ca", place(server), str(failure), ms, data))
                failures.append(str(failure))
                continue
            tell(_event(asked_at, name, type_, answer))
            if answer.rcode in ("NOERROR", "NXDOMAIN", "YXDOMAIN") or left == 1:
                return answer
            failures.append(f"name server {answer.server}, asked for {name} {type_}: {answer.rcode}")
        raise DnsFailure("; ".join(failures) or f"there is no name server to ask for {name} {type_}")


def place(server: Server) -> str:
    """Write a server's address and port."""
    host, port = server
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _event(asked_at: float, name: str, type_: str, answer: Answer) -> Event:
    records = [f"{record.name} {record.type} {shown(record.value)}" for record in answer.records[:_SHOWN]]
    referral = next((f"ask the servers of {one.name}" for one in answer.authority if one.type == "NS"), "no records")
    seen = "; ".join(records) or (referral if answer.rcode == "NOERROR" and not answer.authoritative else "no records")
    return Event(
        asked_at,
        "dns-query",
        "ca",
        answer.server,
        f"{type_} {name}? {answer.rcode}: {seen}",
        answer.ms,
        {"name": name, "type": type_, "rcode": answer.rcode},
    )
