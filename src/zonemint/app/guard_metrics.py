"""What the DNS server left unsaid, in the exposition format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from zonemint.dns.server import DnsServer

__all__ = ["GuardMetrics"]


class GuardMetrics(Collector):
    """Reads the counters of the running server."""

    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def collect(self) -> Iterator[Metric]:
        """Read them now."""
        limited = CounterMetricFamily(
            "zonemint_dns_limited", "DNS answers beyond the rate limit of their network.", labels=("action",)
        )
        for action, count in self._server.limited().items():
            limited.add_metric((action,), count)
        yield limited
