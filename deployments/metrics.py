"""The counters behind GET /metrics."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest

COMPUTATIONS = Counter("mattebox_computations", "Calls of an operation's work that ended well.", ["operation"])
REQUESTS = Counter(
    "mattebox_requests", "Requests of an operation, by outcome: hit, miss, error.", ["operation", "outcome"]
)
SECONDS = Histogram(
    "mattebox_request_seconds",
    "Seconds from a request's head to the last byte of its answer, by operation or route.",
    ["operation"],
    buckets=(0.005, 0.02, 0.05, 0.2, 0.5, 2, 5, 20, 60, 300, 1800),
)
REFUSED = Counter("mattebox_refused", "Requests refused at the door, by the code of their error.", ["code"])


def exposition() -> tuple[bytes, str]:
    """The text that Prometheus reads, and its media type."""
    return generate_latest(), CONTENT_TYPE_LATEST


__all__ = ["COMPUTATIONS", "REFUSED", "REQUESTS", "SECONDS", "exposition"]
