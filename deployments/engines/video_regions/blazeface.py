"""BlazeFace full range by cv2.dnn (Bazarevsky et al., "BlazeFace: sub-millisecond neural face detection", 2019).

The net looks at a square of 192 RGB pixels, -1..1, and answers for each cell of a grid of 48 × 48: the centre's offset
from the cell's centre, width and height, six points (eyes, nose, mouth, ears), all in pixels of the square, and a
logit. It has no corners of the mouth, so no landmarks are given.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from kernels.faces import suppress

SIDE = 192
CELLS = 48
NMS_OVERLAP = 0.3


def load(weights: Path | None, threads: int, least: float) -> Callable[[np.ndarray], list[np.ndarray]]:
    """The detector on uint8 [N, H, W, 3] BGR of any size, giving raw scores of at least `least`."""
    cv2.setNumThreads(threads)
    net = cv2.dnn.readNetFromTFLite(str(weights), engine=cv2.dnn.ENGINE_CLASSIC)  # the new one loses the scores
    outputs = net.getUnconnectedOutLayersNames()
    lock = threading.Lock()

    def detect(frames: np.ndarray) -> list[np.ndarray]:
        return [one(frame) for frame in frames]

    def one(frame: np.ndarray) -> np.ndarray:
        height, width = frame.shape[:2]
        scale = SIDE / max(height, width)
        small = cv2.resize(
            frame, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA
        )
        square = np.zeros((SIDE, SIDE, 3), np.uint8)
        square[: small.shape[0], : small.shape[1]] = small
        picture = cv2.dnn.blobFromImage(square, 1 / 127.5, (SIDE, SIDE), (127.5, 127.5, 127.5), swapRB=True)
        with lock:
            net.setInput(picture)
            found = [np.array(output).reshape(CELLS * CELLS, -1) for output in net.forward(outputs)]
        boxes, logits = sorted(found, key=lambda part: -part.shape[1])
        return decode(boxes, logits[:, 0], least=least, scale=(width / small.shape[1], height / small.shape[0]))

    return detect


def decode(boxes: np.ndarray, logits: np.ndarray, *, least: float, scale: tuple[float, float]) -> np.ndarray:
    """[2304, 16] and [2304] -> float32 [faces, 15]; `scale` takes x and y to the caller's pixels."""
    scores = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -100, 100)))
    cells = np.flatnonzero(scores >= least)
    center = (np.stack([cells % CELLS, cells // CELLS], axis=1) + 0.5) * (SIDE / CELLS) + boxes[cells, :2]
    size = np.maximum(boxes[cells, 2:4], 1e-3)
    faces = np.full((len(cells), 15), np.nan, np.float32)
    faces[:, :4] = np.column_stack([center - size / 2, size]) * [*scale, *scale]
    faces[:, 4] = scores[cells]
    kept: np.ndarray = faces[suppress(faces[:, :4].astype(np.float64), scores[cells], NMS_OVERLAP)]
    return kept


__all__ = ["decode", "load"]
