"""Anonymise: one face_blur filter a clip that shows a face, replaced and never stacked."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from artifacts import Asset, Draft, Record, Registry, Scope, Store, keys
from artifacts.canonical import make_id
from artifacts.errors import NotFound
from configs.settings import Settings
from deployments.engines.video_anonymise.models import AnonymiseRequest
from deployments.engines.video_anonymise.plan import act, plan
from deployments.engines.video_render.models import FaceBlur
from deployments.errors import InvalidRequest, StubDependency, WrongAsset
from deployments.operation import Context, Input, Plan
from deployments.timeline import sequences
from deployments.timeline.models import SequenceRequest

SCOPE = Scope("t_acme", "dev")
CONTEXT = Context(SCOPE, "request")
SETTINGS = Settings()
VIDEO, SECOND, IMAGE = (f"asset_{letter * 8}" for letter in "abc")


@pytest.fixture
def registry() -> Registry:
    """Two videos of 8 s and a picture."""
    made = Registry(Store("memory://"))
    for id, kind in ((VIDEO, "video"), (SECOND, "video"), (IMAGE, "image")):
        meta = {"width": 640, "height": 360} | ({"duration_ms": 8000} if kind == "video" else {})
        asset = Asset(id, kind, "x/y", 1, "0" * 64, "store://", "2026-01-01T00:00:00.000Z", [], meta)
        made.store.create(keys.asset(SCOPE, id), asset.to_bytes())
    return made


def summary(
    registry: Registry,
    asset_id: str = VIDEO,
    spans: list[tuple[int, int]] | None = None,
    *,
    older: bool = False,
    height: float = 100,
    **meta: Any,
) -> Record:
    """A summary with one track a span; `older` ones have entries alone."""
    spans = [(1000, 5000)] if spans is None else spans
    key = make_id("key", asset_id, [list(span) for span in spans], older, height, meta)
    tracks_id = registry.side_id(SCOPE, "video_region_summary", key, "face_tracks", "face_tracks")
    about = {
        "backend": "opencv_face_detector",
        "backend_version": "7",
        "model_used": "yunet",
        "cache_key": key,
        "duration_ms": 8000,
        "frame_sample_interval_ms": 500,
        "include_regions": ["face"],
    } | meta
    body: dict[str, Any] = {
        "asset_id": asset_id,
        "entries": [{"time_ms": start, "region": "face"} for start, _ in spans],
        "meta": about,
    }
    sides = []
    if not older:
        about["face_tracks_artifact_id"] = tracks_id
        body["tracks"] = [
            {"track_id": n, "region": "face", "start_ms": start, "end_ms": end} for n, (start, end) in enumerate(spans)
        ]
        boxes = {"tracks": [{"track_id": n, "boxes": [[0, 0, 0, 60, height, 0.9, 1]]} for n in range(len(spans))]}
        tracks = {"width": 640, "height": 360, "tracks_count": len(spans)}
        sides = [Draft("face_tracks", "face_tracks", "application/json", json.dumps(boxes).encode(), tracks)]
    main = Draft("", "video_region_summary", "application/json", json.dumps(body).encode(), about)
    inputs = [{"id": asset_id, "role": "asset"}]
    record = registry.commit(SCOPE, cache_key=key, main=main, sides=sides, inputs=inputs, parent_asset_id=asset_id)
    registry.set_latest(SCOPE, record)
    return record


def planned(registry: Registry, **body: Any) -> Plan:
    return plan(AnonymiseRequest.model_validate(body), CONTEXT, registry, SETTINGS)


def acted(registry: Registry, **body: Any) -> tuple[dict[str, Any], bool]:
    return act(planned(registry, **body), registry, SETTINGS)


def filters(registry: Registry, id: str) -> list[list[dict[str, Any]]]:
    return [clip["filters"] for _, clip in sequences.clips_of(sequences.get(registry, SCOPE, id).body)]


def test_an_asset_gets_a_sequence_of_its_own_with_the_filter(registry: Registry) -> None:
    found = summary(registry)
    answer, changed = acted(registry, asset_id=VIDEO)
    document = sequences.get(registry, SCOPE, answer["sequence_id"])
    (clip,) = document.body["tracks"][0]["clips"]
    assert changed
    assert answer == {
        "sequence_id": sequences.id_of_asset(SCOPE, VIDEO),
        "clips_modified_count": 1,
        "clip_ids": [clip["id"]],
        "summary_ids": [found.id],
        "grade": "irreversible",
    }
    assert clip["filters"] == [
        {
            "type": "face_blur",
            "params": {
                "source_summary_id": found.id,
                "backend_version": "7",
                "preset": "strong",
                "style": "blur",
                "filter_strength": 0.8,
                "min_face_px": 0,
            },
            "enabled": True,
        }
    ]
    FaceBlur.model_validate(clip["filters"][0]["params"])  # the renderer understands it


def test_the_same_again_makes_no_new_version(registry: Registry) -> None:
    summary(registry)
    first, _ = acted(registry, asset_id=VIDEO)
    second, changed = acted(registry, asset_id=VIDEO)
    assert not changed
    assert second == first
    assert sequences.get(registry, SCOPE, first["sequence_id"]).version == 1


def test_another_look_replaces_the_filter(registry: Registry) -> None:
    summary(registry)
    answer, _ = acted(registry, asset_id=VIDEO)
    later, changed = acted(registry, asset_id=VIDEO, style="mosaic", filter_strength=0.6)
    assert changed
    assert later["grade"] == "reversible"
    ((only,),) = filters(registry, answer["sequence_id"])
    assert (only["params"]["preset"], only["params"]["style"]) == ("medium", "mosaic")
    assert sequences.get(registry, SCOPE, answer["sequence_id"]).version == 2


@pytest.mark.parametrize(
    ("body", "preset", "grade"),
    [
        ({}, "strong", "irreversible"),
        ({"filter_strength": 0.8}, "strong", "irreversible"),
        ({"filter_strength": 0.79}, "medium", "reversible"),
        ({"filter_strength": 0.5}, "medium", "reversible"),
        ({"filter_strength": 0.49}, "light", "reversible"),
        ({"filter_strength": 0}, "light", "reversible"),
        ({"preset": "light"}, "light", "reversible"),
        ({"preset": "light", "style": "solid"}, "light", "irreversible"),
    ],
)
def test_strength_preset_and_grade(registry: Registry, body: dict[str, Any], preset: str, grade: str) -> None:
    summary(registry)
    answer, _ = acted(registry, asset_id=VIDEO, **body)
    ((only,),) = filters(registry, answer["sequence_id"])
    assert (only["params"]["preset"], answer["grade"]) == (preset, grade)
    params = FaceBlur.model_validate(only["params"])
    assert (params.look, params.grade) == (preset, grade)
    assert FaceBlur.model_validate(only["params"] | {"preset": None}).look == preset  # strength alone says the same


def test_without_a_summary_regions_are_needed_and_the_caller_is_told(registry: Registry) -> None:
    made = planned(registry, asset_id=VIDEO)
    assert [(need.role, need.operation, need.request["asset_id"]) for need in made.needs] == [
        ("summary", "video_regions", VIDEO)
    ]
    assert "POST /video/regions" in made.warnings[0].message
    assert "min_face_px" not in made.needs[0].request
    assert planned(registry, asset_id=VIDEO, min_face_px=80).needs[0].request["min_face_px"] == 80
    found = summary(registry)
    resolved = replace(made, needs=(), inputs=(*made.inputs, Input(found.id, "summary")))
    answer, changed = act(resolved, registry, SETTINGS)
    assert (answer["summary_ids"], changed) == ([found.id], True)
    assert planned(registry, asset_id=VIDEO).needs == ()


def test_a_summary_without_faces_leaves_the_clip_without_a_filter(registry: Registry) -> None:
    summary(registry)
    before, _ = acted(registry, asset_id=VIDEO)
    empty = summary(registry, spans=[])
    answer, changed = acted(registry, asset_id=VIDEO, summary_id=empty.id)
    assert changed
    assert (answer["clips_modified_count"], answer["clip_ids"]) == (0, [])
    assert filters(registry, before["sequence_id"]) == [[]]


def test_a_clip_whose_faces_are_left_open_says_so(registry: Registry) -> None:
    """The filter stays, so that the proof knows which faces the caller left open."""
    summary(registry, height=30)
    answer, _ = acted(registry, asset_id=VIDEO, min_face_px=31)
    ((only,),) = filters(registry, answer["sequence_id"])
    assert FaceBlur.model_validate(only["params"]).min_face_px == 31


def test_tracks_are_chosen_by_number(registry: Registry) -> None:
    summary(registry, spans=[(0, 1000), (2000, 3000)])
    answer, _ = acted(registry, asset_id=VIDEO, tracks={"exclude": [1]})
    ((only,),) = filters(registry, answer["sequence_id"])
    chosen = FaceBlur.model_validate(only["params"]).tracks
    assert chosen is not None
    assert [chosen.paints(id) for id in (0, 1)] == [True, False]
    with pytest.raises(InvalidRequest, match="no track 2") as refused:
        acted(registry, asset_id=VIDEO, tracks={"include": [0, 2]})
    assert refused.value.details["field"] == "tracks.include[1]"
    for wrong in ({}, {"include": [0], "exclude": [1]}):
        with pytest.raises(ValueError, match="exactly one of include and exclude"):
            planned(registry, asset_id=VIDEO, tracks=wrong)


def test_spans_are_kept_in_the_sources_time(registry: Registry) -> None:
    """The clip shows 2000 to 6000 ms of its source from 500 ms on: 1000 to 9000 of the timeline is 2500 to 6000."""
    summary(registry)
    clip = {"asset_id": VIDEO, "in_ms": 2000, "out_ms": 6000, "start_ms_on_timeline": 500}
    request = SequenceRequest.model_validate({"tracks": [{"kind": "video", "clips": [clip]}]})
    id = sequences.create(registry, SCOPE, sequences.new_id(SCOPE), request).body["id"]
    acted(registry, sequence_id=id, spans=[{"start_ms": 1000, "end_ms": 9000}])
    ((only,),) = filters(registry, id)
    assert only["params"]["spans"] == [{"start_ms": 2500, "end_ms": 6000}]
    acted(registry, sequence_id=id, spans=[{"start_ms": 5000, "end_ms": 9000}])
    ((only,),) = filters(registry, id)
    assert min(span["start_ms"] for span in only["params"]["spans"]) > 8000  # never within the source
    with pytest.raises(ValueError, match="does not lie after"):
        planned(registry, sequence_id=id, spans=[{"start_ms": 5, "end_ms": 5}])


@pytest.mark.parametrize("older", [False, True])
def test_each_clip_of_a_sequence_is_looked_at_by_its_own_stretch(registry: Registry, older: bool) -> None:
    found = summary(registry, spans=[(2000, 3000)], older=older)
    other = summary(registry, SECOND, [])
    kept = {"type": "face_blur", "params": {"source_summary_id": found.id}}
    clips = [
        {"asset_id": VIDEO, "out_ms": 1400, "filters": [kept]},
        {
            "asset_id": VIDEO,
            "in_ms": 2100,
            "out_ms": 2900,
            "filters": [{"type": "grain", "enabled": False}, kept, {"type": "glow", "enabled": False}],
        },
        {"asset_id": VIDEO, "in_ms": 3500},
        {"asset_id": SECOND},
    ]
    request = SequenceRequest.model_validate(
        {"tracks": [{"kind": "video", "clips": clips}, {"kind": "audio", "clips": [{"asset_id": VIDEO}]}]}
    )
    id = sequences.new_id(SCOPE)
    made = sequences.create(registry, SCOPE, id, request)
    answer, _ = acted(registry, sequence_id=id)
    assert answer["summary_ids"] == [found.id, other.id]
    assert answer["clip_ids"] == [made.body["tracks"][0]["clips"][1]["id"]]
    assert [[item["type"] for item in clip] for clip in filters(registry, id)] == [
        [],
        ["grain", "face_blur", "glow"],
        [],
        [],
        [],
    ]


def test_pictures_in_a_sequence_are_named_in_a_warning(registry: Registry) -> None:
    request = SequenceRequest.model_validate({"tracks": [{"kind": "overlay", "clips": [{"asset_id": IMAGE}]}]})
    id = sequences.new_id(SCOPE)
    sequences.create(registry, SCOPE, id, request)
    made = planned(registry, sequence_id=id)
    assert "faces in it are not looked for" in made.warnings[0].message
    assert act(made, registry, SETTINGS)[0]["clips_modified_count"] == 0


def test_a_summary_that_does_not_fit_is_refused(registry: Registry) -> None:
    with pytest.raises(NotFound) as absent:
        planned(registry, asset_id=VIDEO, summary_id="regions_aaaaaaaa")
    assert absent.value.field == "summary_id"
    with pytest.raises(WrongAsset):
        planned(registry, asset_id=VIDEO, summary_id=summary(registry, SECOND).id)
    found = summary(registry)
    with pytest.raises(InvalidRequest, match="no summary of faces"):
        planned(registry, asset_id=VIDEO, summary_id=found.meta["face_tracks_artifact_id"])


def test_what_a_stub_saw_is_refused_unless_allowed(registry: Registry) -> None:
    stub = summary(registry, stub=True, stub_reason="no weights")
    assert planned(registry, asset_id=VIDEO).needs  # a stub is never the latest
    with pytest.raises(StubDependency, match="allow_stub"):
        planned(registry, asset_id=VIDEO, summary_id=stub.id)
    by_need = replace(planned(registry, asset_id=VIDEO), needs=(), inputs=(Input(stub.id, "summary"),))
    with pytest.raises(StubDependency):
        act(by_need, registry, SETTINGS)
    assert registry.documents.get(SCOPE, sequences.TYPE, by_need.parameters["sequence_id"]) is None
    answer, _ = acted(registry, asset_id=VIDEO, summary_id=stub.id, allow_stub=True)
    assert answer["clips_modified_count"] == 1


def test_what_is_absent_or_no_video_is_refused(registry: Registry) -> None:
    for body in ({"asset_id": "asset_zzzzzzzz"}, {"sequence_id": "sequence_zzzzzzzz"}):
        with pytest.raises(NotFound):
            planned(registry, **body)
    with pytest.raises(InvalidRequest, match="give a video"):
        planned(registry, asset_id=IMAGE)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"asset_id": VIDEO, "sequence_id": "sequence_aaaaaaaa"},
        {"asset_id": VIDEO, "preset": "strong", "filter_strength": 0.1},
        {"asset_id": VIDEO, "filter_strength": 1.1},
        {"asset_id": VIDEO, "style": "pixels"},
        {"asset_id": VIDEO, "unknown": 1},
    ],
)
def test_malformed_requests_are_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        AnonymiseRequest.model_validate(body)
