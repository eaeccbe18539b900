"""What the server counts, in the exposition format of Prometheus; nothing is computed until somebody asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from zonemint.app.sweeper import Sweeper

__all__ = ["Metrics"]


class _Counters(Collector):
    def __init__(
        self,
        failures: Callable[[], Mapping[str, str]],
        sweeper: Sweeper,
    ) -> None:
        self._failures = failures
        self._sweeper = sweeper

    def collect(self) -> Iterator[Metric]:
        """Read the counters of the running parts."""
        broken = GaugeMetricFamily(
            "zonemint_zone_reload_failed", "Zones whose file is broken, served as they were.", labels=("zone",)
        )
        for zone in self._failures():
            broken.add_metric((zone,), 1)
        yield broken
        swept = CounterMetricFamily(
            "zonemint_store_swept", "Rows removed since they were past their time.", labels=("kind",)
        )
        for kind, count in self._sweeper.gone.items():
            swept.add_metric((kind,), count)
        yield swept
        if (age := self._sweeper.age()) is not None:
            yield GaugeMetricFamily(
                "zonemint_store_sweep_age_seconds", "Time since all that was past its time was removed.", age
            )


class Metrics:
    """Writes the metrics; the callable returns the broken zones."""

    def __init__(
        self,
        failures: Callable[[], Mapping[str, str]],
        sweeper: Sweeper,
    ) -> None:
        self._registry = CollectorRegistry()
        self._refresh: list[Callable[[], Awaitable[None]]] = []
        self._registry.register(_Counters(failures, sweeper))
        ProcessCollector(registry=self._registry)

    def register(self, collector: Collector, refresh: Callable[[], Awaitable[None]] | None = None) -> None:
        """Write what another part counts, too, after it was refreshed if it has to be."""
        self._registry.register(collector)
        if refresh is not None:
            self._refresh.append(refresh)

    async def fresh(self) -> bytes:
        """Return all metrics as text, when those that are read from the store were read."""
        for refresh in self._refresh:
            await refresh()
        return self.exposition()

    def exposition(self) -> bytes:
        """Return all metrics as text."""
        return generate_latest(self._registry)
