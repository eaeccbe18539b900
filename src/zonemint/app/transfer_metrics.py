"""Zone transfers in numbers, in the exposition format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from zonemint.app.zone_transfers import ZoneTransfers
from zonemint.dns.transfer.incoming import Outcome

__all__ = ["TransferMetrics"]


class TransferMetrics(Collector):
    """Reads the numbers of the running server."""

    def __init__(self, transfers: ZoneTransfers) -> None:
        self._transfers = transfers

    def collect(self) -> Iterator[Metric]:
        """Read them now."""
        serials = GaugeMetricFamily("zonemint_zone_serial", "The serial that a zone is served with.", labels=("zone",))
        for zone in self._transfers.catalog.zones():
            serials.add_metric((zone.origin,), zone.serial)
        yield serials
        confirmed = GaugeMetricFamily(
            "zonemint_secondary_confirmed_seconds", "When a primary last confirmed a zone.", labels=("zone",)
        )
        expires = GaugeMetricFamily(
            "zonemint_secondary_expires_seconds",
            "When a zone from others is given up; 0: there is none.",
            labels=("zone",),
        )
        failing = GaugeMetricFamily(
            "zonemint_secondary_failing", "Whether a primary of a zone cannot be followed.", labels=("zone",)
        )
        taken = {"AXFR": 0, "IXFR": 0}
        for one in self._transfers.secondaries.zones.values():
            confirmed.add_metric((one.origin,), one.confirmed)
            expires.add_metric((one.origin,), one.expires)
            failing.add_metric((one.origin,), bool(one.failure))
            taken["AXFR"] += one.transfers[Outcome.WHOLE]
            taken["IXFR"] += one.transfers[Outcome.CHANGES]
        yield from (confirmed, expires, failing)
        transfers = CounterMetricFamily(
            "zonemint_transfers", "Zone transfers, by direction and kind.", labels=("direction", "kind")
        )
        for direction, counts in (("out", self._transfers.outgoing.sent), ("in", taken)):
            for kind, count in counts.items():
                transfers.add_metric((direction, kind.lower()), count)
        yield transfers
        told = CounterMetricFamily(
            "zonemint_notifications", "Servers told of changes, by outcome.", labels=("outcome",)
        )
        for outcome, count in self._transfers.notifier.sent.items():
            told.add_metric((outcome,), count)
        yield told
