"""A render's plan: its key, its answer and notices, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from artifacts import Asset
from configs.profiles import profiles
from deployments.engines.video_render.models import RenderRequest
from deployments.engines.video_render.plan import answer, preview
from deployments.errors import InvalidRequest, UnknownPreset
from deployments.operation import JSON
from deployments.timeline import sequences
from deployments.timeline.models import SequenceRequest
from tests.unit.renders import (
    SCOPE,
    Shop,
    face_blur,
    timeline,
)


def test_names_are_not_part_of_the_key(shop: Shop, speakers: Asset) -> None:
    """A stored sequence and the same one inline are one render; defaults are filled in."""
    spelled = timeline(speakers.id, in_ms=0, out_ms=23640, opacity=1.0) | {"render_profile": "source"}
    request = SequenceRequest.model_validate(timeline(speakers.id)["sequence"])
    stored = sequences.create(shop.registry, SCOPE, sequences.new_id(SCOPE), request)
    found = {shop.plan(r).cache_key for r in (spelled, timeline(speakers.id), {"sequence_id": stored.body["id"]})}
    assert len(found) == 1


def test_what_changes_bytes_changes_the_key(shop: Shop, blurred: JSON, speakers: Asset) -> None:
    filters = blurred["sequence"]["tracks"][0]["clips"][0]["filters"]
    softer = [{**filters[0], "params": filters[0]["params"] | {"filter_strength": 0.6}}]
    requests = [
        blurred, timeline(speakers.id), timeline(speakers.id, *softer), timeline(speakers.id, out_ms=1000),
        timeline(speakers.id, opacity=0.5), timeline(speakers.id) | {"render_profile": "draft_480p_fast"},
    ]  # fmt: skip
    assert len({shop.plan(request).cache_key for request in requests}) == len(requests)
    same = [{**filters[0], "params": filters[0]["params"] | {"filter_strength": 0.9}}]
    assert shop.plan(timeline(speakers.id, *same)).cache_key == shop.plan(blurred).cache_key


def test_the_answer_and_its_notices(shop: Shop, blurred: JSON, speakers: Asset) -> None:
    made = shop.plan(blurred)
    meta = {"profile": "source", "duration_ms": 1, "width": 1, "height": 1, "fps": 25, "plan_hash": "x",
            "encoder": "e", "dependencies": []}  # fmt: skip
    record = shop.artifact("render", "video/mp4", b"x", meta, speakers.id)
    said = answer(made, record, shop.registry)
    assert (said["artifact_id"], said["asset_id"], said["uri"]) == (record.id, speakers.id, record.uri)
    assert said["render_profile"] == "source"
    assert said["plan_preview"]["width"] == 640
    (notice,) = said["dependency_notices"]
    assert set(notice) == {"kind", "artifact_id", "backend_version", "cache_key", "asset_id", "level", "message"}
    assert (notice["kind"], notice["level"]) == ("video_region_summary", "info")
    assert preview(made, shop.registry)["dependency_notices"] == said["dependency_notices"]
    assert {item.role for item in made.inputs} == {"video", "summary", "tracks"}


def test_a_stub_is_pointed_out(shop: Shop, speakers: Asset, truth: list[list[list[float]]]) -> None:
    stub = shop.summary(speakers, truth, stub=True, stub_reason="no weights")
    (notice,) = preview(shop.plan(timeline(speakers.id, face_blur(stub.id))), shop.registry)["dependency_notices"]
    assert notice["level"] == "warning"
    assert "no weights" in notice["message"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tracks": []}, "sequence.tracks"),
        ({"twice": True}, "sequence.tracks[0].clips[1].start_ms_on_timeline"),
        ({"clip": {"crop": [0, 0, 642, 360]}}, "crop"),
        ({"clip": {"filters": [{"type": "sepia"}]}}, "filters[0].type"),
    ],
)
def test_what_is_not_served_is_refused_by_name(change: JSON, field: str, shop: Shop, speakers: Asset) -> None:
    request = timeline(speakers.id, **change.get("clip", {}))
    tracks = request["sequence"]["tracks"]
    if "tracks" in change:
        request["sequence"]["tracks"] = []
    if change.get("twice"):
        tracks[0]["clips"] = [clip | {"start_ms_on_timeline": n * 500} for n, clip in enumerate(tracks[0]["clips"] * 2)]
    with pytest.raises(InvalidRequest) as caught:
        shop.plan(request)
    assert field in caught.value.details["field"]


def test_a_mask_of_another_size_is_refused(shop: Shop, speakers: Asset) -> None:
    small = shop.mask(np.zeros((10, 10), np.uint8))
    with pytest.raises(InvalidRequest, match="640x360"):
        shop.plan(timeline(speakers.id, mask_artifact_id=small.id))


def test_unknown_profiles_are_listed(shop: Shop, speakers: Asset) -> None:
    with pytest.raises(UnknownPreset, match="draft_480p_fast"):
        shop.plan(timeline(speakers.id) | {"render_profile": "vhs"})


def test_one_sequence_is_given() -> None:
    for body in ({}, {"sequence_id": "sequence_aaaaaaaa", "sequence": {"tracks": []}}):
        with pytest.raises(ValidationError, match="one of sequence_id, project_id and sequence"):
            RenderRequest.model_validate(body)


def test_every_profile_fixes_its_threads() -> None:
    assert {"source", "draft_480p_fast", "preview_720p_fast", "social_1080p_h264"} <= set(profiles())
    for name, profile in profiles().items():
        assert int(profile.options["threads"]) >= 1, name
