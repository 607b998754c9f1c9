"""What a replica counts, through ray.serve.metrics: Ray exports it per replica, with `ray_` before each name."""

from __future__ import annotations

from ray.serve import metrics

SECONDS = [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000]


class Meters:
    """Made in a replica's constructor: ray.serve.metrics adds the replica's own tags."""

    def __init__(self) -> None:
        tags = ("operation",)
        self._computations = metrics.Counter(
            "mattebox_computations_total", "Calls of an operation's work that ended well.", tag_keys=tags
        )
        self._failures = metrics.Counter(
            "mattebox_failures_total", "Calls of an operation's work that ended in an error.", tag_keys=tags
        )
        self._seconds = metrics.Histogram(
            "mattebox_work_seconds", "From taking a plan to its artifact, waiting included.", SECONDS, tag_keys=tags
        )

    def computed(self, operation: str, seconds: float) -> None:
        self._computations.inc(1.0, {"operation": operation})
        self._seconds.observe(seconds, {"operation": operation})

    def failed(self, operation: str) -> None:
        self._failures.inc(1.0, {"operation": operation})


__all__ = ["Meters"]
