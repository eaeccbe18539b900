"""The hooks of the settings: their receivers, and what tells these of events while the server runs."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from zonemint.app.base import Base
from zonemint.app.inventory import without_renewed
from zonemint.config import Config, DataDir, Hook, Seconds
from zonemint.core.clock import Clock
from zonemint.core.errors import ConfigError
from zonemint.hooks.command import Command
from zonemint.hooks.events import KINDS
from zonemint.hooks.receiver import Receiver
from zonemint.hooks.sender import Sender
from zonemint.hooks.sources import AuditLog, CaEnds, Ends, Source
from zonemint.hooks.webhook import Webhook, read_secret
from zonemint.store import leases
from zonemint.store.database import Database
from zonemint.store.sqlite import SqliteDatabase

__all__ = ["HookMetrics", "receivers", "senders"]

_LEASE = 180.0  # seconds that a node has for its deliveries before another one takes over
_RENEWED = 30.0  # seconds between two times that it is asked for


def receivers(config: Config, data: DataDir, root: x509.Certificate | None) -> dict[str, Receiver]:
    """Make the receivers of all hooks; those with a certificate of ours are trusted, too. Raises ConfigError."""
    return {name: _receiver(hook, config, data, root) for name, hook in config.hooks.items()}


def senders(
    base: Base, told: Mapping[str, Receiver], own: Callable[[], Sequence[tuple[str, x509.Certificate]]], *, process: str
) -> list[Sender]:
    """Make what tells each receiver; of several nodes, one does."""
    lease = _Lease(base.db, process, base.clock)
    return [
        Sender(
            name,
            receiver,
            _sources(base.config.hooks[name], base.db, own),
            base.db,
            base.clock,
            give_up=float(base.config.hooks[name].give_up),
            is_ours=lease.is_held,
        )
        for name, receiver in told.items()
    ]


def _receiver(hook: Hook, config: Config, data: DataDir, root: x509.Certificate | None) -> Receiver:
    timeout, source = float(hook.timeout), config.external_url
    if hook.command:
        return Command(hook.command, source=source, timeout=timeout)
    context = ssl.create_default_context()
    if root is not None:
        context.load_verify_locations(cadata=root.public_bytes(Encoding.PEM).decode())
    secret = _secret(data.path / hook.secret_file) if hook.secret_file else None
    return Webhook(hook.url, source=source, secret=secret, timeout=timeout, context=context)


def _secret(file: Path) -> bytes:
    try:
        if file.stat().st_mode & 0o077:
            raise ConfigError(f"others may read this secret: `chmod 600 {file}`", file=file)
        return read_secret(file.read_text())
    except OSError as error:
        raise ConfigError(f"the secret of a hook cannot be read: {error.strerror}", file=file) from None
    except UnicodeDecodeError:
        raise ConfigError("the secret of a hook is not a text", file=file) from None
    except ConfigError as error:
        raise ConfigError(error.detail, file=file) from None


def _sources(hook: Hook, db: Database, own: Callable[[], Sequence[tuple[str, x509.Certificate]]]) -> list[Source]:
    found: list[Source] = []
    if KINDS.keys() & set(hook.events):
        found.append(AuditLog(db, hook.events))
    if "expiring" in hook.events:
        found += [Ends(db, without_renewed, one, nearer) for one, nearer in _steps(hook.expiring)]
    if "ca-expiring" in hook.events:
        found += [CaEnds(own, one, nearer) for one, nearer in _steps(hook.ca_expiring)]
    return found


def _steps(thresholds: Sequence[Seconds]) -> Iterator[tuple[Seconds, float]]:
    """Yield thresholds, each with the next nearer one; the longest is first."""
    yield from zip(thresholds, [*map(float, thresholds[1:]), 0.0], strict=True)


class _Lease:
    """Which node sends: the one that holds the lease; on SQLite there is one node."""

    def __init__(self, db: Database, process: str, clock: Clock) -> None:
        self._db = db
        self._process = process
        self._clock = clock
        self._asked = 0.0
        self._held = False

    async def is_held(self) -> bool:
        """Tell whether this node sends now; raises StoreError."""
        if isinstance(self._db, SqliteDatabase):
            return True
        now = self._clock()
        if self._held and 0 <= now - self._asked < _RENEWED:
            return True
        self._held = False
        until_ms = int((now + _LEASE) * 1000)
        self._held = await self._db.write(
            leases.take("hooks", self._process, now_ms=int(now * 1000), until_ms=until_ms)
        )
        self._asked = now
        return self._held


class HookMetrics(Collector):
    """The metrics of hooks."""

    def __init__(self, senders: Sequence[Sender]) -> None:
        self._senders = senders

    def collect(self) -> Iterator[Metric]:
        """See Collector.collect."""
        counted = CounterMetricFamily(
            "zonemint_hook_deliveries",
            "Events told of, attempts that failed, events given up.",
            labels=("hook", "result"),
        )
        for sender in self._senders:
            for result, count in sender.counts.items():
                counted.add_metric((sender.name, result.replace(" ", "_")), count)
        yield counted
