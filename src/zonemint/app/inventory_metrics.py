"""The metrics of certificates, and of the CA's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from zonemint.app.inventory import Numbers

__all__ = ["InventoryMetrics"]


class InventoryMetrics(Collector):
    """Reads the numbers as they are, which whoever asks has refreshed first; `own` are the CA's certificates."""

    def __init__(self, numbers: Numbers, own: Callable[[], Sequence[tuple[str, x509.Certificate]]]) -> None:
        self._numbers = numbers
        self._own = own

    def collect(self) -> Iterator[Metric]:
        """See Collector.collect."""
        events = CounterMetricFamily(
            "zonemint_certificate_events",
            "Certificates issued, revoked and failed, by any node, since this one was started.",
            labels=("event",),
        )
        for event, count in self._numbers.events.items():
            events.add_metric((event,), count)
        yield events
        ending = GaugeMetricFamily(
            "zonemint_certificates",
            "Certificates that are valid and end within a time; each number has the smaller ones in it.",
            labels=("within",),
        )
        for span, count in self._numbers.ending.items():
            ending.add_metric((span,), count)
        yield ending
        own = GaugeMetricFamily(
            "zonemint_ca_certificate_expiry_seconds",
            "When the CA's own certificates end, in seconds since 1970.",
            labels=("certificate", "sha256"),
        )
        for name, certificate in self._own():
            end = certificate.not_valid_after_utc.timestamp()
            own.add_metric((name, certificate.fingerprint(SHA256()).hex()), end)
        yield own
