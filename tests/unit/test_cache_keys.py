"""What is found again: an equal request, however it is spelled; and what is not: one that differs where it matters."""

from __future__ import annotations

from typing import Any

import pytest

from artifacts import Scope
from configs.settings import Settings
from deployments.operation import Context, Plan
from deployments.operations import OPERATIONS
from tests.unit.documented import Documented

JSON = dict[str, Any]
SCOPE = Scope("t_acme", "dev")
CLIP = {"asset_id": "asset_aaaaaaaa", "in_ms": 0, "out_ms": 2000}


def sequence(**clip: Any) -> JSON:
    return {"sequence": {"tracks": [{"kind": "video", "clips": [CLIP | clip]}]}}


def hidden(**params: Any) -> JSON:
    return sequence(filters=[{"type": "face_blur", "params": {"source_summary_id": "SUMMARY"} | params}])


BASES: dict[str, JSON] = {
    "video_regions": {"asset_id": "asset_aaaaaaaa", "backend": "opencv_face_detector"},
    "video_visual_meta": {"asset_id": "asset_aaaaaaaa"},
    "video_captions": {"asset_id": "asset_aaaaaaaa", "model": "base", "language": "en"},
    "video_render": hidden() | {"render_profile": "source"},
}
MATTERS: dict[str, tuple[JSON, ...]] = {
    "video_regions": (
        {"frame_sample_interval_ms": 400},
        {"min_confidence": 0.61},
        {"mode": "sampled"},
        {"mode": "every_frame"},
        {"backend": "centerface"},
        {"backend": "torch_face_detector"},
        {"include_regions": ["face", "eyes"]},
    ),
    "video_visual_meta": ({"frame_sample_interval_ms": 400}, {"detect_shot_boundaries": False}, {"backend": "stub"}),
    "video_captions": (
        {"language": "de"},
        {"language": "auto"},
        {"model": "tiny.en"},
        {"backend": "faster_whisper"},
        {"task": "translate"},
    ),
    "video_render": (
        {"render_profile": "draft_480p_fast"},
        {"start_ms": 200},
        {"end_ms": 1200},
        {"normalize_audio": True},
        {"normalize_audio": True, "target_loudness_lufs": -16},
        {"ducking": True},
        {"burn_in_captions": {"artifact_id": "TRANSCRIPT"}},
        {"burn_in_captions": {"artifact_id": "TRANSCRIPT", "style": {"size": 0.06}}},
        {"burn_in_captions": {"artifact_id": "TRANSCRIPT", "style": {"color": "#ffff00"}}},
        {"soft_captions": {"artifact_id": "TRANSCRIPT"}},
        {"proof": "full"},
        {"proof": "off"},
        {"allow_residual": True},
        sequence(),
        hidden(preset="medium"),
        hidden(style="mosaic"),
        hidden(min_face_px=20),
        hidden(tracks={"exclude": [1]}),
        hidden(spans=[{"start_ms": 0, "end_ms": 500}]),
        sequence(in_ms=100),
        sequence(opacity=0.5),
        sequence(volume_db=-6),
        sequence(speed=2.0),
        sequence(blend_mode="screen"),
    ),
}
SAME: dict[str, tuple[JSON, ...]] = {
    "video_regions": (
        {"frame_sample_interval_ms": 500},
        {"mode": "auto"},
        {"include_regions": ["face"]},
        {"min_confidence": Settings().video_regions_min_confidence},
    ),
    "video_visual_meta": ({"frame_sample_interval_ms": 500}, {"sample_interval_ms": 500}),
    "video_captions": ({"task": "transcribe"}, {"backend": "whisper_openai"}),
    "video_render": ({"start_ms": 0}, {"end_ms": 2000}, {"normalize_audio": False}, {"proof": "sampled"}),
}


def plan(bench: Documented, name: str, request: JSON, settings: Settings | None = None) -> Plan:
    """The request's plan, against what the documented examples made."""
    operation = OPERATIONS[name]
    text = bench.real(_named(bench, request))
    model = operation.request.model_validate(text)
    chosen = settings or Settings(models_path=bench.models)
    return operation.plan(model, Context(SCOPE, "test"), bench.registry, chosen)


def _named(bench: Documented, value: Any) -> Any:
    """The value with the places of a summary and a transcript filled in."""
    made = {
        "SUMMARY": bench.answers["post /video/regions"].json()["summary_artifact_id"],
        "TRANSCRIPT": bench.answers["post /video/captions/generate"].json()["artifact_id"],
    }
    if isinstance(value, dict):
        return {name: _named(bench, inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_named(bench, inner) for inner in value]
    return made.get(value, value) if isinstance(value, str) else value


def turned(value: Any) -> Any:
    """The same JSON with each object's fields the other way round."""
    if isinstance(value, dict):
        return {name: turned(value[name]) for name in reversed(value)}
    return [turned(inner) for inner in value] if isinstance(value, list) else value


def changes(table: dict[str, tuple[JSON, ...]]) -> list[Any]:
    rows = [(name, n, change) for name, changed in table.items() for n, change in enumerate(changed)]
    return [pytest.param(name, change, id=f"{name}-{n}") for name, n, change in rows]


@pytest.mark.parametrize(("name", "change"), changes(MATTERS))
def test_what_matters_is_another_artifact(documented: Documented, name: str, change: JSON) -> None:
    assert plan(documented, name, BASES[name] | change).cache_key != plan(documented, name, BASES[name]).cache_key


@pytest.mark.parametrize("name", list(MATTERS))
def test_no_two_of_these_requests_share_an_artifact(documented: Documented, name: str) -> None:
    keys = [plan(documented, name, BASES[name] | change).cache_key for change in MATTERS[name]]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(("name", "change"), changes(SAME))
def test_a_default_that_is_spelled_out_changes_nothing(documented: Documented, name: str, change: JSON) -> None:
    assert plan(documented, name, BASES[name] | change).cache_key == plan(documented, name, BASES[name]).cache_key


@pytest.mark.parametrize("name", list(BASES))
def test_the_order_of_fields_changes_nothing(documented: Documented, name: str) -> None:
    assert plan(documented, name, turned(BASES[name])).cache_key == plan(documented, name, BASES[name]).cache_key


def test_settings_that_change_the_bytes_change_the_key(documented: Documented) -> None:
    body = {"asset_id": "asset_aaaaaaaa"}
    plain = plan(documented, "video_regions", body)
    other = Settings(models_path=documented.models, video_regions_min_confidence=0.7)
    assert plan(documented, "video_regions", body, other).cache_key != plain.cache_key
    faster = Settings(models_path=documented.models, threads=1)
    assert plan(documented, "video_regions", body, faster).cache_key == plain.cache_key
