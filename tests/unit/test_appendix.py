"""The appendix of the contract, field by field: what each live answer must hold, with its type, and what it may."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.documented import ACME, Documented

JSON = dict[str, Any]
NUMBER = (int, float)
BOX = [NUMBER]
MADE = {"cache": str, "warnings": list}
ASSET = {
    "id": str,
    "kind": str,
    "media_type": str,
    "size_bytes": int,
    "sha256": str,
    "width?": int,
    "height?": int,
    "duration_ms?": int,
    "fps?": NUMBER,
    "audio_channels?": int,
    "sample_rate?": int,
    "codec_info?": dict,
    "tags": [str],
    "meta": dict,
    "created_at": str,
}
ARTIFACT = {
    "id": str,
    "kind": str,
    "parent_asset_id": (str, type(None)),
    "uri": str,
    "sha256": str,
    "size_bytes": int,
    "media_type": str,
    "start_ms?": int,
    "end_ms?": int,
    "inputs": [{"id": str, "role": str}],
    "origin": str,
    "meta": dict,
    "created_at": str,
}
RENDERED = MADE | {
    "artifact_id": str,
    "uri": str,
    "format": str,
    "width": int,
    "height": int,
    "preset_id": str,
    "filename": str,
    "meta": dict,
}
CUE = {"index": int, "start_ms": int, "end_ms": int, "lines": [str]}
WORD = {"start_ms": int, "end_ms": int, "text": str, "probability": NUMBER}
SEQUENCE = {
    "id": str,
    "project_id?": str,
    "version": int,
    "render_profile": str,
    "duration_ms": int,
    "tracks": [{"id": str, "kind": str, "clips": [{"id": str, "asset_id?": str, "artifact_id?": str}]}],
    "transitions": [{"id": str, "kind": str, "from_clip_id": str, "to_clip_id": str, "duration_ms": int}],
    "automation": [{"target_id": str, "property": str, "keyframes": [{"ms": int, "value": NUMBER, "easing?": str}]}],
}
NOTICE = {
    "kind": str,
    "artifact_id": str,
    "backend_version": str,
    "cache_key": str,
    "asset_id": (str, type(None)),
    "level": str,
    "message": str,
}
STEP = {"operation": str, "cache": str, "differs": (list, type(None)), "device": str}
STEP |= {"seconds": (float, type(None)), "bytes": (int, type(None))}
PLANNED = MADE | {"plan_preview": dict, "dependency_notices": [NOTICE]}
JOB = {
    "id": str,
    "state": str,
    "progress": NUMBER,
    "frames_per_s?": NUMBER,
    "eta_s?": NUMBER,
    "artifact_ids": [str],
    "error?": dict,
    "created_at": str,
    "updated_at": str,
}
FRAME = {
    "timestamp_ms": int,
    "subjects": list,
    "primary_subject_center_x": (*NUMBER, type(None)),
    "primary_subject_center_y": (*NUMBER, type(None)),
    "shot_boundary": bool,
    "motion": NUMBER,
}
VISUAL = {
    "asset_id": str,
    "frames": [FRAME],
    "shots": [{"start_ms": int, "end_ms": int, "transition": (str, type(None))}],
    "duration_ms": int,
    "frame_sample_interval_ms": int,
}
REGION = {
    "time_ms": int,
    "region": str,
    "mask_artifact_id": str,
    "box": BOX,
    "confidence": NUMBER,
    "track_id": (int, str, type(None)),
}
REGIONS = {"asset_id": str, "entries": [REGION], "tracks": (list, dict), "meta": dict}

ANSWERS: dict[str, tuple[int, Any]] = {
    "post /media-v2/assets": (201, ASSET),
    "get /media-v2/assets/{id}": (200, {"asset": ASSET, "artifacts": [ARTIFACT]}),
    "get /media-v2/artifacts/{id}": (200, ARTIFACT),
    "get /media-v2/artifacts/{id}/lineage": (
        200,
        {"nodes": [{"id": str, "kind": str, "label": str}], "edges": [{"from": str, "to": str, "role": str}]},
    ),
    "post /image/render": (200, RENDERED),
    "post /image/batch-render": (200, MADE | {"results": {"*": RENDERED}, "total_count": int}),
    "post /image/masks": (200, MADE | {"artifact_id": str, "uri": str, "width": int, "height": int, "meta": dict}),
    "post /video/regions": (200, MADE | {"summary_artifact_id": str, "summary": REGIONS}),
    "post /video/visual-meta/analyze": (200, MADE | {"visual_meta_artifact_id": str, "uri": str, "meta": dict}),
    "get /video/visual-meta/{id}": (
        200,
        {"artifact_id": str, "uri": str, "summary": VISUAL, "artifact_meta": dict},
    ),
    "post /video/captions/generate": (200, MADE | {"artifact_id": str, "language": str, "cues": [CUE], "meta": dict}),
    "get /video/captions/{artifact_id}/json": (
        200,
        {"segments": [{"start_ms": int, "end_ms": int, "text": str, "words": [WORD]}], "cues": [CUE]},
    ),
    "post /video/anonymise/faces": (
        200,
        MADE
        | {
            "sequence_id": str,
            "clips_modified_count": int,
            "clip_ids": [str],
            "summary_ids": [str],
            "grade": str,
        },
    ),
    "post /video/render": (
        200,
        PLANNED
        | {
            "artifact_id": str,
            "asset_id": (str, type(None)),
            "uri": str,
            "render_profile": str,
            "report_artifact_id?": str,
        },
    ),
    "post /video/render/dry-run": (200, PLANNED | {"steps": [STEP], "estimate?": {"seconds": float, "bytes": int}}),
    "post /video/projects": (201, {"id": str, "name": (str, type(None)), "sequence_ids": [str], "version": int}),
    "post /video/sequences": (201, SEQUENCE),
    "get /video/sequences/{id}": (200, SEQUENCE),
    "get /jobs/{id}": (200, JOB),
}
"""A name that ends in `?` may be left out, and is then absent, not null; `*` stands for any name."""
REQUESTS: dict[str, str] = {
    "post /image/render": "composition preset_id format quality parent_asset_id",
    "post /image/batch-render": "composition preset_ids",
    "post /image/masks": "width height selection parent_asset_id",
    "post /image/preview": "composition max_side",
    "post /typography/render": (
        "text font size color box align line_height tracking variation_settings stroke shadow preset_id"
    ),
    "post /vector/scenes": "scene svg width height preset_id",
    "post /vector/render": "scene svg width height preset_id",
    "post /video/regions": "asset_id include_regions backend min_confidence frame_sample_interval_ms mode",
    "post /video/visual-meta/analyze": "asset_id frame_sample_interval_ms detect_shot_boundaries backend",
    "post /video/captions/generate": "asset_id language model backend task",
    "post /video/anonymise/faces": (
        "sequence_id asset_id filter_strength preset style min_face_px tracks spans summary_id allow_stub"
    ),
    "post /video/render": (
        "sequence_id project_id sequence render_profile burn_in_captions "
        "soft_captions start_ms end_ms proof allow_residual"
    ),
    "post /video/projects": "name",
    "post /video/sequences": "project_id tracks transitions render_profile",
    "put /video/filter-stacks/{target_type}/{target_id}": "filters",
    "post /video/masks": "asset_id mask_artifact_id selection regions fit",
}
"""What a request takes, beside tenant_id, env and user_id."""


def misfits(shape: Any, value: Any, path: str = "") -> list[str]:
    """Where a value is not of its shape, as JSON paths."""
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{path} is {type(value).__name__}"]
        return [found for index, item in enumerate(value) for found in misfits(shape[0], item, f"{path}[{index}]")]
    if not isinstance(shape, dict):
        fits = isinstance(value, shape) and (not isinstance(value, bool) or shape is bool)
        return [] if fits else [f"{path} is {value!r}"]
    if not isinstance(value, dict):
        return [f"{path} is {type(value).__name__}"]
    rows = dict.fromkeys(value, shape["*"]) if "*" in shape else shape
    found = []
    for name, inner in rows.items():
        plain = name.removesuffix("?")
        if plain in value:
            found += misfits(inner, value[plain], f"{path}.{plain}")
        elif plain == name:
            found.append(f"{path}.{name} is absent")
    return found


@pytest.mark.parametrize("route", ANSWERS)
def test_a_live_answer_holds_every_field_of_the_appendix(documented: Documented, route: str) -> None:
    status, shape = ANSWERS[route]
    answer = documented.answers[route]
    assert answer.status_code == status, answer.text
    assert misfits(shape, answer.json()) == []


@pytest.mark.parametrize("route", REQUESTS)
def test_a_request_takes_every_field_of_the_appendix(documented: Documented, route: str) -> None:
    row = next(row for row in documented.rows if row.name == route)
    name = row.content["application/json"]["schema"]["$ref"].rpartition("/")[2]
    known = documented.document["components"]["schemas"][name]
    assert known["additionalProperties"] is False
    assert {*REQUESTS[route].split(), "tenant_id", "env", "user_id"} - known["properties"].keys() == set()


def test_a_sub_route_answers_the_whole_sequence_with_its_etag(documented: Documented) -> None:
    rows = [
        row for row in documented.rows if row.path.startswith(("/video/sequences/{id}/", "/video/clips", "/video/auto"))
    ]
    rows = [row for row in rows if row.method not in ("get", "delete")]
    assert len(rows) >= 6
    for row in rows:
        answer = documented.answers[row.name]
        assert misfits(SEQUENCE, answer.json()) == [], row.name
        assert answer.headers["etag"] == f'"{answer.json()["version"]}"'


def test_without_if_match_a_change_that_is_no_post_is_428(documented: Documented) -> None:
    row = next(row for row in documented.rows if row.name == "patch /video/clips/{id}")
    path, _ = documented.filled(row, {})
    answer = documented.http.patch(path, headers=ACME, json=row.body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (428, "precondition_required")


def test_prefer_respond_async_answers_a_hit_at_once_and_else_202_with_a_location(documented: Documented) -> None:
    row = next(row for row in documented.rows if row.name == "post /video/regions")
    hit = documented.run(row, ACME | {"Prefer": "respond-async"})
    assert (hit.status_code, hit.json()["cache"]) == (200, "hit")
    body = documented.real(row.body) | {"frame_sample_interval_ms": 3_600_000, "backend": "stub"}
    job = documented.run(row, ACME | {"Prefer": "respond-async"}, body=body)
    assert job.status_code == 202
    assert misfits(JOB, job.json()) == []
    assert job.headers["location"] == f"/jobs/{job.json()['id']}"
