"""YuNet (Wu et al., "YuNet: a tiny millisecond-level face detector", 2023) by ONNX Runtime, or by OpenCV's own wrapper.

Both see the same picture and find the same faces: a cell of stride s at column c, row r holds a face of score
sqrt(cls x obj), centred at ((c, r) + offset) x s, of size exp(size) x s, as OpenCV's FaceDetectorYN decodes it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from deployments.engines.video_regions.runtime import Net, Planes, net
from kernels.faces import suppress

STRIDES = (8, 16, 32)
MULTIPLE = 32
PARTS = ("cls", "obj", "bbox", "kps")
OUTPUTS = [f"{part}_{stride}" for stride in STRIDES for part in PARTS]
"""Of each stride, a row a cell: class [1, cells, 1], object [1, cells, 1], box [1, cells, 4], points [1, cells, 10]."""
NMS_OVERLAP = 0.3
"""OpenCV's default."""
MOST_BOXES = 5000
_COLUMNS = [0, 1, 2, 3, 14, *range(4, 14)]
"""OpenCV gives x, y, w, h, five landmarks, score."""
Detect = Callable[[np.ndarray], list[np.ndarray]]


def load(weights: Path | None, threads: int, least: float) -> Detect:
    """The detector on uint8 [N, H, W, 3] BGR of any size, giving raw scores of at least `least`."""
    assert weights is not None
    cv2.setNumThreads(threads)
    run = net(weights, OUTPUTS)
    return _by_opencv(weights, least) if run is None else _by_runtime(run, least)


def _by_runtime(run: Net, least: float) -> Detect:
    planes, lock = Planes(), threading.Lock()

    def one(frame: np.ndarray) -> np.ndarray:
        height, width = (-(-side // MULTIPLE) * MULTIPLE for side in frame.shape[:2])
        return decode(run(planes.of(frame, (width, height))), width, least)

    def detect(frames: np.ndarray) -> list[np.ndarray]:
        with lock:
            return [one(frame) for frame in frames]

    return detect


def decode(outputs: Sequence[np.ndarray], width: int, least: float) -> np.ndarray:
    """The net's OUTPUTS for one picture `width` pixels wide -> float32 [faces, 15], the best first, none doubled."""
    found = []
    for number, stride in enumerate(STRIDES):
        cls, obj, box, points = (output[0] for output in outputs[number * len(PARTS) :][: len(PARTS)])
        score = np.sqrt(cls[:, 0].clip(0, 1) * obj[:, 0].clip(0, 1))
        sure = np.flatnonzero(score >= least)
        rows, columns = np.divmod(sure, width // stride)
        cell = np.column_stack([columns, rows]).astype(np.float32)
        size = np.exp(box[sure, 2:]) * stride
        corner = (box[sure, :2] + cell) * stride - size / 2
        marks = (points[sure] + np.tile(cell, 5)) * stride
        found.append(np.column_stack([corner, size, score[sure], marks]))
    faces = np.concatenate(found).astype(np.float32)
    kept: np.ndarray = faces[suppress(faces[:, :4].astype(np.float64), faces[:, 4].astype(np.float64), NMS_OVERLAP)]
    return kept


def _by_opencv(weights: Path, least: float) -> Detect:
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # each new size warns that it runs on the CPU
    wrapper = cv2.FaceDetectorYN.create(str(weights), "", (320, 320), least, NMS_OVERLAP, MOST_BOXES)
    lock = threading.Lock()  # the wrapper keeps its input size and its buffers between calls

    def detect(frames: np.ndarray) -> list[np.ndarray]:
        height, width = frames.shape[1:3]
        with lock:
            if wrapper.getInputSize() != (width, height):  # even an equal size makes the wrapper begin anew
                wrapper.setInputSize((width, height))
            return [_rows(wrapper.detect(frame)[1]) for frame in frames]

    return detect


def _rows(found: np.ndarray | None) -> np.ndarray:
    return np.zeros((0, 15), np.float32) if found is None else found[:, _COLUMNS]


__all__ = ["decode", "load"]
