"""What the DNS server answered, in the exposition format of Prometheus, and by the names of CoreDNS where wanted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from zonemint.dns.answers.tally import BOUNDS, Duration
from zonemint.dns.forward.resolver import Resolver
from zonemint.dns.server import DnsServer

__all__ = ["CoreDnsMetrics", "DnsMetrics"]

_BUCKETS = (*map(str, BOUNDS), "+Inf")


class DnsMetrics(Collector):
    """Reads the counters of the running server: what was asked, what was answered, how long that took."""

    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def collect(self) -> Iterator[Metric]:
        """Read them now."""
        asked: Counter[tuple[str, str, str, str]] = Counter()
        answered: Counter[tuple[str, str, str]] = Counter()
        for one, count in self._server.answers().items():
            asked[one.zone, one.proto, one.family, one.type] += count
            answered[one.zone, one.proto, one.rcode] += count
        requests = CounterMetricFamily(
            "zonemint_dns_requests", "DNS queries.", labels=("zone", "proto", "family", "type")
        )
        for labels, count in asked.items():
            requests.add_metric(labels, count)
        responses = CounterMetricFamily("zonemint_dns_responses", "DNS answers.", labels=("zone", "proto", "rcode"))
        for said, count in answered.items():
            responses.add_metric(said, count)
        durations = HistogramMetricFamily(
            "zonemint_dns_request_duration_seconds", "From a query's arrival to its answer.", labels=("proto",)
        )
        for transport, duration in self._server.durations().items():
            durations.add_metric((transport.value,), _buckets(duration), duration.total)
        yield from (requests, responses, durations)


class CoreDnsMetrics(Collector):
    """The same by the families and labels of CoreDNS, for dashboards that are there.

    Durations are not told apart by zone here, and have the root's name.
    """

    def __init__(self, server: DnsServer, resolver: Resolver | None) -> None:
        self._server = server
        self._resolver = resolver
        self._place = f"dns://:{server.port}"

    def collect(self) -> Iterator[Metric]:
        """Read them now."""
        asked: Counter[tuple[str, str, str, str]] = Counter()
        answered: Counter[tuple[str, str]] = Counter()
        for one, count in self._server.answers().items():
            asked[one.zone, "udp" if one.proto == "udp" else "tcp", one.family, one.type] += count
            answered[one.zone, one.rcode] += count
        requests = CounterMetricFamily(
            "coredns_dns_requests",
            "DNS queries.",
            labels=("server", "zone", "view", "proto", "family", "type"),
        )
        for (zone, *others), count in asked.items():
            requests.add_metric((self._place, zone, "", *others), count)
        responses = CounterMetricFamily(
            "coredns_dns_responses", "DNS answers.", labels=("server", "zone", "view", "rcode")
        )
        for (zone, rcode), count in answered.items():
            responses.add_metric((self._place, zone, "", rcode), count)
        durations = HistogramMetricFamily(
            "coredns_dns_request_duration_seconds",
            "From a query's arrival to its answer.",
            labels=("server", "zone", "view"),
        )
        read = list(self._server.durations().values())
        counts = [sum(same) for same in zip(*(one.counts for one in read), strict=True)]
        whole = Duration(counts, sum(one.total for one in read))
        durations.add_metric((self._place, ".", ""), _buckets(whole), whole.total)
        yield from (requests, responses, durations)
        if self._resolver is not None:
            yield from self._cache(self._resolver)

    def _cache(self, resolver: Resolver) -> Iterator[Metric]:
        labels = ("server", "type", "zones", "view")
        counts = resolver.cache.counts
        hits = CounterMetricFamily("coredns_cache_hits", "Questions for others answered from memory.", labels=labels)
        hits.add_metric((self._place, "success", ".", ""), counts.hits_success)
        hits.add_metric((self._place, "denial", ".", ""), counts.hits_denial)
        misses = CounterMetricFamily(
            "coredns_cache_misses", "Questions for others that others were asked.", labels=("server", "zones", "view")
        )
        misses.add_metric((self._place, ".", ""), counts.misses)
        entries = GaugeMetricFamily("coredns_cache_entries", "Answers in memory.", labels=labels)
        entries.add_metric((self._place, "success", ".", ""), len(resolver.cache))
        yield from (hits, misses, entries)


def _buckets(duration: Duration) -> list[tuple[str, float]]:
    return list(zip(_BUCKETS, map(float, accumulate(duration.counts)), strict=True))
