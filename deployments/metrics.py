"""The counters behind GET /metrics."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from artifacts import Record

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

UNDERWAY = Gauge("mattebox_underway", "Computations that this Gateway waits for, queued or running.", ["operation"])
BYTES = Counter("mattebox_made_bytes", "Bytes of the artifacts that an operation's work made.", ["operation"])
STUBS = Counter("mattebox_stubs", "Artifacts made by a stub, for want of weights or a dependency.", ["operation"])
FALLBACKS = Counter("mattebox_fallbacks", "Artifacts made on another device than was asked for.", ["operation"])


@cache
def requests(operation: str, outcome: str) -> Counter:
    """REQUESTS of one kind: finding it among the labels takes longer than counting."""
    return REQUESTS.labels(operation, outcome)


@cache
def seconds(operation: str) -> Histogram:
    """SECONDS of one operation or route, likewise."""
    return SECONDS.labels(operation)


def computed(operation: str, record: Record) -> None:
    """Count a work that ended well by what it made."""
    COMPUTATIONS.labels(operation).inc()
    BYTES.labels(operation).inc(record.size_bytes)
    if record.meta.get("stub"):
        STUBS.labels(operation).inc()
    if record.meta.get("device_requested"):
        FALLBACKS.labels(operation).inc()


def underway(operation: str) -> AbstractContextManager[None]:
    """Counts a computation while it is waited for."""
    return UNDERWAY.labels(operation).track_inprogress()


def exposition() -> tuple[bytes, str]:
    """The text that Prometheus reads, and its media type."""
    return generate_latest(), CONTENT_TYPE_LATEST


__all__ = [
    "COMPUTATIONS",
    "REFUSED",
    "REQUESTS",
    "SECONDS",
    "computed",
    "exposition",
    "requests",
    "seconds",
    "underway",
]
