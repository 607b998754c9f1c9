"""The table of detectors against the photos' known faces."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from configs.models import Models
from configs.settings import Settings
from deployments.engines.video_regions import blazeface, onnx, yunet
from deployments.engines.video_regions.centerface import decode
from deployments.engines.video_regions.detectors import (
    DETECTORS,
    detector_of,
    make_detector,
    row_of,
    to_confidence,
    to_raw,
)
from deployments.engines.video_regions.runtime import Planes, net
from deployments.errors import UnknownBackend
from kernels.faces import iou, pair

SIZES = (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))
"""What YuNet says of a cell, in numbers."""


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


@pytest.fixture
def by_opencv(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """make_detector as it is where ONNX Runtime is not installed."""

    def make(*given: Any) -> Any:
        with monkeypatch.context() as without:
            without.setitem(sys.modules, "onnxruntime", None)
            return make_detector(*given)

    return make


def agreement(ours: Any, theirs: Any, photos: Path) -> tuple[int, int]:
    """(boxes of either of a raw score of 0.7 by YuNet's scale, how many of them the other one has at IoU 0.9)."""
    agreed = boxes = 0
    for path in sorted(photos.glob("*.jpg")):
        picture = cv2.imread(str(path))
        size = (picture.shape[1] // 2, picture.shape[0] // 2)
        frames = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)[None]
        a, b = ours(frames)[0], theirs(frames)[0]
        for one, other in ((a, b), (b, a)):
            sure = one[one[:, 4] >= to_confidence(np.array([0.7]), 0.6)[0], :4]
            boxes += len(sure)
            agreed += int((iou(sure, other[:, :4]).max(axis=1, initial=0) >= 0.9).sum())
    return boxes, agreed


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("torch_face_detector", "opencv_face_detector"),
        ("opencv_face_detector", "opencv_face_detector"),
        ("centerface", "centerface"),
    ],
)
def test_it_agrees_with_opencv(
    name: str, other: str, weights: Callable[[str], Path], shared_data: Path, by_opencv: Callable[..., Any]
) -> None:
    pytest.importorskip("onnxruntime")
    ours = make_detector(name, weights, Settings(device="cpu"))
    boxes, agreed = agreement(ours, by_opencv(other, weights, Settings()), shared_data / "media" / "faces")
    assert boxes > 100
    assert agreed >= 0.98 * boxes


@pytest.mark.parametrize(("name", "least"), [("opencv_face_detector", 87), ("centerface", 85)])
def test_opencv_stands_in_for_the_runtime(
    name: str, least: int, weights: Callable[[str], Path], shared_data: Path, by_opencv: Callable[..., Any]
) -> None:
    found, _, false = score(by_opencv(name, weights, Settings()), shared_data)
    assert found >= least
    assert false <= 1


@pytest.mark.parametrize("name", ["opencv_face_detector", "centerface"])
def test_the_number_of_threads_changes_no_face(name: str, weights: Callable[[str], Path], shared_data: Path) -> None:
    picture = cv2.imread(str(shared_data / "media" / "faces" / "two_people.jpg"))
    frames = np.stack([cv2.resize(picture, (320, 200)), picture[:200, :320], picture[50:250, 50:370]])
    alone, beside = (make_detector(name, weights, Settings(threads=count))(frames) for count in (1, 3))
    assert sum(map(len, alone)) > 0
    for one, other in zip(alone, beside, strict=True):
        assert (one == other).all()


def test_a_file_is_opened_for_any_size(weights: Callable[[str], Path]) -> None:
    runtime = pytest.importorskip("onnxruntime")
    for model in ("yunet", "centerface"):
        session = runtime.InferenceSession(onnx.opened(weights(model)), providers=["CPUExecutionProvider"])
        assert [one.shape for one in session.get_inputs()] == [[1, 3, "h", "w"]]
        assert not session.get_overridable_initializers()


def test_a_net_answers_for_pictures_of_one_size_after_another(weights: Callable[[str], Path]) -> None:
    pytest.importorskip("onnxruntime")
    run = net(weights("yunet"), ["cls_8", "kps_32"])
    assert run is not None
    for height, width in ((64, 96), (320, 32), (64, 96)):
        cls, points = run(np.zeros((1, 3, height, width), np.float32))
        assert cls.shape == (1, height * width // 64, 1)
        assert points.shape == (1, height * width // 1024, 10)


def test_planes_hold_nothing_of_the_picture_before() -> None:
    planes = Planes()
    for height, width in ((20, 30), (10, 31), (32, 32), (10, 31)):
        frame = np.random.default_rng(height).integers(1, 256, (height, width, 3), np.uint8)
        made = planes.of(frame, (32, 32), (2, 1, 0))
        expected = np.zeros((1, 3, 32, 32), np.float32)
        expected[0, :, :height, :width] = frame[:, :, ::-1].transpose(2, 0, 1)
        assert (made == expected).all()


def test_yunet_decodes_as_published() -> None:
    """https://github.com/opencv/opencv/blob/4.x/modules/objdetect/src/face_detect.cpp, postProcess."""
    cells = {8: 32, 16: 8, 32: 2}  # 64 x 32 pixels
    outputs = {f"{part}_{s}": np.zeros((1, n, size), np.float32) for s, n in cells.items() for part, size in SIZES}
    outputs["cls_16"][0, 6], outputs["obj_16"][0, 6] = 1.5, 0.64  # column 2, row 1; clipped to 1: 0.8
    outputs["bbox_16"][0, 6] = [0.25, -0.5, np.log(2), np.log(3)]
    outputs["kps_16"][0, 6] = np.arange(10) / 10
    (face,) = yunet.decode([outputs[name] for name in yunet.OUTPUTS], 64, 0.5)
    assert face[:5] == pytest.approx([36 - 16, 8 - 24, 32, 48, 0.8])
    assert face[5:] == pytest.approx([(cell + n / 10) * 16 for n, cell in enumerate([2, 1] * 5)])
    assert yunet.decode([outputs[name] for name in yunet.OUTPUTS], 64, 0.81).shape == (0, 15)


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
    for reading in (onnx.read, onnx.opened):
        with pytest.raises(ValueError, match="no ONNX file"):
            reading(path)
