"""The choice among the face detectors. Light: the detectors themselves are imported on first use.

To add one: write a module with `load(weights: Path | None, threads: int) -> Detector` that gives raw scores, give its
weights a row in configs/models.yaml, and add a row to `DETECTORS` in models.py.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from configs.models import Models, WeightsMissing
from configs.settings import Settings
from deployments.engines.video_regions.models import DETECTORS, NO_STUB_ENVS, Row
from deployments.errors import BackendUnavailable, UnknownBackend
from deployments.operation import Plan, Warning

if TYPE_CHECKING:
    import numpy as np

    Detector = Callable[[np.ndarray], list[np.ndarray]]
    """uint8 [N, H, W, 3] BGR, never written into -> one float32 [faces, 15] a frame (operation.Detections)"""

FETCH = "fetch the weights with `make models`, or put them into a folder of MODELS_PATH"
FLOOR = 0.1
"""No detector reports a face below this confidence."""
MOST_BESIDE = 8
"""Most nets of a detector that look at once: each holds its weights and its buffers, up to 63 MB."""


def row_of(name: str, field: str | None = None) -> Row:
    """The row, or UnknownBackend with the list."""
    if name not in DETECTORS:
        known = ", ".join(DETECTORS)
        raise UnknownBackend(f"there is no face detector {name!r}; there are {known}", field=field)
    return DETECTORS[name]


def weights_id(model: str, settings: Settings) -> str | None:
    """The hash of the model's tensors by models.yaml; None for the stub."""
    return None if model == "stub" else Models(settings).weights_id(model)


def to_confidence(raw: np.ndarray, half: float) -> np.ndarray:
    """Raw scores on the common scale: piecewise linear through (0, 0), (half, 0.5), (1, 1)."""
    import numpy as np

    common: np.ndarray = np.interp(raw, [0.0, half, 1.0], [0.0, 0.5, 1.0]).astype(np.float32)
    return common


def to_raw(confidence: float, half: float) -> float:
    """The raw score that has this confidence."""
    return confidence * 2 * half if confidence <= 0.5 else half + (confidence - 0.5) * 2 * (1 - half)


def make_detector(name: str, weights: Callable[[str], Path], settings: Settings) -> Detector:
    """The detector of a row, ready to be called from any thread; WeightsMissing where its weights cannot be had.

    It does not fall back: `settle` names the detector that is there, and `detector_of` gives the name to load.
    """
    row = row_of(name)
    file = None if row.model == "stub" else weights(row.model)
    where = {"device": settings.device} if row.on_device else {}
    count = min(settings.threads, MOST_BESIDE) if row.beside else 1
    load, least = import_module(row.module).load, to_raw(FLOOR, row.half)
    threads = settings.threads if count == 1 else 1  # of OpenCV as a whole; its waiting threads spin
    raw = _beside([load(file, threads, least, **where) for _ in range(count)])

    def detect(frames: np.ndarray) -> list[np.ndarray]:
        found: list[np.ndarray] = raw(frames)
        for faces in found:
            faces[:, 4] = to_confidence(faces[:, 4], row.half)
        return found

    return detect


def _beside(nets: list[Detector]) -> Detector:
    """Equal nets as one: each looks at its share of a batch in a thread of its own.

    One net hardly gains from threads: CenterFace has none inside, YuNet is a sixth faster by a second one. Which net
    sees a frame changes nothing of what it finds.
    """
    if len(nets) == 1:
        return nets[0]
    threads = ThreadPoolExecutor(len(nets), thread_name_prefix="net")

    def detect(frames: np.ndarray) -> list[np.ndarray]:
        share = -(-len(frames) // len(nets)) or 1
        parts = [frames[first : first + share] for first in range(0, len(frames), share)]
        looks = [threads.submit(net, part) for net, part in zip(nets, parts, strict=False)]
        return [faces for look in looks for faces in look.result()]

    return detect


def detector_of(backend: str, model: str) -> str:
    """The row that finds faces with `model` on behalf of `backend`: the backend itself, or its fallback."""
    row = row_of(backend)
    return backend if model == row.model else row.fallback


def settle(plan: Plan, weights: Callable[[str], Path], settings: Settings) -> Plan:
    """The plan with the model that is really here: `parameters.model`, weights_id and, for a stub, backend.

    Raises BackendUnavailable where there is none and a stub may not stand in.
    """
    backend = plan.backend
    row = row_of(backend)
    if backend == "stub":
        return _stub(plan, "the stub was asked for", settings)
    refused = unstartable(backend, settings)
    if refused:
        return _stub(plan, f"{backend} does not start here", settings, cure=refused)
    missing = []
    for name in filter(None, (backend, row.fallback)):
        model = DETECTORS[name].model
        try:
            weights(model)
        except WeightsMissing:
            missing.append(model)
            continue
        return replace(plan, parameters=plan.parameters | {"model": model}, weights_id=weights_id(model, settings))
    return _stub(plan, f"{backend} has no weights here ({', '.join(missing)})", settings)


def unstartable(name: str, settings: Settings) -> str:
    """What must be done before a detector that is an extra can start; empty where it can."""
    row = row_of(name)
    if row.consent and not settings.mediapipe_consent:
        return f"{row.package} sends usage metrics to its vendor, so it starts only with MEDIAPIPE_CONSENT=1"
    if row.package and find_spec(row.package) is None:
        return f"install it with `pip install --no-deps {row.package}` (docs/video.md)"
    return ""


def _stub(plan: Plan, reason: str, settings: Settings, cure: str = FETCH) -> Plan:
    """The plan done by the stub, with the reason as a warning on the field `backend`."""
    if plan.scope.env in NO_STUB_ENVS or not settings.allow_stubs:
        raise BackendUnavailable(f"{reason}, and a stub does not stand in here: {cure}", field="backend")
    said = reason if cure == FETCH else f"{reason}: {cure}"
    return replace(
        plan,
        backend="stub",
        weights_id=None,
        parameters=plan.parameters | {"model": "stub"},
        warnings=(*plan.warnings, Warning(said, field="backend", given=plan.backend, used="stub")),
    )


__all__ = [
    "DETECTORS",
    "FLOOR",
    "Row",
    "detector_of",
    "make_detector",
    "row_of",
    "settle",
    "to_confidence",
    "to_raw",
    "unstartable",
    "weights_id",
]
