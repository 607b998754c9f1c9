"""How the camera moves from frame to frame, so that boxes can be compared as if it stood still.

A motion is a similarity (shift, zoom, roll) written as complex numbers: a point x + iy of one frame lies at
`turn · (x + iy) + shift` in the next. Sparse optical flow (Lucas and Kanade 1981, pyramidal) of a fixed grid of points
is fitted by least squares, points that go another way are left out, and the fit is repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from kernels.compiled import compiled

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]
Numbers = int | npt.NDArray[np.integer]
Step = tuple[complex, complex]
"""turn, shift from the frame before, in pixels of the small picture"""

SMALL = 160
"""Longer side of the picture that motion is measured in, pixels."""
STILL: Step = (1 + 0j, 0j)
GRID = (10, 6)
"""Points along the longer and the shorter side."""
NEAR = 0.75
"""A point this far off the fit, in small pixels, goes another way."""
LEAST_SHARE = 0.4
"""With fewer of the points on one motion there is none: a crowd before a still camera, or a cut."""
LARGEST_ZOOM = 0.15


class Camera:
    """Measures the motion into each frame, one frame at a time."""

    def __init__(self) -> None:
        self._before: Bytes | None = None

    def step(self, luma: Bytes) -> Step:
        """The motion from the frame before into this one; `luma` uint8 [h, w], longer side about `SMALL`."""
        before, self._before = self._before, luma
        if before is None or before.shape != luma.shape:
            return STILL
        points = _grid(luma.shape[1], luma.shape[0])
        moved, found, _ = cv2.calcOpticalFlowPyrLK(before, luma, points, None, winSize=(15, 15), maxLevel=3)  # type: ignore[call-overload]
        here = points[:, 0, 0] + 1j * points[:, 0, 1]
        there = moved[:, 0, 0] + 1j * moved[:, 0, 1]
        seen = found[:, 0] == 1
        return fit(here[seen].astype(np.complex128), there[seen].astype(np.complex128), len(points))


def fit(here: Complex, there: Complex, points: int) -> Step:
    """The similarity that most of the pairs agree on; STILL where fewer than LEAST_SHARE of `points` do."""
    if len(here) < LEAST_SHARE * points:
        return STILL
    agreed, turn, shift = _fit(here, there, max(4.0, LEAST_SHARE * points))
    return (turn, shift) if agreed else STILL


@compiled
def _fit(here: Complex, there: Complex, least: float) -> tuple[bool, complex, complex]:
    """Whether at least `least` pairs agree on it, turn, shift. In plain NumPy it took longer than the optical flow."""
    moves = there - here
    turn, shift = 1 + 0j, complex(np.median(moves.real.copy()), np.median(moves.imag.copy()))
    near = np.ones(len(here), np.bool_)
    reach = 4 * NEAR
    for _ in range(4):
        count, middle, moved = 0, 0j, 0j
        for i in range(len(here)):
            near[i] = abs(turn * here[i] + shift - there[i]) <= reach
            if near[i]:
                count, middle, moved = count + 1, middle + here[i], moved + there[i]
        if count < least:
            return False, turn, shift
        middle, moved = middle / count, moved / count
        product, square = 0j, 0.0
        for i in range(len(here)):
            if near[i]:
                a, b = here[i] - middle, there[i] - moved
                product += a.conjugate() * b
                square += a.real * a.real + a.imag * a.imag
        if square == 0:
            return False, turn, shift
        turn = product / square
        shift = moved - turn * middle
        reach = max(NEAR, reach / 2)
    return abs(abs(turn) - 1) <= LARGEST_ZOOM, turn, shift


def fit_reference(here: Complex, there: Complex, points: int) -> Step:
    """`fit` in NumPy."""
    if len(here) < LEAST_SHARE * points:
        return STILL
    moves = there - here
    turn, shift = STILL[0], complex(np.median(moves.real), np.median(moves.imag))
    reach = 4 * NEAR
    near = np.ones(len(here), np.bool_)
    for _ in range(4):
        near = np.abs(turn * here + shift - there) <= reach
        if near.sum() < max(4.0, LEAST_SHARE * points):
            return STILL
        a, b = here[near] - here[near].mean(), there[near] - there[near].mean()
        turn = complex(np.vdot(a, b) / np.vdot(a, a))
        shift = complex(there[near].mean() - turn * here[near].mean())
        reach = max(NEAR, reach / 2)
    return (turn, shift) if abs(abs(turn) - 1) <= LARGEST_ZOOM else STILL


@cache
def _grid(width: int, height: int) -> npt.NDArray[np.float32]:
    """[points, 1, 2] x, y: a grid that keeps off the edges. Not to be written to."""
    across, down = GRID if width >= height else GRID[::-1]
    x, y = np.meshgrid((np.arange(across) + 0.5) * width / across, (np.arange(down) + 0.5) * height / down)
    return np.stack([x, y], axis=-1).reshape(-1, 1, 2).astype(np.float32)


class Stage:
    """The place that each shot is filmed in: pixels of its first frame, where what stands still keeps its place."""

    def __init__(self, steps: Sequence[Step], starts: npt.ArrayLike) -> None:
        """steps: one a frame, the shift in the boxes' own pixels. starts: the first frame of each shot."""
        self._turn, self._shift = (np.empty(len(steps), np.complex128) for _ in range(2))
        first = set(np.asarray(starts).tolist())
        turn, shift = STILL
        for number, (by, along) in enumerate(steps):
            turn, shift = STILL if number in first else (turn * by, shift * by + along)
            self._turn[number], self._shift[number] = turn, shift

    def enter(self, boxes: Floats, frames: Numbers) -> Floats:
        """Boxes [n, 4] x, y, w, h of frames (one number, or [n]) as they lie on the stage. A box stays upright."""
        turn, shift = np.asarray(self._turn[frames]), np.asarray(self._shift[frames])
        center = (boxes[:, 0] + boxes[:, 2] / 2 + 1j * (boxes[:, 1] + boxes[:, 3] / 2) - shift) / turn
        return _around(center, boxes[:, 2:] / np.abs(turn).reshape(-1, 1))

    def leave(self, boxes: Floats, frames: Numbers) -> Floats:
        """Boxes [n, 4] of the stage as they lie in frames (one number, or [n])."""
        turn, shift = np.asarray(self._turn[frames]), np.asarray(self._shift[frames])
        center = (boxes[:, 0] + boxes[:, 2] / 2 + 1j * (boxes[:, 1] + boxes[:, 3] / 2)) * turn + shift
        return _around(center, boxes[:, 2:] * np.abs(turn).reshape(-1, 1))


def _around(center: Complex, size: Floats) -> Floats:
    boxes: Floats = np.column_stack([center.real - size[:, 0] / 2, center.imag - size[:, 1] / 2, size])
    return boxes


def warm() -> None:
    """Compiles ahead."""
    some = np.arange(8).astype(np.complex128)
    fit(some, some, len(some))


__all__ = ["SMALL", "STILL", "Camera", "Stage", "Step", "fit", "fit_reference", "warm"]
