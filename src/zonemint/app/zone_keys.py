"""Keys that sign zones: made, replaced and given up, each in one transaction with its entry in the audit log.

Whatever changes keys gives the zone another serial, by which a running server notices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from zonemint.core.clock import Clock
from zonemint.core.errors import ConfigError
from zonemint.core.hash_chain import Detail
from zonemint.dns.dnssec.keys import Algorithm, SigningKey
from zonemint.dns.dnssec.seal import Keys, Seal
from zonemint.dns.dnssec.signing import Lifetimes
from zonemint.dns.zones.zone import Zone
from zonemint.store import audit, dnssec_keys
from zonemint.store.database import Lock, Steps
from zonemint.store.dnssec_keys import DnssecKey, State

__all__ = ["announced", "confirm", "disable", "enable", "first", "moved", "roll", "seal", "signed_anew"]

_OVER = (State.LEAVING, State.LEFT)
_AT_PARENT = (State.READY, State.KNOWN)


def announced(keys: Sequence[DnssecKey]) -> list[DnssecKey]:
    """Return the keys that the parent should have DS records of: the newest that is ready, else those that it knows."""
    if any(key.state in _OVER for key in keys):
        return []
    newest = [key for key in keys if key.state in _AT_PARENT][-1:]
    return newest or [key for key in keys if key.state is State.ACTIVE]


def seal(zone: Zone, rows: Sequence[DnssecKey], *, lifetime: float, ttl: float, clock: Callable[[], float]) -> Seal:
    """Return what signs a zone with the keys of the store; raises ConfigError for one that cannot be read."""
    loaded = {row.tag: SigningKey.load(row.private) for row in rows}
    told = tuple([loaded[row.tag] for row in announced(rows)])
    keys = Keys(tuple(loaded.values()), told, is_leaving=any(row.state in _OVER for row in rows))
    return Seal(zone, keys, Lifetimes.of(lifetime), int(ttl), clock)


def first(zone: str, algorithm: str, *, actor: str, clock: Clock) -> Steps[bool]:
    """Make the key of a zone that has none; tell whether that was so."""
    yield Lock(f"zone {zone}")
    if (yield from dnssec_keys.of_zone(zone)):
        return False
    yield from _add(zone, Algorithm(algorithm), (), actor, int(clock()))
    return True


def enable(zone: str, algorithm: str, *, actor: str, clock: Clock) -> Steps[bool]:
    """Sign a zone, or go on with it when it was to end; tell whether that changed something."""
    if (yield from first(zone, algorithm, actor=actor, clock=clock)):
        return True
    over = [key for key in (yield from dnssec_keys.of_zone(zone)) if key.state in _OVER]
    for key in over:
        yield from _move(key, State.READY, actor=actor, now=int(clock()))
    return bool(over)


def disable(zone: str, *, actor: str, clock: Clock) -> Steps[bool]:
    """Begin to end the signing of a zone, which goes on until nobody wants it; tell whether that changed something."""
    yield Lock(f"zone {zone}")
    keys = yield from dnssec_keys.of_zone(zone)
    if not keys:
        raise ConfigError(f"zone {zone} is not signed here")
    going = [key for key in keys if key.state not in _OVER]
    for key in going:
        yield from _move(key, State.LEAVING, actor=actor, now=int(clock()))
    return bool(going)


def roll(zone: str, *, actor: str, clock: Clock) -> Steps[int]:
    """Begin to replace the key of a zone by a new one of its algorithm; return the new tag."""
    yield Lock(f"zone {zone}")
    keys = yield from dnssec_keys.of_zone(zone)
    if not keys:
        raise ConfigError(f"zone {zone} is not signed here; `zonemint dnssec enable {zone}` begins that")
    if len(keys) > 1 or keys[0].state not in (State.READY, State.ACTIVE):
        states = ", ".join(f"{key.tag} is {key.state}" for key in keys)
        raise ConfigError(f"zone {zone} has a change of keys under way ({states}); it has to end first")
    return (yield from _add(zone, Algorithm(keys[0].algorithm), [keys[0].tag], actor, int(clock())))


def confirm(zone: str, *, actor: str, clock: Clock, wait: float) -> Steps[DnssecKey]:
    """Take an administrator's word that the parent has done what was to be done; return the key that waited for it.

    wait: seconds until every cache knows.
    """
    yield Lock(f"zone {zone}")
    now = int(clock())
    keys = yield from dnssec_keys.of_zone(zone)
    leaving = [key for key in keys if key.state is State.LEAVING]
    ready = [key for key in keys if key.state is State.READY][-1:]
    for key in leaving or ready:
        state = State.LEFT if leaving else State.KNOWN
        yield from _move(key, state, actor=actor, now=now, until=now + int(wait))
    if not leaving and not ready:
        raise ConfigError(f"zone {zone} waits for nothing at its parent; see `zonemint dnssec show {zone}`")
    return (leaving or ready)[-1]


def moved(key: DnssecKey, state: State | None, *, now: int, until: int | None = None) -> Steps[bool]:
    """Move a key by itself when its time has come, or remove it with None; False when another node was quicker."""
    yield Lock(f"zone {key.zone}")
    keys = yield from dnssec_keys.of_zone(key.zone)
    if key.state is state:
        return (yield from dnssec_keys.move(key, state, now=now, until=until))
    if state is None:
        return (yield from _remove(key, now))
    if not (yield from _move(key, state, actor="server", now=now, until=until)):
        return False
    if state is State.ACTIVE:
        # Those before it have nothing left to vouch for; one after it is on its way to replace it.
        for other in keys[: [one.tag for one in keys].index(key.tag)]:
            yield from _remove(other, now)
    return True


def signed_anew(zone: str, at: int) -> Steps[None]:
    """Give a zone another serial for the signatures that there are from some time on, unless that was done."""
    yield Lock(f"zone {zone}")
    if (yield from dnssec_keys.touched(zone, at)):
        yield from dnssec_keys.touch(zone)


def _add(zone: str, algorithm: Algorithm, taken: Sequence[int], actor: str, now: int) -> Steps[int]:
    key = SigningKey.generate(algorithm, unlike=taken)
    yield from dnssec_keys.insert(
        DnssecKey(zone, key.tag, algorithm.value, key.private_bytes(), State.NEW, now, now, None)
    )
    yield from dnssec_keys.touch(zone)
    told: Detail = {"tag": key.tag, "algorithm": algorithm.value}
    yield from audit.append(audit.Fact(audit.Kind.DNSSEC_KEY_CREATED, actor, zone, told), now=now)
    return key.tag


def _move(key: DnssecKey, state: State, *, actor: str, now: int, until: int | None = None) -> Steps[bool]:
    if not (yield from dnssec_keys.move(key, state, now=now, until=until)):
        return False
    yield from dnssec_keys.touch(key.zone)
    told: Detail = {"tag": key.tag, "from": key.state.value, "to": state.value}
    yield from audit.append(audit.Fact(audit.Kind.DNSSEC_KEY_MOVED, actor, key.zone, told), now=now)
    return True


def _remove(key: DnssecKey, now: int) -> Steps[bool]:
    if not (yield from dnssec_keys.remove(key)):
        return False
    yield from dnssec_keys.touch(key.zone)
    told: Detail = {"tag": key.tag}
    yield from audit.append(audit.Fact(audit.Kind.DNSSEC_KEY_REMOVED, "server", key.zone, told), now=now)
    return True
