"""Neutral values and ranges of adjustments: light, since request models read them too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Range:
    """What an adjustment may be; values beyond are clamped."""

    neutral: float
    low: float
    high: float

    def clamped(self, value: float) -> float:
        return min(self.high, max(self.low, value))


RANGES: Mapping[str, Range] = MappingProxyType(
    {
        "exposure": Range(0, -5, 5),
        "brightness": Range(1, 0, 4),
        "contrast": Range(1, 0, 4),
        "saturation": Range(1, 0, 4),
        "vibrance": Range(0, -1, 1),
        "hue": Range(0, -360, 360),
        "temperature": Range(0, -1, 1),
        "tint": Range(0, -1, 1),
        "gamma": Range(1, 0, 4),
        "sharpness": Range(1, 0, 4),
    }
)
"""In the order in which they are applied: exposure in stops, hue in degrees."""

__all__ = ["RANGES", "Range"]
