"""Transitions of planes, against their definitions in float64."""

from __future__ import annotations

import numpy as np
import pytest

from kernels import transitions
from kernels.yuv import Planes


def planes(seed: int, height: int = 24, width: int = 32) -> Planes:
    random = np.random.default_rng(seed)
    half = (height // 2, width // 2)
    y, u, v = (random.integers(16, 236, size, dtype=np.uint8) for size in ((height, width), half, half))
    return y, u, v


def expected(a: np.ndarray, b: np.ndarray, kind: str, share: float, black: int, white: int) -> np.ndarray:
    a, b = a.astype(float), b.astype(float)
    if kind == "crossfade":
        return a * (1 - share) + b * share
    if kind.startswith("dip"):
        color = black if kind.endswith("black") else white
        return a + (color - a) * 2 * share if share < 0.5 else b + (color - b) * (2 - 2 * share)
    what, way = kind.split("_")
    axis, forward = (1 if way in ("left", "right") else 0), way in ("right", "down")
    gone = round(share * a.shape[axis])
    order = [b, a] if forward else [a, b]
    if what == "push":
        strip = np.concatenate(order, axis=axis)
        first = a.shape[axis] - gone if forward else gone
        return np.take(strip, range(first, first + a.shape[axis]), axis=axis)
    index = np.arange(a.shape[axis]).reshape((1, -1) if axis else (-1, 1))
    return np.where(index < gone if forward else index >= a.shape[axis] - gone, b, a)


@pytest.mark.parametrize("kind", transitions.KINDS)
def test_pictures_of_a_transition(kind: str) -> None:
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        first, second = planes(1), planes(2)
        made = tuple(plane.copy() for plane in first)
        transitions.mix(made, second, kind, share)  # type: ignore[arg-type]
        for n, (a, b, plane) in enumerate(zip(first, second, made, strict=True)):
            wanted = expected(a, b, kind, share, 128 if n else 16, 128 if n else 235)
            assert np.abs(plane - wanted).max() <= 1, (kind, share, n)


def test_what_a_transition_refuses() -> None:
    with pytest.raises(ValueError, match="crossfade"):
        transitions.mix(planes(1), planes(2), "melt", 0.5)
    with pytest.raises(ValueError, match="one size"):
        transitions.mix(planes(1), planes(2, 26), "crossfade", 0.5)
    for share in (-0.01, 1.01):
        with pytest.raises(ValueError, match=r"0\.\.1"):
            transitions.mix(planes(1), planes(2), "crossfade", share)
