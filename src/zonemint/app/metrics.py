"""What the server counts, in the exposition format of Prometheus; nothing is computed until somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

__all__ = ["Metrics"]


class _Counters(Collector):
    def __init__(
        self, responses: Callable[[], Mapping[tuple[str, str], int]], failures: Callable[[], Mapping[str, str]]
    ) -> None:
        self._responses = responses
        self._failures = failures

    def collect(self) -> Iterator[Metric]:
        """Read the counters of the running parts."""
        answered = CounterMetricFamily("zonemint_dns_responses", "DNS answers.", labels=("proto", "rcode"))
        for (proto, rcode), count in self._responses().items():
            answered.add_metric((proto, rcode), count)
        yield answered
        broken = GaugeMetricFamily(
            "zonemint_zone_reload_failed", "Zones whose file is broken, served as they were.", labels=("zone",)
        )
        for zone in self._failures():
            broken.add_metric((zone,), 1)
        yield broken


class Metrics:
    """Writes the metrics; the callables return DNS answers by (transport, rcode) and the broken zones."""

    def __init__(
        self, responses: Callable[[], Mapping[tuple[str, str], int]], failures: Callable[[], Mapping[str, str]]
    ) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Counters(responses, failures))
        ProcessCollector(registry=self._registry)

    def exposition(self) -> bytes:
        """Return all metrics as text."""
        return generate_latest(self._registry)
