"""What the resolver counts, as plain numbers."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import Final

__all__ = ["BUCKETS", "CacheCounts", "UpstreamCounts"]

BUCKETS: Final = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0, 2.0, 4.0)
"""The upper ends of the classes of durations, in seconds; one more class has all above."""


class CacheCounts:
    """What became of questions: by whether the answer was one (`success`) or said that there is none (`denial`)."""

    def __init__(self) -> None:
        self.hits_success = 0
        self.hits_denial = 0
        self.misses = 0
        self.evictions = 0
        self.prefetches = 0
        self.stale = 0
        self.shared = 0
        self.rejected = 0


class UpstreamCounts:
    """One server's answers by rcode, how long they took, questions without an answer, and failed probes."""

    def __init__(self) -> None:
        self.rcodes: Counter[int] = Counter()
        self.durations = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0
        self.failures = 0
        self.probe_failures = 0

    def answered(self, rcode: int, seconds: float) -> None:
        """Count an answer."""
        self.rcodes[rcode] += 1
        self.durations[bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds
