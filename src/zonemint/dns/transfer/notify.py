"""Secondaries are told that a zone changed, and primaries are heard when they say so (RFC 1996)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import NamedTuple

import structlog

from zonemint.core.errors import ForeignDataError, StoreError
from zonemint.core.tasks import end
from zonemint.dns import client, codes, tsig, wire
from zonemint.dns.answers.compiled import bare
from zonemint.dns.answers.requestor import Client
from zonemint.dns.answers.services import Reply
from zonemint.dns.transfer.messages import packed
from zonemint.dns.tsig import Key
from zonemint.dns.zones.catalog import Catalog
from zonemint.dns.zones.delta import Delta
from zonemint.dns.zones.zone import Zone

__all__ = ["Notifier", "Notified", "Peer"]

_PAUSE = 0.2  # seconds in which more changes may come that one message tells of
_TRIES = (1.0, 2.0, 4.0, 8.0, 16.0)  # seconds that each try waits for its answer (section 3.6)
_UNDER_WAY = 256  # servers that are told something at once; the others wait for their turn

_log = structlog.get_logger()


class Peer(NamedTuple):
    """Another server: where it is, and the key that messages to it are signed with."""

    address: str
    port: int
    key: bytes | None = None

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class Notifier:
    """Tells the servers of a zone each new serial, until they have heard or were told often enough.

    peers: whom to tell of a zone; keys: who finds keys; clock: seconds, for signatures.
    """

    def __init__(
        self,
        catalog: Catalog,
        peers: Callable[[Zone], Sequence[Peer]],
        keys: tsig.Keys,
        clock: Callable[[], float],
    ) -> None:
        self._catalog = catalog
        self._peers = peers
        self._keys = keys
        self._clock = clock
        self._turns = asyncio.Semaphore(_UNDER_WAY)
        self._told: dict[tuple[bytes, Peer], asyncio.Task[None]] = {}
        self._serials: dict[bytes, int] = {}
        self.sent = {"heard": 0, "unheard": 0}
        catalog.watch(self._changed)

    def begin(self) -> None:
        """Tell of every zone as it is now: what changed while we were away is not known (section 3.3)."""
        for zone in self._catalog.zones():
            self._changed(zone.apex, None)

    async def close(self) -> None:
        """Stop telling."""
        await end(self._told.values())

    def _changed(self, apex: bytes, delta: Delta | None) -> None:
        zone = self._catalog.get(wire.name_to_text(apex))
        if zone is None:
            self._serials.pop(apex, None)
            return
        if self._serials.get(apex) == zone.serial:
            return
        self._serials[apex] = zone.serial
        for peer in self._peers(zone):
            if (apex, peer) not in self._told:
                self._told[apex, peer] = asyncio.get_running_loop().create_task(self._tell(apex, peer))

    async def _tell(self, apex: bytes, peer: Peer) -> None:
        """Tell one server, again when the zone changes meanwhile."""
        told = -1
        try:
            while (serial := self._serials.get(apex)) not in (None, told):
                await asyncio.sleep(_PAUSE)
                async with self._turns:
                    told = self._serials.get(apex, serial) or 0
                    heard = await self._is_heard(apex, peer)
                self.sent["heard" if heard else "unheard"] += 1
        finally:
            self._told.pop((apex, peer), None)

    async def _is_heard(self, apex: bytes, peer: Peer) -> bool:
        for patience in _TRIES:
            zone = self._catalog.get(wire.name_to_text(apex))
            if zone is None:
                return True
            question = apex + b"\0\x06\0\1"
            rows = [(apex, codes.SOA, zone.soa.ttl, zone.soa.data[0])]
            message = next(packed(secrets.token_bytes(2), question, rows))
            message = message[:2] + b"\x24\0" + message[4:]
            began = asyncio.get_running_loop().time()
            try:
                if peer.key is not None:
                    key = self._keys(peer.key)
                    if key is None:
                        why = "a server cannot be notified: there is no such key"
                        _log.error(why, server=str(peer), zone=zone.origin)
                        return False
                    message = tsig.sign(message, key, self._clock())
                reply = await client.ask_udp((peer.address, peer.port), message, question, patience)
                if not reply[3] & 15:
                    return True
            except (TimeoutError, OSError):
                pass
            except StoreError as error:
                _log.warning("a server is notified later", server=str(peer), zone=zone.origin, error=str(error))
            except Exception:
                # It is tried again as if nobody had heard; otherwise this serial would never be told.
                _log.exception("a notification failed", server=str(peer), zone=zone.origin)
            await asyncio.sleep(max(0.0, began + patience - asyncio.get_running_loop().time()))
        _log.warning("a server does not answer notifications", server=str(peer), zone=wire.name_to_text(apex))
        return False


class Notified:
    """Answers NOTIFY for the zones that we have from others (section 3.11).

    may: whether a client, and the key that vouches for its message, may speak of a zone; hint: is told the zone whose
    primary says that there is something new.
    """

    def __init__(self, may: Callable[[str, Client, Key | None], bool], hint: Callable[[str], None]) -> None:
        self._may = may
        self._hint = hint

    def answer(self, message: bytes, client: Client, key: Key | None) -> Reply:
        """Answer one message, without its signature; raises ForeignDataError for a malformed one."""
        if message[4:6] != b"\0\1":
            raise ForeignDataError("a NOTIFY has one question")
        query = wire.parse_query(message)
        if query.type != codes.SOA or query.class_ != codes.IN:
            return bare(message, query, codes.NOTIMP)
        zone = wire.name_to_text(query.name)
        if not self._may(zone, client, key):
            return bare(message, query, codes.NOTAUTH)
        self._hint(zone)
        reply = bare(message, query, codes.NOERROR)
        assert isinstance(reply, bytes)
        return reply[:2] + bytes((reply[2] | 4,)) + reply[3:]
