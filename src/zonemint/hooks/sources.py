"""Where events come from, each in an order of its own, so that a position in it is all that has to be kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from zonemint.config import Seconds
from zonemint.hooks.events import KINDS, Event, of_ca, of_certificate, of_entry
from zonemint.store import audit, inventory
from zonemint.store.database import Database
from zonemint.store.inventory import Listed, Place, Wanted

__all__ = ["AuditLog", "CaEnds", "Ends", "Found", "Source"]

_PAGE = 100  # events that are read at once


class Found(NamedTuple):
    """Some events, each with the position after it; then nothing more is told of until the position `reached`."""

    events: list[tuple[Event, str]]
    reached: str


class Source(Protocol):
    """An order of events; a position is a text, and `pause` the seconds between two looks at it."""

    name: str
    pause: float

    async def start(self, now: float) -> str:
        """Return the position of a hook that is new."""
        ...

    async def after(self, position: str, now: float) -> Found:
        """Return the next events after a position."""
        ...


class AuditLog:
    """The audit log: entries are numbered without a gap and committed in that order, so none appears behind another."""

    name = "audit"
    pause = 1.0

    def __init__(self, db: Database, events: Sequence[str]) -> None:
        self._db = db
        self._kinds = tuple(kind.value for one in events for kind in KINDS.get(one, ()))

    async def start(self, now: float) -> str:
        """Begin with what comes from now on."""
        return str((await self._db.read(audit.head())).sequence)

    async def after(self, position: str, now: float) -> Found:
        """See Source.after."""
        head = (await self._db.read(audit.head())).sequence
        if head <= int(position):
            return Found([], position)
        steps = audit.events(self._kinds, after=int(position), until=head, limit=_PAGE)
        entries = await self._db.read(steps)
        events = [(of_entry(entry), str(entry.sequence)) for entry in entries]
        return Found(events, str(head) if len(entries) < _PAGE else events[-1][1])


class Ends:
    """Certificates in the order of their ends, as they come within a time of now; those that were renewed are left out.

    One that is issued for less than that time was never further from its end, and is not told of.
    """

    pause = 60.0

    def __init__(
        self,
        db: Database,
        without_renewed: Callable[[Database, Sequence[Listed]], Awaitable[list[Listed]]],
        threshold: Seconds,
        nearer: float,
    ) -> None:
        self._db = db
        self._without_renewed = without_renewed
        self._threshold = threshold
        self._nearer = nearer
        self.name = f"expiring {threshold}"

    async def start(self, now: float) -> str:
        """Begin with those for which the next threshold is still to come, so that each is told of once."""
        return f"{int(now + self._nearer)}:"

    async def after(self, position: str, now: float) -> Found:
        """See Source.after."""
        end, _, serial = position.partition(":")
        until = int(now + self._threshold)
        wanted = Wanted(status="valid", ends_before=until)
        page = inventory.page(wanted, after=Place(int(end), serial), by_end=True, limit=_PAGE)
        found = await self._db.read(page)
        kept = await self._without_renewed(self._db, found)
        events = [(of_certificate(one, self._threshold), f"{one.not_after}:{one.serial}") for one in kept]
        if len(found) == _PAGE:
            return Found(events, f"{found[-1].not_after}:{found[-1].serial}")
        # A letter after all hexadecimal digits: whatever ends in this second is behind.
        return Found(events, f"{max(until, int(end))}:g")


class CaEnds:
    """The CA's own certificates as they come within a time of their end; a position is those that were told of."""

    pause = 3600.0

    def __init__(
        self, own: Callable[[], Sequence[tuple[str, x509.Certificate]]], threshold: Seconds, nearer: float
    ) -> None:
        self._own = own
        self._threshold = threshold
        self._nearer = nearer
        self.name = f"ca-expiring {threshold}"

    async def start(self, now: float) -> str:
        """See Ends.start."""
        return " ".join(sorted(self._within(now + self._nearer)))

    async def after(self, position: str, now: float) -> Found:
        """See Source.after."""
        told, events = set(position.split()), []
        for digest, (name, one) in sorted(self._within(now + self._threshold).items()):
            if digest not in told:
                told.add(digest)
                events.append((of_ca(name, one, self._threshold), " ".join(sorted(told))))
        return Found(events, " ".join(sorted(told)))

    def _within(self, until: float) -> dict[str, tuple[str, x509.Certificate]]:
        return {
            one.fingerprint(SHA256()).hex(): (name, one)
            for name, one in self._own()
            if one.not_valid_after_utc.timestamp() <= until
        }
