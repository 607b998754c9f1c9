"""The guided filter: a soft plane made to follow a picture's edges (He, Sun, Tang 2010, with a colour guide).

Equality policy: `guided` agrees with `guided_reference` within 1/255.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

_ROWS_AT_A_TIME = 128


def guided(plane: np.ndarray, guide: np.ndarray, radius: int, smoothness: float) -> np.ndarray:
    """plane: float32 [H, W], 0..1. guide: float32 [H, W, 3], 0..1. In each square of side 2 radius + 1 the plane is
    fitted by a linear function of the guide's colours, their weights held back by `smoothness` (a variance); what comes
    back, of the plane's shape and range, is the mean of all fits at a pixel. ValueError for planes of two sizes."""
    if plane.shape != guide.shape[:2]:
        raise ValueError(f"the guide is {guide.shape[:2]}, the plane {plane.shape}")
    if radius < 1:
        return plane
    out = np.empty(plane.shape, np.float32)
    rows = max(_ROWS_AT_A_TIME, 4 * radius)
    for first in range(0, len(plane), rows):
        end = min(len(plane), first + rows)
        start, stop = max(0, first - 2 * radius), min(len(plane), end + 2 * radius)  # fits that reach in, and theirs
        fitted = _fitted(plane[start:stop], guide[start:stop], radius, smoothness)
        out[first:end] = fitted[first - start : end - start]
    return out


def _fitted(plane: np.ndarray, guide: np.ndarray, radius: int, smoothness: float) -> np.ndarray:
    """Of some rows; right but for those within 2 radius of a cut. They take some 300 bytes a pixel."""
    guide, plane = guide.astype(np.float64), plane.astype(np.float64)
    count = _sums(np.ones_like(plane), radius)

    def mean(values: np.ndarray) -> np.ndarray:
        sums = _sums(values, radius)
        return np.asarray(sums / (count if values.ndim == 2 else count[..., None]))

    of_guide, of_plane = mean(guide), mean(plane)
    with_plane = mean(guide * plane[..., None]) - of_guide * of_plane[..., None]
    spread = {
        (i, j): mean(guide[..., i] * guide[..., j])
        - of_guide[..., i] * of_guide[..., j]
        + (i == j) * max(smoothness, 1e-8)
        for i in range(3)
        for j in range(i, 3)
    }
    weights = _solved(spread, with_plane)
    offset = of_plane - (weights * of_guide).sum(-1)
    fitted = (mean(weights) * guide).sum(-1) + mean(offset)
    return np.clip(fitted, 0, 1).astype(np.float32)


def _solved(matrix: Mapping[tuple[int, int], np.ndarray], given: np.ndarray) -> np.ndarray:
    """[h, w, 3]: of symmetric matrices, their upper entries, with these right sides, by cofactors."""
    a, b, c, d, e, f = (matrix[place] for place in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)))
    first, second, third = d * f - e * e, c * e - b * f, b * e - c * d
    x, y, z = given[..., 0], given[..., 1], given[..., 2]
    solved = (
        first * x + second * y + third * z,
        second * x + (a * f - c * c) * y + (b * c - a * e) * z,
        third * x + (b * c - a * e) * y + (a * d - b * b) * z,
    )
    return np.stack(solved, -1) / (a * first + b * second + c * third)[..., None]


def _sums(values: np.ndarray, radius: int) -> np.ndarray:
    side = 2 * radius + 1
    return cv2.boxFilter(values, -1, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT)


def guided_reference(plane: np.ndarray, guide: np.ndarray, radius: int, smoothness: float) -> np.ndarray:
    """The same, plain: float64 [H, W], each square's fit by ridge regression."""
    h, w = plane.shape
    total, count = np.zeros((h, w)), np.zeros((h, w))
    for y in range(h):
        for x in range(w):
            part = np.s_[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
            colors, values = guide[part].reshape(-1, 3).astype(np.float64), plane[part].ravel().astype(np.float64)
            centred = colors - colors.mean(0)
            ridge = centred.T @ centred / len(values) + max(smoothness, 1e-8) * np.eye(3)
            weights = np.linalg.solve(ridge, centred.T @ (values - values.mean()) / len(values))
            fit = (guide[part] - colors.mean(0)) @ weights + values.mean()
            total[part] += fit
            count[part] += 1
    return np.clip(total / count, 0, 1)


__all__ = ["guided", "guided_reference"]
