"""Pictures at default settings, through the work, against the photos' known faces."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kernels.faces import iou, mean_over, pair
from tests.unit.searches import as_xywh, planned, run


@pytest.fixture(scope="module")
def yunet(shared_data: Path) -> dict[str, Path]:
    return {"yunet": shared_data / "models" / "face_detection_yunet_2023mar.onnx"}


@pytest.mark.parametrize(
    "backend", ["opencv_face_detector", pytest.param("torch_face_detector", marks=pytest.mark.slow)]
)
def test_at_least_88_of_92_faces_with_at_most_two_false_alarms(
    backend: str, shared_data: Path, yunet: dict[str, Path]
) -> None:
    found = faces = false = 0
    folder = shared_data / "media" / "faces"
    for name, truth in json.loads((folder / "faces.json").read_text())["photos"].items():
        output = run(planned("image", backend=backend), folder / name, yunet, kind="image")
        entries = json.loads(output.data)["entries"]  # type: ignore[arg-type]
        boxes = np.array([entry["box"] for entry in entries]).reshape(-1, 4)
        boxes *= [truth["width"], truth["height"]] * 2
        wanted, ignored = as_xywh(truth["boxes"]), as_xywh(truth["ignore"])
        hits = pair(iou(wanted, boxes), 0.4)
        found, faces = found + len(hits), faces + len(wanted)
        rest = np.delete(boxes, [column for _, column in hits], axis=0)
        false += sum(1 for box in rest if not (len(ignored) and iou(box, ignored).max() > 0.3))
    assert faces == 92
    assert found >= 88
    assert false <= 2


def test_a_face_is_as_sure_as_the_mean_of_the_ways_it_was_looked_for() -> None:
    near, far = [10.0, 10, 20, 20], [100.0, 10, 20, 20]
    one = np.array([[*near, 0.8], [*far, 0.6]])
    other = np.array([[11.0, 10, 20, 20, 0.9]])
    faces = mean_over([one, other], 0.4)
    assert faces == pytest.approx(np.array([[11, 10, 20, 20, 0.85], [*far, 0.3]]))
    assert mean_over([np.zeros((0, 15)), np.zeros((0, 15))], 0.4).shape == (0, 15)
