"""A net's file run by ONNX Runtime, where it is installed; None where it is not, and OpenCV runs the file.

It takes a half to two thirds of OpenCV's processor time for YuNet and CenterFace. One thread a net: what a net answers
then follows from its picture alone, and several nets look at several pictures (detectors.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from deployments.engines.video_regions import onnx

Net = Callable[[np.ndarray], list[np.ndarray]]
"""float32 [1, 3, H, W] -> the outputs that were asked for, in their order. Not for several threads at a time."""
ERRORS = 3
"""Severity from which the library writes to stderr."""


def net(weights: Path, outputs: Sequence[str]) -> Net | None:
    """The net of an ONNX file for pictures of any size that its graph takes."""
    try:
        ort: Any = import_module("onnxruntime")
    except ImportError:
        return None
    ort.set_default_logger_severity(ERRORS)
    ort.disable_telemetry_events()
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS
    session = ort.InferenceSession(onnx.opened(weights), options, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    names = list(outputs)

    def run(picture: np.ndarray) -> list[np.ndarray]:
        answers: list[np.ndarray] = session.run(names, {given.name: picture})
        return answers

    return run


class Planes:
    """Pictures as a net wants them, in one buffer that is filled anew: a fresh one costs a third of a look at half
    scale. Not for several threads at a time."""

    def __init__(self) -> None:
        self._planes = np.zeros((1, 3, 0, 0), np.float32)
        self._filled = (0, 0)

    def of(self, frame: np.ndarray, size: tuple[int, int], order: Sequence[int] = (0, 1, 2)) -> np.ndarray:
        """A frame uint8 [h, w, 3] -> float32 [1, 3, H, W] 0..255 of this (width, height), at least the frame's: 0
        beside and below it. `order`: which channel each plane is. It holds until the next one."""
        width, height = size
        if self._planes.shape[2:] != (height, width) or self._filled != frame.shape[:2]:
            self._planes = np.zeros((1, 3, height, width), np.float32)
        self._filled = frame.shape[:2]
        channels = cv2.split(frame)
        for plane, channel in zip(self._planes[0], order, strict=True):
            plane[: frame.shape[0], : frame.shape[1]] = channels[channel]
        return self._planes


__all__ = ["Net", "Planes", "net"]
