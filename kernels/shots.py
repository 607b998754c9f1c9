"""Where the shots of a video begin: cuts, fades through one color, dissolves. Plain numpy.

A cut is a change that stands out from the changes around it; judder and pans change as much again within a few frames,
and a flash goes back to what was there before. A fade passes through a picture without contrast. In a dissolve every
frame lies on the straight line between an older and a newer picture; in a pan none does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Transition = Literal["cut", "fade", "dissolve"]

SMALL = (32, 18)
"""Width and height of the picture that changes are measured on."""
TINY = (16, 9)
"""Of the picture that is kept of each frame: 144 bytes, so four hours at 30 frames/s are 62 MB."""

CUT_CHANGE = 12.0
"""Least change, 0..255, that can be a cut. Dull cuts measure 45 and more, fast pans and judder up to 20."""
CUT_SURE = 35.0
"""From here on one quiet side is enough: the other may hold motion, or another cut."""
CUT_RATIO = 3.0
"""A cut changes this many times more than any of its neighbours does."""
NEAR, FAR = 3, 8
"""How many frames to each side are neighbours of a sure cut, and of any other."""
FLASH = 3
"""Frames after which a flash has gone back."""
FLAT = 4.0
"""Standard deviation of the tiny luma, 0..255, below which a frame is of one color."""
RAMP = 3
"""Frames over which contrast falls or rises, at least, in a fade; faster is a cut."""
HALVES = (32, 24, 16, 12, 8, 5)
"""Half lengths, in frames, of the stretches that dissolves are looked for in, longest first."""
DISSOLVE_CHANGE = 14.0
"""Least difference, 0..255, of the pictures before and after a dissolve."""
DISSOLVE_OFF_LINE = 0.28
"""Largest distance of a frame in a dissolve from the line, as a share of the line's length."""
DISSOLVE_LIKE = 0.6
"""Largest correlation of the two pictures: light that changes keeps the picture, a dissolve replaces it."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """The first frame of a shot, and how the picture came to it."""

    frame: int
    transition: Transition


def change(before: Sequence[Bytes], now: Sequence[Bytes]) -> float:
    """How much two frames differ, 0..510: mean over the luma, and half of that over each chroma plane."""
    y, u, v = (float(np.abs(a.astype(np.int16) - b).mean()) for a, b in zip(now, before, strict=True))
    return y + (u + v) / 2


def find_shots(changes: npt.ArrayLike, tiny: Bytes) -> list[Boundary]:
    """The boundaries of a clip, rising; the first shot begins at frame 0 and has none.

    changes [n]: `change` of each frame from the one before (the first: 0). tiny uint8 [n, 9, 16]: luma.
    """
    steps = np.asarray(changes, np.float64)
    pictures = tiny.reshape(len(tiny), TINY[0] * TINY[1])
    contrast = pictures.std(axis=1, dtype=np.float32) if len(pictures) else np.zeros(0, np.float32)
    cuts = _cuts(steps, pictures)
    fades, spans = _fades(contrast, cuts, pictures)
    cuts = [cut for cut in cuts if not any(first <= cut <= last for first, last in spans)]
    kept = sorted([*cuts, *fades])
    walls = sorted([*cuts, *(frame for first, last in spans for frame in range(first, last + 2))])
    dissolves = _dissolves(pictures, contrast, walls)
    found = {frame: Boundary(frame, "dissolve") for frame in dissolves}
    found |= {frame: Boundary(frame, "fade" if frame in fades else "cut") for frame in kept}
    return [found[frame] for frame in sorted(found)]


def _cuts(steps: npt.NDArray[np.float64], pictures: Bytes) -> list[int]:
    found = []
    for n in np.flatnonzero(steps >= CUT_CHANGE).tolist():
        sure = steps[n] >= CUT_SURE
        reach = NEAR if sure else FAR
        sides = [steps[max(1, n - reach) : n], steps[n + 1 : n + 1 + reach]]
        loudest = [float(side.max()) if len(side) else 0.0 for side in sides]
        usual = max(1.0, min(loudest) if sure else max(loudest))
        if n and steps[n] >= CUT_RATIO * usual and not _flash(pictures, n):
            found.append(n)
    return found


def _flash(pictures: Bytes, n: int) -> bool:
    """Whether the picture before frame n is back a few frames later, or was there a few frames before."""
    jump = _apart(pictures[n], pictures[n - 1])
    after = min(_apart(picture, pictures[n - 1]) for picture in pictures[n : n + 1 + FLASH])
    before = min(_apart(picture, pictures[n]) for picture in pictures[max(0, n - 1 - FLASH) : n])
    return min(after, before) < 0.4 * jump


def _apart(a: Bytes, b: Bytes) -> float:
    return float(np.abs(a.astype(np.int16) - b).mean())


def _fades(contrast: Floats, cuts: Sequence[int], pictures: Bytes) -> tuple[list[int], list[tuple[int, int]]]:
    """The frames at which fades are emptiest, and (first, last) frame of each fade with its ramps."""
    flat = np.flatnonzero(np.diff(np.r_[False, contrast < FLAT, False].astype(np.int8))).reshape(-1, 2)
    fades: list[int] = []
    spans: list[tuple[int, int]] = []
    for first, end in flat.tolist():
        down, up = _ramp(contrast, pictures, first, -1), _ramp(contrast, pictures, end - 1, 1)
        if first - down == 0 or end + up == len(contrast) or first == 0 or end == len(contrast):
            continue  # the clip begins or ends in one color: no shot on the other side
        if max(down, up) < RAMP:
            continue  # a black insert between two cuts, or a dull picture
        emptiest = first + np.flatnonzero(contrast[first:end] <= contrast[first:end].min() + 1.0)
        middle = (int(emptiest[0]) + int(emptiest[-1]) + 1) // 2
        fades.append(end if up < RAMP and end in cuts else middle)
        spans.append((first - down, end - 1 + up))
    return fades, spans


def _ramp(contrast: Floats, pictures: Bytes, edge: int, step: int) -> int:
    """Over how many frames the contrast rises, away from the flat frame `edge`, while the picture stays the same."""
    length, at = 0, edge
    while 0 <= at + step < len(contrast) and contrast[at + step] > contrast[at] * 1.02 + 0.2:
        if contrast[at] >= FLAT and _like(pictures[at], pictures[at + step]) < 0.9:
            break
        at += step
        length += 1
    return length if contrast[at] >= 2 * FLAT else 0


def _like(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Correlation of two pictures, -1..1; 1 where one of them has no contrast."""
    x, y = (np.asarray(picture, np.float64).ravel() for picture in (a, b))
    x, y = x - x.mean(), y - y.mean()
    norm = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / norm if norm else 1.0


def _dissolves(pictures: Bytes, contrast: Floats, walls: Sequence[int]) -> list[int]:
    """The frames from which on the newer picture outweighs the older; no stretch crosses one of `walls`."""
    edges = np.asarray([0, *walls, len(pictures)])
    found: list[tuple[int, int, int]] = []
    for half in HALVES:
        far = _far(pictures, 2 * half)
        for first in np.flatnonzero(far >= DISSOLVE_CHANGE).tolist():
            last = first + 2 * half
            if np.searchsorted(edges, first, side="right") != np.searchsorted(edges, last, side="right"):
                continue
            if any(first <= end and last >= begin for begin, _, end in found):
                continue
            if min(contrast[first], contrast[last]) < 2 * FLAT:
                continue
            middle = _crossing(pictures[first : last + 1])
            if middle is not None:
                found.append((first, first + middle, last))
    return sorted(middle for _, middle, _ in found)


def _far(pictures: Bytes, apart: int) -> Floats:
    """Mean difference, 0..255, of each frame from the one `apart` frames later."""
    if len(pictures) <= apart:
        return np.zeros(0, np.float32)
    rows = [
        np.abs(pictures[n + apart : n + apart + 4096].astype(np.int16)[: len(pictures) - apart - n] - part).mean(
            axis=1, dtype=np.float32
        )
        for n in range(0, len(pictures) - apart, 4096)
        for part in (pictures[n : min(n + 4096, len(pictures) - apart)],)
    ]
    return np.concatenate(rows)


def _crossing(stretch: Bytes) -> int | None:
    """Where a stretch that is one dissolve passes its middle; None where it is none."""
    first, middle, last = (stretch[n].astype(np.float32) for n in (0, len(stretch) // 2, -1))
    line = last - first
    length = float(line @ line)
    aside = middle - first - float((middle - first) @ line) / length * line
    if float(aside @ aside) > DISSOLVE_OFF_LINE**2 * length or _like(first, last) > DISSOLVE_LIKE:
        return None
    frames = stretch.astype(np.float32)
    moved = frames - frames[0]
    share = moved @ line / length
    off = np.sqrt(((moved - share[:, None] * line) ** 2).sum(axis=1) / length)
    if off.max() > DISSOLVE_OFF_LINE or np.diff(share).min() < -0.1 or np.diff(share).max() > 0.4:
        return None
    return int(np.flatnonzero(share >= 0.5)[0])


__all__ = ["SMALL", "TINY", "Boundary", "Transition", "change", "find_shots"]
