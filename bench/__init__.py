"""Side-by-side benchmarks: each prints server CPU and the ratio to a peer measured in the same run."""
