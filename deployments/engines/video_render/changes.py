"""When a picture changes while a frame of its leading clip stays on screen: a caption comes, a picture moves. Light.

A clip that keeps its own times may show one frame for seconds (a recorded screen, slides, a time lapse). What lies over
it has times of its own, and must neither wait for the next frame nor be missed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

from deployments.operation import JSON

LONG_S = Fraction(1, 10)
"""A frame that stays no longer than this is not shown anew."""
STEP_S = Fraction(1, 25)
"""How often, where something moves all the time; whole multiples of it, from the file's start."""


def changes(parameters: JSON, shown: Fraction, first: Fraction, until: Fraction, time_base: Fraction) -> list[Fraction]:
    """Seconds, whole ticks of `time_base`, at which a segment's frame is to be shown anew.

    shown: when the leading clip's frame comes; first: from when on the segment shows it, which counts as well where
    something begins there and the frame came before; until: when it goes.
    """
    if until - shown <= LONG_S:
        return []
    times: set[Fraction] = set()
    for begin, end, moving in _lasting(parameters):
        a, b = Fraction(begin) / 1000, Fraction(end) / 1000
        times |= {a, b}
        if moving:
            steps = range(math.ceil(max(a, first) / STEP_S), math.ceil(min(b, until) / STEP_S))
            times |= {step * STEP_S for step in steps}
    ticks = {math.ceil(time / time_base) * time_base for time in times}
    return sorted(at for at in ticks if (first < at or first == at > shown) and at < until)


def _lasting(parameters: JSON) -> Iterator[tuple[int, int, bool]]:
    """(from, to, whether it moves all the while) in ms, of all that lies over the leading clip or changes it."""
    for cue in parameters["cues"]:
        yield cue["start_ms"], cue["end_ms"], False
    for number, row in enumerate(parameters["clips"]):
        if number:
            yield row["start_ms"], row["start_ms"] + row["duration_ms"], row["kind"] == "video"
        for keys in (keys for parts in row["curves"].values() for keys in parts):
            yield keys[0][0], keys[-1][0], True


__all__ = ["LONG_S", "STEP_S", "changes"]
