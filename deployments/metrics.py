"""The counters behind GET /metrics."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest

COMPUTATIONS = Counter("mattebox_computations", "Calls of an operation's work that ended well.", ["operation"])
REQUESTS = Counter(
    "mattebox_requests", "Requests of an operation, by outcome: hit, miss, error.", ["operation", "outcome"]
)


def exposition() -> tuple[bytes, str]:
    """The text that Prometheus reads, and its media type."""
    return generate_latest(), CONTENT_TYPE_LATEST


__all__ = ["COMPUTATIONS", "REQUESTS", "exposition"]
