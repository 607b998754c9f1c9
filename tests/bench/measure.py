"""What the topics of the bench share: a row of the table, and timing by the minima of interleaved rounds.

A topic is a module of this package with `run(home) -> list[Row]`; `python -m tests.bench TOPIC…` runs some of them.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType

import numpy as np

Call = Callable[[], object]


class NotRun(Exception):
    """A topic cannot be measured on this machine, and why."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: a figure of ours, and what it is held against."""

    what: str
    figure: float
    unit: str = "ms"
    against: Mapping[str, float] = field(default_factory=dict)
    """Name -> the same figure of a peer, in the same unit; NaN where the peer is not installed."""
    at_most: float | None = None
    """The goal for the figure."""
    at_least: float | None = None
    """The goal for a figure of which more is better."""

    @property
    def met(self) -> bool | None:
        if self.at_least is not None:
            return self.figure >= self.at_least
        return None if self.at_most is None else self.figure <= self.at_most

    @property
    def goal(self) -> str:
        """As the tables say it."""
        bounds = [
            f"{sign} {bound:g}" for sign, bound in (("≤", self.at_most), ("≥", self.at_least)) if bound is not None
        ]
        return f"{bounds[0]}: {'met' if self.met else 'missed'}" if bounds else ""

    @property
    def peers(self) -> str:
        """As the tables say it: each peer's figure, and how many times ours it is."""
        return ", ".join(
            f"{name} {shown(value)} ({ratio(value, self.figure):.2f})" for name, value in self.against.items()
        )


def shown(value: float) -> str:
    """Three digits that count, without an exponent."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def milliseconds(call: Call) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


def interleaved(calls: Mapping[str, Call], rounds: int = 9) -> dict[str, float]:
    """Milliseconds of each call: the minimum over rounds that run every call once, after one round that warms up."""
    took: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            took[name].append(milliseconds(call))
    return {name: min(times) for name, times in took.items()}


def medians(call: Call, rounds: int) -> float:
    """The median of `rounds` calls, milliseconds."""
    return statistics.median(milliseconds(call) for _ in range(rounds))


def optional(name: str) -> ModuleType | None:
    """A peer's module, or None where it is not installed (`pip install -e '.[bench]'`)."""
    try:
        return __import__(name)
    except ImportError:
        return None


def ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def picture(seed: int, width: int, height: int, *, opaque: bool = False) -> np.ndarray:
    """uint8 [height, width, 4]: noise in every channel, alpha included."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8)
    if opaque:
        pixels[..., 3] = 255
    return pixels
