"""The table of detectors against the photos' known faces."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from configs.models import Models
from configs.settings import Settings
from deployments.engines.video_regions import blazeface, onnx
from deployments.engines.video_regions.centerface import decode
from deployments.engines.video_regions.detectors import (
    DETECTORS,
    detector_of,
    make_detector,
    row_of,
    to_confidence,
    to_raw,
)
from deployments.errors import UnknownBackend
from kernels.faces import iou, pair


def as_xywh(boxes: Any) -> np.ndarray:
    corners = np.array(boxes, np.float64).reshape(-1, 4)
    return np.column_stack([corners[:, :2], corners[:, 2:] - corners[:, :2]])


def score(detector: Any, shared_data: Path) -> tuple[int, int, int]:
    """(faces found, faces, false alarms) over the photos at full scale, at a confidence of 0.5."""
    found = faces = false = 0
    folder = shared_data / "media" / "faces"
    for name, truth in json.loads((folder / "faces.json").read_text())["photos"].items():
        picture = cv2.imread(str(folder / name))
        seen = detector(picture[None])[0]
        boxes = seen[seen[:, 4] >= 0.5, :4]
        wanted, ignored = as_xywh(truth["boxes"]), as_xywh(truth["ignore"])
        hits = pair(iou(wanted, boxes), 0.4)
        found, faces = found + len(hits), faces + len(wanted)
        rest = np.delete(boxes, [column for _, column in hits], axis=0)
        false += sum(1 for box in rest if not (len(ignored) and iou(box, ignored).max() > 0.3))
    return found, faces, false


@pytest.mark.parametrize(("name", "least"), [("opencv_face_detector", 87), ("centerface", 85), ("blazeface_full", 69)])
def test_recall_on_photos(name: str, least: int, weights: Callable[[str], Path], shared_data: Path) -> None:
    found, faces, false = score(make_detector(name, weights, Settings()), shared_data)
    assert faces == 92
    assert found >= least
    assert false <= 1


@pytest.mark.parametrize(
    "name", ["opencv_face_detector", "torch_face_detector", "blazeface_full", "centerface", "stub"]
)
def test_any_size_goes_in_and_nothing_is_written(name: str, weights: Callable[[str], Path], shared_data: Path) -> None:
    detector = make_detector(name, weights, Settings())
    picture = cv2.imread(str(shared_data / "media" / "faces" / "obama.jpg"))
    seen = []
    for side in (320, 511, 320):
        frame = cv2.resize(picture, (side, side * picture.shape[0] // picture.shape[1]), interpolation=cv2.INTER_AREA)
        frames = np.stack([frame, np.zeros_like(frame)])
        before = frames.copy()
        frames.setflags(write=False)
        found = detector(frames)
        assert (frames == before).all()
        assert [(boxes.dtype, boxes.shape[1]) for boxes in found] == [(np.float32, 15)] * 2
        seen.append(found[0])
    assert (seen[0][:, :5] == seen[2][:, :5]).all()  # nothing of another size is left behind


@pytest.mark.parametrize("name", ["opencv_face_detector", "torch_face_detector", "centerface"])
def test_landmarks_lie_where_a_face_has_them(name: str, weights: Callable[[str], Path], shared_data: Path) -> None:
    detector = make_detector(name, weights, Settings())
    face = detector(cv2.imread(str(shared_data / "media" / "faces" / "obama.jpg"))[None])[0][0]
    x, y, w, h = face[:4]
    points = (face[5:].reshape(5, 2) - [x, y]) / [w, h]
    assert (points > 0).all()
    assert (points < 1).all()
    eyes, nose, mouth = points[:2], points[2], points[3:]
    assert eyes[:, 1].max() < nose[1] < mouth[:, 1].min()
    assert eyes[0, 0] < nose[0] < eyes[1, 0]


def test_centerface_decodes_as_published() -> None:
    heat = np.zeros((1, 1, 8, 16), np.float32)
    size, offset = np.zeros((1, 2, 8, 16), np.float32), np.zeros((1, 2, 8, 16), np.float32)
    landmarks = np.full((1, 10, 8, 16), 0.5, np.float32)
    heat[0, 0, 3, 7] = 0.8
    size[0, :, 3, 7] = np.log([4.0, 2.0])  # height 16, width 8
    offset[0, :, 3, 7] = [0.25, -0.5]
    (face,) = decode(heat, size, offset, landmarks, least=0.5, scale=(2.0, 0.5))
    center = ((7 - 0.5 + 0.5) * 4 * 2, (3 + 0.25 + 0.5) * 4 * 0.5)
    assert face[:5] == pytest.approx([center[0] - 8, center[1] - 4, 16, 8, 0.8])
    assert face[5:].reshape(5, 2) == pytest.approx(np.array([center] * 5))
    assert decode(heat, size, offset, landmarks, least=0.9, scale=(1.0, 1.0)).shape == (0, 15)


@pytest.mark.parametrize("half", [0.5, 0.6])
def test_confidence_is_piecewise_linear(half: float) -> None:
    raw = np.array([0.0, half / 2, half, (1 + half) / 2, 1.0])
    assert to_confidence(raw, half) == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert [to_raw(float(c), half) for c in (0, 0.25, 0.5, 0.75, 1)] == pytest.approx(raw.tolist())


def test_the_table_names_models_that_exist() -> None:
    known = {row.name for row in Models(Settings()).rows()}
    assert {row.model for name, row in DETECTORS.items() if name != "stub"} <= known
    assert {row.fallback for row in DETECTORS.values()} <= {"", *DETECTORS}
    assert detector_of("opencv_face_detector", "yunet") == "opencv_face_detector"
    assert detector_of("torch_face_detector", "yunet") == "torch_face_detector"
    assert detector_of("opencv_face_detector", "centerface") == "centerface"
    with pytest.raises(UnknownBackend, match="opencv_face_detector, centerface, torch"):
        row_of("haar")


def test_the_torch_detector_agrees_with_opencv(weights: Callable[[str], Path], shared_data: Path) -> None:
    ours = make_detector("torch_face_detector", weights, Settings(device="cpu"))
    theirs = make_detector("opencv_face_detector", weights, Settings())
    agreed = boxes = 0
    for path in sorted((shared_data / "media" / "faces").glob("*.jpg")):
        picture = cv2.imread(str(path))
        size = (picture.shape[1] // 2, picture.shape[0] // 2)
        frames = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)[None]
        a, b = ours(frames)[0], theirs(frames)[0]
        for one, other in ((a, b), (b, a)):
            sure = one[one[:, 4] >= to_confidence(np.array([0.7]), 0.6)[0], :4]
            boxes += len(sure)
            agreed += int((iou(sure, other[:, :4]).max(axis=1, initial=0) >= 0.9).sum())
    assert boxes > 100
    assert agreed >= 0.98 * boxes


def test_a_batch_gives_what_its_frames_give_alone(weights: Callable[[str], Path], shared_data: Path) -> None:
    detector = make_detector("torch_face_detector", weights, Settings(device="cpu"))
    picture = cv2.imread(str(shared_data / "media" / "faces" / "two_people.jpg"))
    frames = np.stack([cv2.resize(picture, (320, 200)), np.zeros((200, 320, 3), np.uint8), picture[:200, :320]])
    for whole, alone in zip(detector(frames), (detector(frame[None])[0] for frame in frames), strict=True):
        assert whole == pytest.approx(alone, abs=1e-3)


def test_blazeface_decodes_as_published() -> None:
    boxes, logits = np.zeros((2304, 16), np.float32), np.full(2304, -200, np.float32)
    boxes[48 * 3 + 7, :4] = [1.0, -2.0, 20.0, 30.0]
    logits[48 * 3 + 7] = np.log(4)  # 0.8
    (face,) = blazeface.decode(boxes, logits, least=0.5, scale=(2.0, 0.5))
    center = ((7.5 * 4 + 1) * 2, (3.5 * 4 - 2) * 0.5)
    assert face[:5] == pytest.approx([center[0] - 20, center[1] - 7.5, 40, 15, 0.8])
    assert np.isnan(face[5:]).all()


def test_a_file_that_is_no_onnx_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.onnx"
    path.write_bytes(b"\x3a\xff\x01\x0a")
    with pytest.raises(ValueError, match="no ONNX file"):
        onnx.read(path)
