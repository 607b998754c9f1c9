"""CenterFace (Xu et al., "CenterFace: joint face detection and alignment using face as point", 2019) by ONNX Runtime,
or by cv2.dnn.

The net looks at RGB whose sides are multiples of 32 and answers on a grid of a quarter of its size: a heat map of face
centres, the logarithm of height and width, the offset of the centre inside its cell, and five landmarks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from deployments.engines.video_regions.runtime import Net, Planes, net
from kernels.faces import suppress

OUTPUTS = ["537", "538", "539", "540"]
"""Heat map [1, 1, h, w], scale [1, 2, h, w] (height first), offset [1, 2, h, w] (y first), landmarks [1, 10, h, w]."""
STRIDE = 4
MULTIPLE = 32
NMS_OVERLAP = 0.3
RGB = (2, 1, 0)


def load(weights: Path | None, threads: int, least: float) -> Callable[[np.ndarray], list[np.ndarray]]:
    """The detector on uint8 [N, H, W, 3] BGR of any size, giving raw scores of at least `least`."""
    assert weights is not None
    cv2.setNumThreads(threads)
    run, planes = net(weights, OUTPUTS) or _by_opencv(weights), Planes()
    lock = threading.Lock()

    def one(frame: np.ndarray) -> np.ndarray:
        height, width = frame.shape[:2]
        to = (-(-width // MULTIPLE) * MULTIPLE, -(-height // MULTIPLE) * MULTIPLE)
        picture = planes.of(cv2.resize(frame, to), to, RGB)
        return decode(*run(picture), least=least, scale=(width / to[0], height / to[1]))

    def detect(frames: np.ndarray) -> list[np.ndarray]:
        with lock:
            return [one(frame) for frame in frames]

    return detect


def _by_opencv(weights: Path) -> Net:
    # The classic engine keeps buffers of the first input size and gives other scores after a change of size.
    dnn = cv2.dnn.readNetFromONNX(str(weights), engine=cv2.dnn.ENGINE_NEW)

    def run(picture: np.ndarray) -> list[np.ndarray]:
        dnn.setInput(picture)
        return [np.array(output) for output in dnn.forward(OUTPUTS)]

    return run


def decode(
    heat: np.ndarray,
    size: np.ndarray,
    offset: np.ndarray,
    landmarks: np.ndarray,
    *,
    least: float,
    scale: tuple[float, float],
) -> np.ndarray:
    """The net's four outputs for one picture -> float32 [faces, 15]; `scale` takes x and y to the caller's pixels."""
    rows, columns = np.nonzero(heat[0, 0] >= least)
    height, width = np.exp(size[0][:, rows, columns]) * STRIDE
    y = (rows + offset[0, 0, rows, columns] + 0.5) * STRIDE - height / 2
    x = (columns + offset[0, 1, rows, columns] + 0.5) * STRIDE - width / 2
    points = landmarks[0][:, rows, columns].reshape(5, 2, -1)  # y before x, in shares of the box
    faces = np.empty((len(rows), 15), np.float32)
    faces[:, :4] = np.stack([x, y, width, height], axis=1)
    faces[:, 4] = heat[0, 0, rows, columns]
    faces[:, 5::2] = (points[:, 1] * width + x).T
    faces[:, 6::2] = (points[:, 0] * height + y).T
    faces = faces[suppress(faces[:, :4].astype(np.float64), faces[:, 4].astype(np.float64), NMS_OVERLAP)]
    faces[:, [0, 2, *range(5, 15, 2)]] *= scale[0]
    faces[:, [1, 3, *range(6, 15, 2)]] *= scale[1]
    return faces


__all__ = ["decode", "load"]
