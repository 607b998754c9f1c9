"""The proof: what it looks at, what counts, and that a render with a face left in it is never kept."""

from __future__ import annotations

import io
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from artifacts import Asset, Record
from deployments.dispatch import LocalDispatch
from deployments.engines.video_render.covers import Cover
from deployments.engines.video_render.notes import Notes
from deployments.engines.video_render.searcher import choice
from deployments.errors import ResidualFaces
from deployments.operation import JSON
from deployments.operations import OPERATIONS
from deployments.replicas.host import Host
from deployments.runner import Runner
from tests.unit.renders import CONTEXT, SCOPE, Shop, face_blur, timeline


class Oracle:
    """A detector that knows face_clip's faces: it reports each one that is still there, by its contrast."""

    def __init__(self, boxes: list[list[float]]) -> None:
        self.boxes, self.calls = boxes, 0

    async def detect(self, detector: str, frames: np.ndarray) -> list[np.ndarray]:
        assert detector == "centerface"
        self.calls += 1
        found = []
        for frame in frames:
            rows = []
            for x, y, w, h in self.boxes:
                part = frame[int(y) : int(y + h), int(x) : int(x + w)].astype(float)
                edges = np.abs(np.diff(part, axis=1)).mean()
                if edges > 3:
                    rows.append([x, y, w, h, 0.9, *[np.nan] * 10])
            found.append(np.array(rows, np.float32).reshape(-1, 15))
        return found


def runner(shop: Shop, detect: Any) -> Runner:
    host = Host(shop.settings, shop.registry, OPERATIONS, detect)
    return Runner(shop.registry, LocalDispatch({"Video": host}), shop.settings)


@pytest.fixture
def first_face(truth: list[list[list[float]]]) -> list[list[float]]:
    """The first shot's face in its first frame."""
    return [truth[0][0][1:5]]


@pytest.fixture(autouse=True)
def _weights_are_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("configs.models.resolver.Models.path", lambda self, name, progress=None: Path(name))


def part(request: JSON, **more: Any) -> JSON:
    """The first second: one face, which hardly moves."""
    return request | {"end_ms": 1000, **more}


async def test_a_hidden_face_passes(
    shop: Shop, speakers: Asset, truth: list[list[list[float]]], first_face: list[list[float]]
) -> None:
    oracle = Oracle(first_face)
    request = part(timeline(speakers.id, face_blur(shop.summary(speakers, truth).id)))
    answer = await runner(shop, oracle.detect).run("video_render", request, CONTEXT)
    report = shop.registry.artifact(SCOPE, answer["report_artifact_id"])
    body = json.loads(shop.registry.read(SCOPE, report))
    assert (body["residual_faces"], body["independent"], body["detector"]) == (0, True, "centerface")
    assert body["mode"] == "sampled"
    assert report.kind == "anonymise_report"
    assert oracle.calls


def shows(shop: Shop, main: Record, row: JSON) -> np.ndarray:
    """The picture [h, w, 3] of a row of a report's worst: it goes with `main`, and frames the hit."""
    record = shop.registry.artifact(SCOPE, row["picture_artifact_id"])
    assert (record.kind, record.media_type, record.main) == ("thumbnail", "image/jpeg", main.id)
    assert record.meta["shows_faces"] is True
    assert (record.start_ms, record.parent_asset_id) == (row["time_ms"], main.parent_asset_id)
    picture = np.asarray(Image.open(io.BytesIO(shop.registry.read(SCOPE, record)))).astype(int)
    assert picture.shape == (360, 640, 3)
    x, y, w, h = (round(value) for value in row["box"])
    for side in (picture[y, x + 5 : x + w - 5], picture[y + h, x + 5 : x + w - 5]):
        red, green, blue = side.mean(axis=0)
        assert red > max(green, blue) + 50
    return picture


async def test_a_face_whose_track_is_missing_is_covered(
    shop: Shop, speakers: Asset, truth: list[list[list[float]]], first_face: list[list[float]]
) -> None:
    """The summary lacks the first shot's track: the proof finds the face, and its repair hides it."""
    oracle = Oracle(first_face)
    request = part(timeline(speakers.id, face_blur(shop.summary(speakers, truth[1:]).id)))
    answer = await runner(shop, oracle.detect).run("video_render", request, CONTEXT)
    body = json.loads(shop.registry.read(SCOPE, shop.registry.artifact(SCOPE, answer["report_artifact_id"])))
    assert body["repaired_faces"] == 25  # each frame of the second
    (row,) = body["worst"]  # no two within a second
    assert row["kind"] == "repaired"
    assert row["frame"] in {shown["frame"] for shown in body["repaired"]}
    picture = shows(shop, shop.registry.artifact(SCOPE, answer["artifact_id"]), row)
    x, y, w, h = (round(value) for value in row["box"])
    assert picture[y + h // 2 - 20 : y + h // 2 + 20, x + w // 2 - 20 : x + w // 2 + 20].std(axis=(0, 1)).max() < 8
    assert (body["residual_faces"], body["passes"]) == (0, 2)


async def test_what_cannot_be_covered_is_not_kept(
    shop: Shop,
    speakers: Asset,
    truth: list[list[list[float]]],
    first_face: list[list[float]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Cover, "paint", lambda self, frame, number: None)
    request = part(timeline(speakers.id, face_blur(shop.summary(speakers, truth[1:]).id, style="mosaic")))
    run = runner(shop, Oracle(first_face).detect)
    with pytest.raises(ResidualFaces) as caught:
        await run.run("video_render", request, CONTEXT)
    assert caught.value.status == 422
    id = caught.value.details["report_artifact_id"]
    report = shop.registry.artifact(SCOPE, id)
    assert report.meta["residual_faces"] > 0
    assert report.parent_asset_id == speakers.id
    plan = shop.plan(request)
    assert not any(
        child.startswith("render_") and shop.registry.artifact(SCOPE, child).meta.get("cache_key") == plan.cache_key
        for child in shop.registry.children(SCOPE, speakers.id)
    )
    body = json.loads(shop.registry.read(SCOPE, report))
    assert {row["kind"] for row in body["worst"]} == {"residual", "repaired"}
    for row in body["worst"]:
        shows(shop, report, row)
    kept = await run.run("video_render", request | {"allow_residual": True}, CONTEXT)
    assert shop.registry.artifact(SCOPE, kept["artifact_id"]).meta["residual_faces"] > 0
    assert any(warning.get("field") == "allow_residual" for warning in kept["warnings"])


async def test_faces_that_the_caller_left_open_do_not_count(
    shop: Shop, speakers: Asset, truth: list[list[list[float]]], first_face: list[list[float]]
) -> None:
    summary = shop.summary(speakers, truth)
    for choice_of in ({"tracks": {"exclude": [1]}}, {"spans": [{"start_ms": 2000, "end_ms": 3000}]}):
        request = part(timeline(speakers.id, face_blur(summary.id, **choice_of)))
        answer = await runner(shop, Oracle(first_face).detect).run("video_render", request, CONTEXT)
        body = json.loads(shop.registry.read(SCOPE, shop.registry.artifact(SCOPE, answer["report_artifact_id"])))
        assert (body["residual_faces"], body["repaired_faces"], body["artefacts"]) == (0, 0, 0)


async def test_a_hit_without_a_counterpart_is_an_artefact(
    shop: Shop, speakers: Asset, truth: list[list[list[float]]]
) -> None:
    """The first two calls search the file, coarse and fine, the others the frames without face_blur, which show nothing
    there."""
    calls = 0

    async def detect(detector: str, frames: np.ndarray) -> list[np.ndarray]:
        nonlocal calls
        calls += 1
        row = np.array([[10, 10, 40, 40, 0.9 if calls <= 2 else 0.4, *[np.nan] * 10]], np.float32)
        return [row] * len(frames)

    request = part(timeline(speakers.id, face_blur(shop.summary(speakers, truth).id, style="solid")))
    answer = await runner(shop, detect).run("video_render", request, CONTEXT)
    body = json.loads(shop.registry.read(SCOPE, shop.registry.artifact(SCOPE, answer["report_artifact_id"])))
    assert body["residual_faces"] == body["repaired_faces"] == 0
    assert body["artefacts"] == body["frames"] > 0


def test_the_searcher_did_not_make_the_summary() -> None:
    everything = lambda model: True  # noqa: E731
    assert choice(["yunet"], "sampled", everything) == {
        "detector": "centerface", "model": "centerface", "scale": 1, "coarse": 0.5, "independent": True, "also": None
    }  # fmt: skip
    assert choice(["centerface"], "sampled", everything)["model"] == "yunet"  # type: ignore[index]
    assert choice(["centerface", "yunet"], "sampled", everything)["model"] == "blazeface_full"  # type: ignore[index]
    alone = choice(["yunet"], "full", lambda model: model == "yunet")
    assert alone == {
        "detector": "opencv_face_detector",
        "model": "yunet",
        "scale": 2,
        "coarse": None,
        "independent": False,
        "also": None,
    }
    assert choice([], "full", lambda model: False) is None


def test_a_full_proof_asks_the_summarys_detector_too() -> None:
    full = choice(["yunet"], "full", lambda model: True)
    assert full
    assert full["detector"] == "centerface"
    assert full["also"] == {"detector": "opencv_face_detector", "model": "yunet"}
    assert choice([], "full", lambda model: True)["also"] is None  # type: ignore[index]


def test_what_a_sampled_proof_looks_at() -> None:
    notes = Notes(Path("none"), "bt601", Fraction(1, 25))
    notes.pts.extend(range(100))  # 4 s
    notes.cuts = [30]
    notes.tracks = {(0, 1): [40, 51], (0, 2): [5, 29]}
    beside = {39, 52, 4}  # 30 is in another shot
    wanted = {0, 14, 29, 30, 64, 99, 40, 45, 51, 5, 17} | beside | {k * 500 * 25 // 1000 for k in range(8)}
    assert notes.searched("sampled") == sorted(wanted)
    assert notes.searched("full") == list(range(100))


def test_a_coarse_look_is_enough_only_where_all_faces_known_are_large() -> None:
    notes = Notes(Path("none"), "bt601", Fraction(1, 25))
    notes.pts.extend(range(90))
    notes.cuts = [30, 60]  # a large face, a small one, none
    notes.tracks = {(0, 1): [0, 29], (0, 2): [30, 40], (0, 3): [30, 59]}
    notes.small = {(0, 3)}
    chosen = notes.searched("sampled")
    assert notes.fine(chosen) == {14, *(n for n in chosen if n >= 30)}


def test_anonymised_sequences_are_searched_by_default(
    shop: Shop, speakers: Asset, truth: list[list[list[float]]]
) -> None:
    blurred = timeline(speakers.id, face_blur(shop.summary(speakers, truth).id))
    assert shop.plan(blurred).parameters["proof"]["mode"] == "sampled"
    assert shop.plan(blurred | {"proof": "off"}).parameters["proof"] is None
    assert shop.plan(timeline(speakers.id)).parameters["proof"] is None
    keys = {shop.plan(blurred | more).cache_key for more in ({}, {"proof": "full"}, {"allow_residual": True})}
    assert len(keys) == 3


class Scripted:
    """A detector that answers by the size it is shown: confidences of one face at the same place."""

    def __init__(self, coarse: float, fine: float) -> None:
        self.confidence, self.seen = {320: coarse, 640: fine}, {320: 0, 640: 0}

    async def detect(self, detector: str, frames: np.ndarray) -> list[np.ndarray]:
        width = frames.shape[2]
        self.seen[width] += len(frames)
        scale = width / 640
        row = np.array([[200 * scale, 60 * scale, 200 * scale, 240 * scale, self.confidence[width], *[np.nan] * 10]])
        return [row.astype(np.float32)] * len(frames)


@pytest.mark.parametrize(
    ("coarse", "fine", "looks", "faces"),
    [(0.1, 0.0, 1, 0), (0.3, 0.1, None, 0), (0.3, 0.9, None, 1), (0.9, 0.9, 1, 1)],
    ids=["nothing", "a doubt that is none", "a doubt that is a face", "a face"],
)
async def test_a_coarse_look_in_doubt_is_followed_by_a_fine_one(
    shop: Shop,
    speakers: Asset,
    truth: list[list[list[float]]],
    monkeypatch: pytest.MonkeyPatch,
    coarse: float,
    fine: float,
    looks: int | None,
    faces: int,
) -> None:
    """One large face in one second: fine looks at its middle, and at each frame in which the coarse one doubts."""
    monkeypatch.setattr("deployments.engines.video_render.proof.REPAIRS", 0)
    script = Scripted(coarse, fine)
    request = part(timeline(speakers.id, face_blur(shop.summary(speakers, truth).id)), allow_residual=True)
    answer = await runner(shop, script.detect).run("video_render", request, CONTEXT)
    body = json.loads(shop.registry.read(SCOPE, shop.registry.artifact(SCOPE, answer["report_artifact_id"])))
    assert body["fine_frames"] == (body["frames"] if looks is None else looks)
    assert body["residual_faces"] == faces * body["frames"]
