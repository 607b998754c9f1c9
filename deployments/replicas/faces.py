"""Batched face detection: formed batches come in, boxes go out."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from configs.models import Models
from configs.settings import Settings
from deployments.replicas.host import load
from deployments.replicas.threads import give_way

if TYPE_CHECKING:
    import numpy as np


class FacesHost:
    """Detectors by name, each loaded on its first use and kept."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._models = Models(settings)
        self._thread = ThreadPoolExecutor(1, "faces", give_way)  # a detector is not reentrant
        self._detectors: dict[str, object] = {}

    async def detect(self, detector: str, frames: np.ndarray) -> list[np.ndarray]:
        """operation.Detections of uint8 [N, H, W, 3] BGR frames, which are only read."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._detect, detector, frames)

    def _detect(self, name: str, frames: np.ndarray) -> list[np.ndarray]:
        if name not in self._detectors:
            make = load("deployments.engines.video_regions.detectors:make_detector")
            self._detectors[name] = make(name, self._models.path, self._settings)
        found: list[np.ndarray] = self._detectors[name](frames)  # type: ignore[operator]
        return found


__all__ = ["FacesHost"]
