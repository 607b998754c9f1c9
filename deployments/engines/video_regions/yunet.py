"""YuNet by OpenCV's own wrapper (Wu et al., "YuNet: a tiny millisecond-level face detector", 2023)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

NMS_OVERLAP = 0.3
"""OpenCV's default."""
MOST_BOXES = 5000
_COLUMNS = [0, 1, 2, 3, 14, *range(4, 14)]
"""OpenCV gives x, y, w, h, five landmarks, score."""


def load(weights: Path | None, threads: int, least: float) -> Callable[[np.ndarray], list[np.ndarray]]:
    """The detector on uint8 [N, H, W, 3] BGR of any size, giving raw scores of at least `least`."""
    cv2.setNumThreads(threads)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # each new size warns that it runs on the CPU
    net = cv2.FaceDetectorYN.create(str(weights), "", (320, 320), least, NMS_OVERLAP, MOST_BOXES)
    lock = threading.Lock()  # the wrapper keeps its input size and its buffers between calls

    def detect(frames: np.ndarray) -> list[np.ndarray]:
        height, width = frames.shape[1:3]
        with lock:
            if net.getInputSize() != (width, height):  # even an equal size makes the wrapper begin anew
                net.setInputSize((width, height))
            return [_rows(net.detect(frame)[1]) for frame in frames]

    return detect


def _rows(found: np.ndarray | None) -> np.ndarray:
    return np.zeros((0, 15), np.float32) if found is None else found[:, _COLUMNS]


__all__ = ["load"]
