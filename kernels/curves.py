"""Values over time: keyframes and what lies between them. Light: request models read the names too.

Between two keyframes the value follows the first one's easing: `linear`; `hold` (the first value until the second's
time); `ease_in`, `ease_out`, `ease_in_out`, which are the cubic Bezier curves of the same names in CSS Easing Functions
Level 1, through (0, 0), (x1, y1), (x2, y2), (1, 1). Before the first and after the last keyframe their values stay.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

BEZIERS: dict[str, tuple[float, float, float, float]] = {
    "ease_in": (0.42, 0.0, 1.0, 1.0),
    "ease_out": (0.0, 0.0, 0.58, 1.0),
    "ease_in_out": (0.42, 0.0, 0.58, 1.0),
}
"""x1, y1, x2, y2"""
EASINGS = ("linear", "hold", *BEZIERS)
HALVINGS = 40
Keys = Sequence[tuple[float, float, str]]
"""(ms, value, easing), by rising ms."""


def eased(share: float, easing: str) -> float:
    """How much of the way is gone, 0..1, after `share` 0..1 of the time. ValueError for an unknown easing."""
    if easing == "linear":
        return share
    if easing == "hold":
        return 0.0 if share < 1 else 1.0
    if easing not in BEZIERS:
        raise ValueError(f"there is no easing {easing!r}; there are {', '.join(EASINGS)}")
    x1, y1, x2, y2 = BEZIERS[easing]
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):  # x rises with the curve's parameter, so halving finds it wherever the slope is flat
        middle = (low + high) / 2
        low, high = (middle, high) if _bezier(middle, x1, x2) < share else (low, middle)
    return _bezier((low + high) / 2, y1, y2)


def value(keys: Keys, ms: float) -> float:
    """The value at a time. ValueError where there is no keyframe."""
    if not keys:
        raise ValueError("a curve has at least one keyframe")
    after = bisect_right(keys, ms, key=lambda key: key[0])
    if after == 0:
        return keys[0][1]
    if after == len(keys):
        return keys[-1][1]
    (start, first, easing), (end, last, _) = keys[after - 1], keys[after]
    return first + (last - first) * eased((ms - start) / (end - start), easing)


def _bezier(t: float, a: float, b: float) -> float:
    """One coordinate of the cubic Bezier curve through 0, a, b, 1."""
    return 3 * t * (1 - t) ** 2 * a + 3 * t * t * (1 - t) * b + t**3


__all__ = ["BEZIERS", "EASINGS", "Keys", "eased", "value"]
