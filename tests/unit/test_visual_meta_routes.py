"""Visual meta over HTTP: hits, stubs, refusals, what a clip finds, reframing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from artifacts import Registry, Scope
from deployments.engines.video_visual_meta.reframe import crop_size
from tests.unit.visual_meta import (
    SCOPE,
    analyzed,
    clip,
    error,
    http,
    mocked,
    registry,
    upload,
)

__all__ = ["clip", "http", "mocked", "registry"]


async def test_a_repeat_is_a_hit_and_each_parameter_makes_another(http: httpx.AsyncClient, clip: Path) -> None:
    asset = await upload(http, clip)

    async def made(**body: Any) -> tuple[str, str]:
        answer = (await http.post("/video/visual-meta/analyze", json={"asset_id": asset} | body)).json()
        return answer["visual_meta_artifact_id"], answer["cache"]

    first, cache = await made()
    assert cache == "miss"
    assert await made() == (first, "hit")
    assert await made(frame_sample_interval_ms=500, detect_shot_boundaries=True) == (first, "hit")
    assert await made(sample_interval_ms=500, backend="opencv_visual_meta") == (first, "hit")
    others = [await made(sample_interval_ms=400), await made(detect_shot_boundaries=False), await made(backend="stub")]
    assert [cache for _, cache in others] == ["miss"] * 3
    assert len({first, *(id for id, _ in others)}) == 4
    whole = (await http.get(f"/video/visual-meta/{others[1][0]}")).json()["summary"]
    assert whole["shots"] == [{"start_ms": 0, "end_ms": 7600, "transition": None}]
    assert not any(frame["shot_boundary"] for frame in whole["frames"])


async def test_a_stub_is_flagged_and_never_the_latest(http: httpx.AsyncClient, registry: Registry, clip: Path) -> None:
    asset = await upload(http, clip)
    answer = (await http.post("/video/visual-meta/analyze", json={"asset_id": asset, "backend": "stub"})).json()
    assert answer["meta"]["stub"] is True
    assert answer["meta"]["stub_reason"]
    assert [warning["field"] for warning in answer["warnings"]] == ["backend"]
    assert registry.latest(Scope("t_acme", "dev"), asset, "visual_meta") is None
    staging = SCOPE | {"X-Env": "staging"}
    body = {"asset_id": await upload(http, clip, staging), "backend": "stub"}
    refused = await http.post("/video/visual-meta/analyze", json=body, headers=staging)
    assert error(refused) == (503, "backend_unavailable", "backend")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"backend": "magic"}, (400, "unknown_backend", "backend")),
        ({"asset_id": "asset_bbbbbbbb"}, (404, "not_found", "asset_id")),
        ({"frame_sample_interval_ms": 9}, (400, "invalid_request", "frame_sample_interval_ms")),
        ({"frame_sample_interval_ms": 3_600_001}, (400, "invalid_request", "frame_sample_interval_ms")),
        ({"frame_sample_interval_ms": 500, "sample_interval_ms": 500}, (400, "invalid_request", "sample_interval_ms")),
        ({"shots": True}, (400, "invalid_request", "shots")),
    ],
)
async def test_what_is_refused(http: httpx.AsyncClient, clip: Path, body: Any, expected: Any) -> None:
    asset = await upload(http, clip)
    assert error(await http.post("/video/visual-meta/analyze", json={"asset_id": asset} | body)) == expected


async def test_the_limits_of_the_interval_are_taken(http: httpx.AsyncClient, clip: Path) -> None:
    asset = await upload(http, clip)
    for interval, count in ((10, 760), (3_600_000, 1)):
        got = await analyzed(http, asset_id=asset, frame_sample_interval_ms=interval, backend="stub")
        assert len(got["summary"]["frames"]) == count


async def test_a_clip_finds_what_it_shows(http: httpx.AsyncClient, clip: Path) -> None:
    asset = await upload(http, clip)
    track = {"kind": "video", "clips": [{"asset_id": asset, "in_ms": 2000, "out_ms": 5000}]}
    sequence = (await http.post("/video/sequences", json={"tracks": [track]})).json()
    id = sequence["tracks"][0]["clips"][0]["id"]
    assert (await http.get(f"/video/visual-meta/by-clip/{id}")).status_code == 404  # nothing is made yet
    suggested = await http.post("/video/visual-meta/reframe-suggestion", json={"clip_id": id, "aspect_ratio": "1:1"})
    assert suggested.status_code == 200
    assert {row["reason"] for row in suggested.json()["suggestions"]} == {"subject"}
    # the mocked face's center is 80 pixels from the left, so a crop of 180 begins at the edge
    assert [row["crop"] for row in suggested.json()["suggestions"]] == [[0, 0, 180, 180]] * 2
    assert "POST /video/visual-meta/analyze was done first" in suggested.json()["warnings"][0]["message"]
    assert [(row["start_ms"], row["end_ms"]) for row in suggested.json()["suggestions"]] == [(2000, 3600), (3600, 5000)]
    got = (await http.get(f"/video/visual-meta/by-clip/{id}")).json()
    assert (got["clip_id"], got["in_ms"], got["out_ms"]) == (id, 2000, 5000)
    assert got["artifact_id"] == suggested.json()["visual_meta_artifact_id"]
    assert got["summary"]["shots"] == [
        {"start_ms": 2000, "end_ms": 3600, "transition": None},
        {"start_ms": 3600, "end_ms": 5000, "transition": "fade"},
    ]
    assert [frame["timestamp_ms"] for frame in got["summary"]["frames"]] == list(range(2000, 5000, 500))


@pytest.mark.parametrize("id", ["clip_aaaaaaaa", "nothing", "clip_", "track_aaaaaaaaaaaaaaaa"])
async def test_absent_clips_and_artifacts_are_the_same_404(http: httpx.AsyncClient, id: str) -> None:
    answers = [await http.get(f"/video/visual-meta/{path}{id}") for path in ("", "by-clip/")]
    answers.append(await http.get("/video/regions/" + id))
    answers.append(await http.get("/video/masks/" + id))
    bodies = [{k: v for k, v in answer.json()["error"].items() if k != "request_id"} for answer in answers]
    assert bodies[0]["http_status"] == 404
    assert all(body == bodies[0] for body in bodies)


@pytest.mark.parametrize(("ratio", "good"), [("20:1", True), ("21:1", False), ("0:1", False), ("9x16", False)])
async def test_aspect_ratios_have_limits(http: httpx.AsyncClient, clip: Path, ratio: str, good: bool) -> None:
    asset = await upload(http, clip)
    answer = await http.post("/video/visual-meta/reframe-suggestion", json={"asset_id": asset, "aspect_ratio": ratio})
    assert (answer.status_code == 200) is good
    if not good:
        assert error(answer) == (400, "invalid_request", "aspect_ratio")


def test_crops_are_the_largest_even_ones_of_their_ratio() -> None:
    assert crop_size((1920, 1080), 1, 1) == (1080, 1080)
    assert crop_size((1920, 1080), 9, 16) == (606, 1080)  # 607.5 is not even
    assert crop_size((1080, 1920), 16, 9) == (1080, 606)
    assert crop_size((1920, 1080), 16, 9) == (1920, 1080)
