"""What the forwarding resolver counted, in the exposition format of Prometheus and in the families of CoreDNS."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from zonemint.dns import codes, wire
from zonemint.dns.forward.counts import BUCKETS
from zonemint.dns.forward.pool import Pool
from zonemint.dns.forward.resolver import Resolver
from zonemint.dns.forward.upstream import Upstream

__all__ = ["ForwardMetrics"]


class ForwardMetrics(Collector):
    """Reads the counters of the running resolver."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    def collect(self) -> Iterator[Metric]:
        """Read them now."""
        yield from self._cache()
        yield from self._servers()

    def _cache(self) -> Iterator[Metric]:
        cache = self._resolver.cache
        counts = cache.counts
        hits = CounterMetricFamily(
            "zonemint_cache_hits", "Questions for others answered from memory.", labels=("type",)
        )
        hits.add_metric(("success",), counts.hits_success)
        hits.add_metric(("denial",), counts.hits_denial)
        yield hits
        for name, meaning, count in (
            ("cache_misses", "Questions for others that others were asked.", counts.misses),
            ("cache_shared", "Questions that joined one under way.", counts.shared),
            ("cache_evictions", "Answers forgotten for want of room.", counts.evictions),
            ("cache_prefetch", "Popular answers asked for before their time was over.", counts.prefetches),
            ("cache_served_stale", "Answers given after their time.", counts.stale),
            ("forward_max_concurrent_rejects", "Questions refused as too many were under way.", counts.rejected),
        ):
            yield CounterMetricFamily(f"zonemint_{name}", meaning, count)
        yield GaugeMetricFamily("zonemint_cache_entries", "Answers in memory.", len(cache))
        yield GaugeMetricFamily("zonemint_cache_bytes", "The room that they take, as it is reckoned.", cache.used)

    def _servers(self) -> Iterator[Metric]:
        responses = CounterMetricFamily(
            "zonemint_forward_responses", "Answers of other servers.", labels=("to", "rcode")
        )
        durations = HistogramMetricFamily(
            "zonemint_forward_request_duration_seconds", "How long they took.", labels=("to",)
        )
        failures = CounterMetricFamily("zonemint_forward_failures", "Servers that could not be asked.", labels=("to",))
        probes = CounterMetricFamily("zonemint_forward_healthcheck_failures", "Failed probes.", labels=("to",))
        up = GaugeMetricFamily("zonemint_forward_up", "Whether a server is asked.", labels=("to",))
        for to, (pool, upstream) in self._named().items():
            counts = upstream.counts
            for rcode, count in counts.rcodes.items():
                responses.add_metric((to, codes.rcode_to_text(rcode)), count)
            sums = list(accumulate(counts.durations))
            buckets = list(zip([*map(str, BUCKETS), "+Inf"], map(float, sums), strict=True))
            durations.add_metric((to,), buckets, counts.seconds)
            failures.add_metric((to,), counts.failures)
            probes.add_metric((to,), counts.probe_failures)
            up.add_metric((to,), float(pool.asks(upstream)))
        broken = sum(pool.broken for _, pool in self._resolver.routes.pools())
        yield from (responses, durations, failures, probes, up)
        yield CounterMetricFamily("zonemint_forward_healthcheck_broken", "Times that all servers were silent.", broken)

    def _named(self) -> dict[str, tuple[Pool, Upstream]]:
        """Return all servers; one that is there for several suffixes has a name for each."""
        found: dict[str, tuple[Pool, Upstream]] = {}
        for suffix, pool in self._resolver.routes.pools():
            for upstream in pool.upstreams:
                name = str(upstream)
                found[f"{name} ({wire.name_to_text(suffix)})" if name in found else name] = pool, upstream
        return found
