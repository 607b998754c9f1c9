"""Boxes of faces: overlap, cuts between shots, ellipses as masks.

A box is x, y, width, height in pixels; x and y are its top-left corner and may lie outside the frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from kernels.regions import Oval, draw

Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

CUT_CHANGE = 12.0
"""Least change of the small luma, 0..255, that can be a cut. Dull cuts measure 50 and more, fast pans up to 20."""
CUT_RATIO = 3.5
"""A cut also changes this many times more than any of the `CUT_MEMORY` frames before it: a pan does not."""
CUT_MEMORY = 3


def iou(a: npt.ArrayLike, b: npt.ArrayLike) -> Floats:
    """Intersection over union of each box of `a` [n, 4] with each of `b` [m, 4] -> [n, m], 0..1."""
    left = np.asarray(a, np.float64).reshape(-1, 1, 4)
    right = np.asarray(b, np.float64).reshape(1, -1, 4)
    low = np.maximum(left[..., :2], right[..., :2])
    high = np.minimum(left[..., :2] + left[..., 2:], right[..., :2] + right[..., 2:])
    common = np.clip(high - low, 0.0, None).prod(-1)
    union = left[..., 2:].prod(-1) + right[..., 2:].prod(-1) - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)


def suppress(boxes: Floats, scores: Floats, overlap: float) -> npt.NDArray[np.intp]:
    """Greedy non-maximum suppression: the indices kept, best score first, none with an IoU above `overlap` to a better.

    boxes: [n, 4]. scores: [n], above 0; equal ones keep their order.
    """
    return np.asarray(cv2.dnn.NMSBoxes(boxes, scores, 0.0, overlap), np.intp).reshape(-1)  # type: ignore[arg-type]


def mean_over(found: Sequence[Floats], overlap: float) -> Floats:
    """One frame's faces [faces, 5 or more] (x, y, w, h, confidence, …), seen in several ways, as one list, best first.

    A face is where it was seen surest, and as sure as the mean over all ways, 0 for one that has no box on it with an
    IoU above `overlap`: what only one way sees is doubted, what several see is not.
    """
    rows = np.concatenate([np.asarray(one, np.float64) for one in found])
    faces = rows[suppress(rows[:, :4], rows[:, 4], overlap)]
    sure = np.zeros((len(found), len(faces)))
    for way, one in zip(sure, found, strict=True):
        if len(one) and len(faces):
            way[:] = np.where(iou(faces[:, :4], one[:, :4]) > overlap, one[None, :, 4], 0.0).max(axis=1)
    faces[:, 4] = sure.mean(axis=0) if len(faces) else faces[:, 4]
    best: Floats = faces[np.argsort(-faces[:, 4], kind="stable")]
    return best


def pair(scores: Floats, least: float) -> list[tuple[int, int]]:
    """Greedy one-to-one pairs (row, column) of `scores` [n, m], best first, none below `least`."""
    pairs: list[tuple[int, int]] = []
    left = scores.copy()
    while left.size:
        row, column = np.unravel_index(int(left.argmax()), left.shape)
        if left[row, column] < least:
            break
        pairs.append((int(row), int(column)))
        left[row, :] = -1.0
        left[:, column] = -1.0
    return pairs


class Cuts:
    """Finds the first frame of each shot, one frame at a time."""

    def __init__(self) -> None:
        self._before: npt.NDArray[np.int16] | None = None
        self._recent: list[float] = []

    def step(self, luma: Bytes) -> bool:
        """Whether the frame starts a new shot; `luma` is a small picture, uint8 [h, w], about 32 x 18."""
        now = luma.astype(np.int16)
        before, self._before = self._before, now
        if before is None or before.shape != now.shape:
            self._recent = []
            return before is not None
        change = float(np.abs(now - before).mean())
        # Right after a cut the new shot's own motion is not known yet, and the cut says nothing about it.
        usual = max([1.0, *self._recent])
        cut = bool(self._recent) and change >= CUT_CHANGE and change >= CUT_RATIO * usual
        self._recent = [] if cut else [*self._recent, change][-CUT_MEMORY:]
        return cut


def ellipse_mask(width: int, height: int, box: npt.ArrayLike) -> Bytes:
    """The ellipse inscribed in `box`: uint8 [height, width], 255 inside.

    A pixel at the edge has its covered share.
    """
    x, y, w, h = (float(value) for value in np.asarray(box, np.float64))
    return draw(width, height, [Oval(x + w / 2, y + h / 2, w / 2, h / 2)])


__all__ = ["Cuts", "ellipse_mask", "iou", "mean_over", "pair", "suppress"]
