"""Renders that hide faces: no detector finds them again, nothing of later frames is painted, filters are checked."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from artifacts import Asset
from artifacts.errors import NotFound
from configs.settings import Settings
from deployments.engines.video_regions.detectors import make_detector
from deployments.engines.video_render import frames
from deployments.engines.video_render.faces import Painter, Track, Tracks
from deployments.engines.video_render.models import FaceBlur, Style
from deployments.errors import InvalidRequest, MissingDependency, WrongAsset
from deployments.operation import JSON, Plan
from tests.unit.renders import (
    SCOPE,
    TICK,
    Shop,
    clip,
    decoded,
    face_blur,
    file,
    timeline,
)

STYLES: tuple[Style, ...] = ("blur", "mosaic", "solid")


class CenterFace:
    """Our own CenterFace at 0.5, held to photographs by test_detectors.py, as boxes x1 y1 x2 y2."""

    def __init__(self, weights: Callable[[str], Path]) -> None:
        self._detect = make_detector("centerface", weights, Settings())

    def __call__(self, bgr: np.ndarray) -> np.ndarray:
        found = self._detect(bgr[None])[0]
        boxes = found[found[:, 4] >= 0.5, :4]
        return np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])


class YuNet:
    """OpenCV's detector at 0.6, as boxes x1 y1 x2 y2."""

    def __init__(self, weights: Path, size: tuple[int, int]) -> None:
        self._net = cv2.FaceDetectorYN.create(str(weights), "", size, 0.6)

    def __call__(self, bgr: np.ndarray) -> np.ndarray:
        found = self._net.detect(bgr)[1]
        boxes = np.zeros((0, 4)) if found is None else found[:, :4]
        return np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes x1 y1 x2 y2."""
    width, height = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    both = max(0.0, float(width)) * max(0.0, float(height))
    return both / float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - both)


@pytest.mark.parametrize("style", ["blur", "mosaic", "solid"])
def test_no_detector_finds_a_face_where_there_was_one(
    style: str, shop: Shop, blurred: JSON, speakers: Asset, shared_data: Path, weights: Callable[[str], Path]
) -> None:
    filters = [blurred["sequence"]["tracks"][0]["clips"][0]["filters"][0]]
    filters[0] = {**filters[0], "params": filters[0]["params"] | {"style": style}}
    output = shop.render(timeline(speakers.id, *filters))
    source = shared_data / "media" / "face_clip.mp4"
    detectors = [YuNet(shared_data / "models" / "face_detection_yunet_2023mar.onnx", (640, 360))]
    if style == "blur":  # the slow detector on what is painted by default
        detectors.append(CenterFace(weights))
    seen, left = 0, []
    for number, (before, after) in enumerate(zip(decoded(source), decoded(file(output)), strict=True)):
        if number % 5:
            continue
        for detector in detectors:
            faces = detector(before.to_ndarray(format="bgr24"))
            again = detector(after.to_ndarray(format="bgr24"))
            seen += len(faces)
            left += [(number, type(detector).__name__) for a in faces for b in again if overlap(a, b) >= 0.3]
    assert seen > 80 * len(detectors)
    assert left == []


def test_nothing_of_later_frames_is_painted(shared_data: Path, truth: list[list[list[float]]]) -> None:
    """Later frames whose faces are noise instead are painted bit-equal: the cells are held."""
    body = {"time_base": [1, 12800], "tracks": [
        {"track_id": n, "region": "face", "boxes": rows} for n, rows in enumerate(truth)
    ]}  # fmt: skip
    random = np.random.default_rng(0)
    base = Fraction(1, 12800)
    for style in STYLES:
        one, other = Painter(Tracks(body), "strong", style), Painter(Tracks(body), "strong", style)
        for number, frame in enumerate(decoded(shared_data / "media" / "face_clip.mp4")):
            if number > 40:
                break
            original = [np.array(plane) for plane in frames.planes(frame)]
            changed = [plane.copy() for plane in original]
            faces = one.faces(number * TICK, base)
            for x, y, w, h in (map(int, row[1:5]) for rows in truth for row in rows if row[0] == number * TICK):
                for index, plane in enumerate(changed):
                    scale = 2 if index else 1
                    part = plane[y // scale + 1 : (y + h) // scale, x // scale + 1 : (x + w) // scale]
                    if number:
                        part[...] = random.integers(0, 256, part.shape)
            one.paint((original[0], original[1], original[2]), faces)
            other.paint((changed[0], changed[1], changed[2]), other.faces(number * TICK, base))
            assert all(np.array_equal(a, b) for a, b in zip(original, changed, strict=True))


def test_frames_without_faces_are_not_painted(shared_data: Path, truth: list[list[list[float]]]) -> None:
    body = {"time_base": [1, 12800], "tracks": [
        {"track_id": n, "region": "face", "boxes": rows} for n, rows in enumerate(truth)
    ]}  # fmt: skip
    painter = Painter(Tracks(body), "strong", "blur")
    with_faces = {int(row[0]) for rows in truth for row in rows}
    for number in range(591):
        assert bool(painter.faces(number * TICK, Fraction(1, 12800))) == (number * TICK in with_faces)


def test_a_box_is_found_in_another_time_base_and_between_frames() -> None:
    track = Track(1, [0, 100, 200], [(0, 0, 10, 10), (10, 0, 10, 10), (30, 0, 10, 20)])
    assert track.at(Fraction(100)) == (10, 0, 10, 10)
    assert track.at(Fraction(150)) == (20, 0, 10, 15)
    assert track.at(Fraction(-1)) is None
    assert track.at(Fraction(201)) is None
    assert track.at(Fraction(200)) == (30, 0, 10, 20)
    tracks = Tracks({"time_base": [1, 1000], "tracks": [
        {"track_id": 7, "region": "face", "boxes": [[40, 1, 2, 30, 40, 0.9, 1], [80, 1, 2, 30, 40, 0.9, 1]]}
    ]})  # fmt: skip
    assert list(tracks.at(512, Fraction(1, 12800))) == [(7, (1, 2, 30, 40))]
    assert list(tracks.at(1025, Fraction(1, 12800))) == []


def test_small_faces_are_left_when_asked_for() -> None:
    body = {"time_base": [1, 1000], "tracks": [
        {"track_id": n, "region": "face", "boxes": [[0, 1, 2, size, size, 0.9, 1]]} for n, size in enumerate((10, 40))
    ]}  # fmt: skip
    assert [track for track, _ in Tracks(body, 20).at(0, Fraction(1, 1000))] == [1]
    assert [track for track, _ in Tracks(body).at(0, Fraction(1, 1000))] == [0, 1]


def test_a_filter_mask_limits_the_blur(shop: Shop, speakers: Asset, truth: list[list[list[float]]]) -> None:
    """Left of the middle the face is as in a render without the filter, right of it painted."""
    pixels = np.zeros((360, 640), np.uint8)
    pixels[:, 340:] = 255
    filtered = face_blur(shop.summary(speakers, truth).id, style="solid") | {"mask_artifact_id": shop.mask(pixels).id}
    part = {"in_ms": 0, "out_ms": 400}
    limited = next(decoded(file(shop.render(timeline(speakers.id, filtered, **part))))).to_ndarray(format="gray")
    plain = next(decoded(file(shop.render(timeline(speakers.id, **part))))).to_ndarray(format="gray")
    difference = np.abs(limited.astype(int) - plain)
    assert difference[100:280, 250:330].mean() < 3
    assert difference[100:280, 350:420].mean() > 10


def test_faces_are_never_left_open_in_silence(shop: Shop, speakers: Asset, truth: list[list[list[float]]]) -> None:
    with pytest.raises(MissingDependency, match="POST /video/regions"):
        shop.plan(timeline(speakers.id, face_blur("regions_aaaaaaaa")))
    deleted = shop.summary(speakers, truth)
    shop.registry.delete(SCOPE, deleted.id)
    with pytest.raises(MissingDependency):
        shop.plan(timeline(speakers.id, face_blur(deleted.id)))
    with pytest.raises(InvalidRequest, match="tracks_only"):
        shop.plan(timeline(speakers.id, face_blur(shop.summary(speakers, truth).id, tracks_only=[1])))


def test_tracks_that_a_filter_names_are_checked_as_anonymise_checks_them(
    shop: Shop, speakers: Asset, truth: list[list[list[float]]], tmp_path: Path
) -> None:
    """A face_blur that was put on a clip directly: what it names is there, is a face_tracks, the clip's own, whole."""
    summary = shop.summary(speakers, truth)
    about = {"width": 640, "height": 360, "tracks_count": 1}
    row = {"track_id": 1, "boxes": [[0, 10, 10, 40, 40]]}
    good = {"time_base": [1, 1000], "tracks": [row]}

    def kept(body: Any, parent: str = speakers.id, **meta: int) -> str:
        return shop.artifact("face_tracks", "application/json", json.dumps(body).encode(), about | meta, parent).id

    def planned(id: str) -> Plan:
        return shop.plan(timeline(speakers.id, face_blur(summary.id, tracks_artifact_id=id)) | {"proof": "off"})

    own = kept(good)
    assert planned(own).parameters["clips"][0]["face_blur"]["tracks_id"] == own
    other = shop.asset(clip(tmp_path / "c.mp4", [0, 40, 80, 120, 160])).id
    cases: list[tuple[str, type[Exception], str]] = [
        ("tracks_aaaaaaaa", NotFound, ""),
        (summary.id, InvalidRequest, "give a face_tracks"),
        (kept(good, other), WrongAsset, "the clip shows"),
        (kept(good, width=320), InvalidRequest, "320x360"),
        (kept({"tracks": []}), InvalidRequest, "time_base"),
        (kept(good | {"tracks": [row | {"boxes": [[0, 10, 10, 40]]}]}), InvalidRequest, r"tracks\.0\.boxes\.0"),
        (kept(good | {"time_base": [1, 0]}), InvalidRequest, r"time_base\.1"),
    ]
    for id, error, said in cases:
        with pytest.raises(error, match=said) as refused:
            planned(id)
        field = refused.value.field if isinstance(refused.value, NotFound) else refused.value.details["field"]  # type: ignore[attr-defined]
        assert field == "sequence.tracks[0].clips[0].filters[0].params.tracks_artifact_id"


def test_another_assets_summary_is_refused(
    shop: Shop, speakers: Asset, truth: list[list[list[float]]], tmp_path: Path
) -> None:
    other = shop.asset(clip(tmp_path / "c.mp4", [0, 40, 80, 120]))
    with pytest.raises(WrongAsset):
        shop.plan(timeline(other.id, face_blur(shop.summary(speakers, truth).id)))


@pytest.mark.parametrize(
    ("params", "look", "grade"),
    [
        ({}, "strong", "irreversible"),
        ({"filter_strength": 0.8}, "strong", "irreversible"),
        ({"filter_strength": 0.79}, "medium", "reversible"),
        ({"filter_strength": 0.49}, "light", "reversible"),
        ({"filter_strength": 0.1, "preset": "strong"}, "strong", "irreversible"),
        ({"preset": "light", "style": "solid"}, "light", "irreversible"),
    ],
)
def test_presets_and_grades(params: JSON, look: str, grade: str) -> None:
    found = FaceBlur(source_summary_id="regions_aaaaaaaa", **params)
    assert (found.look, found.grade) == (look, grade)
