"""BlazeFace by MediaPipe's Tasks API: an extra, imported only where the operator has consented (MEDIAPIPE_CONSENT).

MediaPipe's releases from 1.0 on send usage metrics to their vendor, so nothing of it is imported before that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np


def load(weights: Path | None, threads: int, least: float) -> Callable[[np.ndarray], list[np.ndarray]]:
    """The detector on uint8 [N, H, W, 3] BGR of any size, giving raw scores of at least `least`. No landmarks."""
    media = import_module("mediapipe")
    vision, base = import_module("mediapipe.tasks.python.vision"), import_module("mediapipe.tasks.python")
    options = vision.FaceDetectorOptions(
        base_options=base.BaseOptions(model_asset_path=str(weights)), min_detection_confidence=least
    )
    detector = vision.FaceDetector.create_from_options(options)
    lock = threading.Lock()

    def detect(frames: np.ndarray) -> list[np.ndarray]:
        return [one(frame) for frame in frames]

    def one(frame: np.ndarray) -> np.ndarray:
        picture = media.Image(image_format=media.ImageFormat.SRGB, data=np.ascontiguousarray(frame[..., ::-1]))
        with lock:
            seen = detector.detect(picture).detections
        faces = np.full((len(seen), 15), np.nan, np.float32)
        for face, found in zip(faces, seen, strict=True):
            box = found.bounding_box
            face[:5] = [box.origin_x, box.origin_y, box.width, box.height, found.categories[0].score]
        return faces

    return detect


__all__ = ["load"]
