"""Keyframes of a clip that is cut in two: each half shows what it showed before."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from deployments.operation import JSON
from kernels.curves import BEZIERS, value

PIECES = 16
"""Straight pieces that the rest of an eased stretch is made of: off by under 0.3 % of the stretch's rise."""


def halves(keyframes: Sequence[JSON], at_ms: int) -> tuple[list[JSON], list[JSON]]:
    """The keyframes, by rising ms from the clip's start, of the part before `at_ms` and of that from there on, the
    latter counted from `at_ms`.

    The first half keeps the keyframe behind its end, towards which its last stretch goes. The second one begins with
    the value at the cut; where an eased stretch is cut, its rest is drawn in straight pieces, since the rest of a
    Bezier easing is none of the easings.
    """
    after = bisect_right(keyframes, at_ms, key=lambda row: int(row["ms"]))
    first = [dict(row) for row in keyframes[: after + (after == 0 or int(keyframes[after - 1]["ms"]) < at_ms)]]
    second = [dict(row) | {"ms": row["ms"] - at_ms} for row in keyframes[after:]]
    begin: JSON = {"ms": 0, "value": _at(keyframes, at_ms)}
    if after == 0 or after == len(keyframes):
        return first, [begin, *second]
    easing, ends = keyframes[after - 1].get("easing"), int(keyframes[after]["ms"])
    if easing not in BEZIERS or keyframes[after - 1]["ms"] == at_ms:
        return first, [begin | ({"easing": easing} if easing else {}), *second]
    times = sorted({at_ms + (ends - at_ms) * n // PIECES for n in range(1, PIECES)} - {at_ms})
    return first, [begin, *({"ms": ms - at_ms, "value": _at(keyframes, ms)} for ms in times), *second]


def _at(keyframes: Sequence[JSON], ms: int) -> float | list[float]:
    """The value, or the pair of values, at a time."""

    def along(pick: int | None) -> float:
        rows = [
            (row["ms"], row["value"] if pick is None else row["value"][pick], row.get("easing") or "linear")
            for row in keyframes
        ]
        return round(value(rows, ms), 6)

    return [along(0), along(1)] if isinstance(keyframes[0]["value"], list) else along(None)


__all__ = ["PIECES", "halves"]
