"""Masks of videos: the same size or stretched, drawn from selections, united from regions."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from artifacts import Draft, Record, Registry, Scope, Store
from artifacts.kinds import check_meta
from configs.settings import Settings
from demo.clip import scene_frames, write_clip
from deployments.gateway.http import build_http
from deployments.replicas.local import local_runner

SCOPE = Scope("t_acme", "dev")
SIZE = (640, 360)
ELLIPSE = {"type": "ellipse", "x": 100, "y": 60, "width": 200, "height": 120, "feather_radius": 3}


@pytest.fixture
def registry() -> Registry:
    return Registry(Store("memory://"))


@pytest.fixture
async def http(tmp_path: Path, registry: Registry) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(mattebox_home=tmp_path, video_region_backend="stub")
    app = build_http(local_runner(settings, registry), registry, settings)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"X-Tenant-Id": "t_acme", "X-Env": "dev"}
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
        yield client


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_clip(path, scene_frames, 1.0)
    return path.read_bytes()


@pytest.fixture
async def asset(http: httpx.AsyncClient, clip: bytes) -> str:
    id: str = (await http.post("/media-v2/assets", files={"file": ("clip.mp4", clip)})).json()["id"]
    return id


async def pixels(http: httpx.AsyncClient, id: str) -> np.ndarray:
    answer = await http.get(f"/media-v2/artifacts/{id}/content")
    assert answer.headers["content-type"] == "image/png"
    image = Image.open(io.BytesIO(answer.content))
    assert image.mode == "L"
    return np.asarray(image)


async def made(http: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await http.post("/video/masks", json=body)
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


async def drawn(http: httpx.AsyncClient, width: int, height: int) -> str:
    body = {"width": width, "height": height, "selection": ELLIPSE}
    id: str = (await http.post("/image/masks", json=body)).json()["artifact_id"]
    return id


def summary(registry: Registry, asset: str, entries: list[dict[str, Any]], **more: Any) -> Record:
    meta = {
        "backend": "x", "backend_version": "1", "model_used": "yunet", "cache_key": "k", "duration_ms": 1000,
        "frame_sample_interval_ms": 500, "include_regions": ["face"],
    } | more  # fmt: skip
    data = json.dumps({"entries": entries}).encode()
    draft = Draft("", "video_region_summary", "application/json", data, meta)
    return registry.commit(SCOPE, cache_key=json.dumps([asset, entries, more]), main=draft, parent_asset_id=asset)


def entry(time_ms: int, box: list[float], track_id: int = 1) -> dict[str, Any]:
    return {"time_ms": time_ms, "region": "face", "mask_artifact_id": "mask_aaaaaaaa", "box": box, "track_id": track_id}


def error(answer: httpx.Response) -> tuple[int, str, str | None]:
    said = answer.json()["error"]
    return answer.status_code, said["code"], said["details"].get("field")


async def test_a_mask_of_the_same_size_becomes_the_videos(
    http: httpx.AsyncClient, registry: Registry, asset: str
) -> None:
    original = await drawn(http, *SIZE)
    said = await made(http, asset_id=asset, mask_artifact_id=original)
    record = registry.artifact(SCOPE, said["artifact_id"])
    check_meta("mask", record.media_type, record.meta)
    assert record.parent_asset_id == said["asset_id"] == asset
    assert {"id": original, "role": "mask"} in record.inputs
    assert (said["width"], said["height"], said["meta"]["feather"]) == (*SIZE, 3)
    assert np.array_equal(await pixels(http, said["artifact_id"]), await pixels(http, original))
    assert said["artifact_id"] in registry.children(SCOPE, original)
    got = (await http.get(f"/video/masks/{said['artifact_id']}")).json()
    assert got == {key: value for key, value in said.items() if key not in ("cache", "warnings")}


async def test_another_size_needs_stretch(http: httpx.AsyncClient, asset: str) -> None:
    for size in ((1280, 720), (639, 360), (640, 361)):
        body = {"asset_id": asset, "mask_artifact_id": await drawn(http, *size)}
        assert error(await http.post("/video/masks", json=body)) == (400, "invalid_request", "mask_artifact_id")
        refused = await http.post("/video/masks", json=body | {"fit": "exact"})
        assert "fit: stretch" in refused.json()["error"]["message"]
        said = await made(http, **body, fit="stretch")
        assert (said["width"], said["height"], said["meta"]["source"]["fit"]) == (*SIZE, "stretch")
        assert (await pixels(http, said["artifact_id"])).shape == SIZE[::-1]


async def test_a_stretched_mask_is_the_mean_of_what_its_pixels_cover(http: httpx.AsyncClient, asset: str) -> None:
    original = await drawn(http, 1280, 720)
    said = await made(http, asset_id=asset, mask_artifact_id=original, fit="stretch")
    wanted = Image.fromarray(await pixels(http, original)).resize(SIZE, Image.Resampling.BOX)
    got = await pixels(http, said["artifact_id"])
    assert np.abs(got.astype(int) - np.asarray(wanted)).max() <= 1


async def test_equal_requests_make_one_mask(http: httpx.AsyncClient, asset: str) -> None:
    original = await drawn(http, *SIZE)
    first = await made(http, asset_id=asset, mask_artifact_id=original)
    assert first["cache"] == "miss"
    for body in ({"fit": "exact"}, {"fit": "stretch"}):  # nothing is stretched at the same size
        again = await made(http, asset_id=asset, mask_artifact_id=original, **body)
        assert (again["artifact_id"], again["cache"]) == (first["artifact_id"], "hit")
    by_selection = await made(http, asset_id=asset, selection=ELLIPSE)
    assert by_selection["artifact_id"] == first["artifact_id"]  # the selection draws that very original


async def test_a_selection_is_drawn_in_the_videos_pixels(http: httpx.AsyncClient, asset: str) -> None:
    said = await made(http, asset_id=asset, selection=ELLIPSE)
    got = (await pixels(http, said["artifact_id"])).astype(float) / 255
    y, x = np.mgrid[0:360, 0:640] + 0.5
    where = np.hypot((x - 200) / 100, (y - 120) / 60)
    assert got[where < 0.8].min() > 0.99
    assert got[where > 1.2].max() < 0.01
    assert got.sum() == pytest.approx(np.pi * 100 * 60, rel=0.002)
    assert [item["role"] for item in said["inputs"]] == ["asset", "mask"]


async def test_regions_are_united_by_time_and_track(http: httpx.AsyncClient, registry: Registry, asset: str) -> None:
    boxes = {(0, 1): [0.1, 0.1, 0.2, 0.2], (500, 1): [0.15, 0.1, 0.2, 0.2], (500, 2): [0.6, 0.5, 0.3, 0.4]}
    record = summary(registry, asset, [entry(time, box, track) for (time, track), box in boxes.items()])
    asked: list[tuple[dict[str, Any], set[tuple[int, int]]]] = [
        ({}, {*boxes}),
        ({"time_ms": 499}, {(0, 1)}),
        ({"time_ms": 500}, {(500, 1), (500, 2)}),
        ({"time_ms": 999, "track_ids": [2]}, {(500, 2)}),
        ({"track_ids": [1]}, {(0, 1), (500, 1)}),
    ]
    y, x = np.mgrid[0:360, 0:640] + 0.5
    for regions, wanted in asked:
        said = await made(http, asset_id=asset, regions={"summary_id": record.id, **regions})
        assert said["meta"]["source"]["regions_count"] == len(wanted)
        inside = np.zeros((360, 640), bool)
        for key in wanted:
            left, top, width, height = np.array(boxes[key]) * [640, 360, 640, 360]
            inside |= np.hypot((x - left - width / 2) / width, (y - top - height / 2) / height) < 0.5
        got = await pixels(http, said["artifact_id"])
        assert ((got >= 128) != inside).mean() < 0.001
    nobody = await made(http, asset_id=asset, regions={"summary_id": record.id, "track_ids": [9]})
    assert not (await pixels(http, nobody["artifact_id"])).any()
    assert [warning["field"] for warning in nobody["warnings"]] == ["regions"]


def tracks(registry: Registry, asset: str, rows: dict[int, list[list[float]]], start: int = 0) -> Record:
    """A face_tracks in ticks of 1/25 s; a row: pts, x, y, w, h."""
    body = {"time_base": [1, 25], "start": start, "tracks": [{"track_id": n, "boxes": own} for n, own in rows.items()]}
    draft = Draft(
        "", "face_tracks", "application/json", json.dumps(body).encode(),
        {"width": 640, "height": 360, "tracks_count": len(rows)},
    )  # fmt: skip
    return registry.commit(SCOPE, cache_key=json.dumps([asset, body]), main=draft, parent_asset_id=asset)


@pytest.mark.parametrize("start", [0, 100])
async def test_tracks_are_drawn_at_any_frame(
    start: int, http: httpx.AsyncClient, registry: Registry, asset: str
) -> None:
    """One face moves by 4 pixels a frame, its rows of 6 to 9 taken out; the other is there from 5 to 10 alone."""
    moving = [[start + n, 100 + 4 * n, 50, 80, 100] for n in range(20) if not 6 <= n <= 9]
    still = [[start + n, 400, 150, 60, 60] for n in range(5, 11)]
    record = tracks(registry, asset, {1: moving, 2: still}, start)
    y, x = np.mgrid[0:360, 0:640] + 0.5
    cases: list[tuple[int, dict[str, Any], list[tuple[float, float, float, float]]]] = [
        (0, {}, [(100, 50, 80, 100)]),
        (139, {}, [(112, 50, 80, 100)]),  # the third frame is on screen from 120 to 160
        (280, {}, [(128, 50, 80, 100), (400, 150, 60, 60)]),  # between rows
        (420, {"track_ids": [2]}, [(400, 150, 60, 60)]),
        (760, {}, [(176, 50, 80, 100)]),
        (799, {}, [(176, 50, 80, 100)]),
    ]
    for time_ms, more, wanted in cases:
        regions = {"tracks_artifact_id": record.id, "time_ms": time_ms} | more
        said = await made(http, asset_id=asset, regions=regions)
        assert (said["meta"]["source"]["regions_count"], said["warnings"]) == (len(wanted), []), time_ms
        assert [item["role"] for item in said["inputs"]] == ["asset", "tracks"]
        inside = np.zeros((360, 640), bool)
        for left, top, width, height in wanted:
            inside |= np.hypot((x - left - width / 2) / width, (y - top - height / 2) / height) < 0.5
        assert (((await pixels(http, said["artifact_id"])) >= 128) != inside).mean() < 0.001, time_ms
    empty = await made(http, asset_id=asset, regions={"tracks_artifact_id": record.id, "time_ms": 900})
    assert not (await pixels(http, empty["artifact_id"])).any()
    assert [warning["field"] for warning in empty["warnings"]] == ["regions"]


async def test_tracks_that_cannot_be_drawn_are_refused(http: httpx.AsyncClient, registry: Registry, asset: str) -> None:
    record = tracks(registry, asset, {1: [[0, 0, 0, 9, 9]]})
    broken = tracks(registry, asset, {1: [[0, 0, 0, 9]]})
    foreign = tracks(registry, "asset_bbbbbbbb", {1: [[0, 0, 0, 9, 9]]})
    own, at = "regions.tracks_artifact_id", {"time_ms": 0}
    cases: list[tuple[dict[str, Any], tuple[int, str, str | None]]] = [
        ({"tracks_artifact_id": record.id}, (400, "invalid_request", "regions")),
        ({"tracks_artifact_id": record.id, "include_regions": ["eyes"]} | at, (400, "invalid_request", "regions")),
        ({"tracks_artifact_id": broken.id} | at, (400, "invalid_request", own)),
        ({"tracks_artifact_id": foreign.id} | at, (409, "wrong_asset", own)),
        ({"tracks_artifact_id": await drawn(http, *SIZE)} | at, (400, "invalid_request", own)),
        ({"tracks_artifact_id": "tracks_bbbbbbbb"} | at, (404, "not_found", own)),
    ]
    for regions, expected in cases:
        assert error(await http.post("/video/masks", json={"asset_id": asset, "regions": regions})) == expected, regions


async def test_an_older_summary_is_united_from_its_masks(
    http: httpx.AsyncClient, registry: Registry, asset: str
) -> None:
    mask = await drawn(http, *SIZE)
    record = summary(registry, asset, [{"time_ms": 0, "region": "face", "mask_artifact_id": mask}])
    said = await made(http, asset_id=asset, regions={"summary_id": record.id})
    assert np.array_equal(await pixels(http, said["artifact_id"]), await pixels(http, mask))
    assert {"id": mask, "role": "region_mask"} in said["inputs"]


@pytest.mark.parametrize("region", ["eyes", "mouth", "teeth", "skin", "background"])
async def test_regions_other_than_faces_are_read_from_their_own_masks(
    region: str, http: httpx.AsyncClient, asset: str
) -> None:
    """United pixel for pixel, whether the summary was there or is made first; its own masks are no further inputs."""
    first = await made(http, asset_id=asset, regions=[region])
    id = first["meta"]["source"]["summary_artifact_id"]
    entries = (await http.get(f"/video/regions/{id}")).json()["summary"]["entries"]
    assert {entry["region"] for entry in entries} == {region}
    wanted = np.maximum.reduce([await pixels(http, entry["mask_artifact_id"]) for entry in entries])
    got = await pixels(http, first["artifact_id"])
    assert np.array_equal(got, wanted)
    if region in ("eyes", "skin", "background"):  # the ellipse in the box is another shape
        left, top, width, height = np.array(entries[0]["box"]) * [640, 360, 640, 360]
        y, x = np.mgrid[0:360, 0:640] + 0.5
        ellipse = np.hypot((x - left - width / 2) / width, (y - top - height / 2) / height) < 0.5
        assert ((got >= 128) != ellipse).sum() > 0.05 * ellipse.sum()
    again = await made(http, asset_id=asset, regions={"include_regions": [region], "summary_id": id})
    assert np.array_equal(await pixels(http, again["artifact_id"]), wanted)
    assert [item["role"] for item in again["inputs"]] == ["asset", "summary"]


async def test_a_region_of_a_foreign_summary_brings_its_mask_along(
    http: httpx.AsyncClient, registry: Registry, asset: str
) -> None:
    mask = await drawn(http, *SIZE)
    eyes = entry(0, [0.1, 0.1, 0.2, 0.2]) | {"region": "eyes", "mask_artifact_id": mask}
    record = summary(registry, asset, [eyes], include_regions=["eyes"])
    wanted = {"include_regions": ["eyes"], "summary_id": record.id}
    said = await made(http, asset_id=asset, regions=wanted)
    assert np.array_equal(await pixels(http, said["artifact_id"]), await pixels(http, mask))
    assert {"id": mask, "role": "region_mask"} in said["inputs"]
    without = {key: value for key, value in eyes.items() if key != "mask_artifact_id"}
    gone = eyes | {"mask_artifact_id": "mask_bbbbbbbb"}
    for wrong, code in ((without, 409), (gone, 409), (eyes | {"mask_artifact_id": record.id}, 400)):
        other = summary(registry, asset, [wrong], include_regions=["eyes"])
        refused = await http.post(
            "/video/masks", json={"asset_id": asset, "regions": wanted | {"summary_id": other.id}}
        )
        assert error(refused)[::2] == (code, "regions.summary_id")


async def test_regions_without_a_summary_are_found_first_and_a_stubs_are_flagged(
    http: httpx.AsyncClient, registry: Registry, asset: str
) -> None:
    said = await made(http, asset_id=asset, regions=["face"])
    assert "POST /video/regions was done first" in said["warnings"][0]["message"]
    assert said["meta"]["stub"] is True
    summary_id = said["meta"]["source"]["summary_artifact_id"]
    got = (await http.get(f"/video/regions/{summary_id}")).json()
    assert (got["summary_artifact_id"], got["stub"], len(got["warnings"])) == (summary_id, True, 1)
    assert got["summary"]["entries"][0]["region"] == "face"
    real = summary(registry, asset, [entry(0, [0.1, 0.1, 0.2, 0.2])])
    registry.set_latest(SCOPE, real)
    assert (await http.get(f"/video/regions/{real.id}")).json()["stub"] is False
    later = await made(http, asset_id=asset, regions=["face"])
    assert later["meta"]["source"]["summary_artifact_id"] == real.id
    assert later["warnings"] == []
    assert "stub" not in later["meta"]


async def test_what_is_refused(http: httpx.AsyncClient, registry: Registry, asset: str, clip: bytes) -> None:
    picture = io.BytesIO()
    Image.new("RGB", SIZE).save(picture, "PNG")
    image = (await http.post("/media-v2/assets", files={"file": ("p.png", picture.getvalue())})).json()["id"]
    mask = await drawn(http, *SIZE)
    foreign = summary(registry, image, [])
    own = summary(registry, asset, [])
    cases: list[tuple[dict[str, Any], tuple[int, str, str | None]]] = [
        ({}, (400, "invalid_request", "mask_artifact_id")),
        ({"mask_artifact_id": mask, "selection": ELLIPSE}, (400, "invalid_request", "selection")),
        ({"asset_id": image, "mask_artifact_id": mask}, (400, "invalid_request", "asset_id")),
        ({"asset_id": "asset_bbbbbbbb", "mask_artifact_id": mask}, (404, "not_found", "asset_id")),
        ({"mask_artifact_id": "mask_bbbbbbbb"}, (404, "not_found", "mask_artifact_id")),
        ({"mask_artifact_id": own.id}, (400, "invalid_request", "mask_artifact_id")),
        ({"mask_artifact_id": mask, "fit": "cover"}, (400, "invalid_request", "fit")),
        ({"selection": {"type": "polygon", "points": [[0, 0], [1, 1]]}}, (400, "invalid_request", "selection.points")),
        ({"regions": {"summary_id": foreign.id}}, (409, "wrong_asset", "regions.summary_id")),
        ({"regions": {"summary_id": mask}}, (400, "invalid_request", "regions.summary_id")),
        ({"regions": {"summary_id": "regions_bbbbbbbb"}}, (404, "not_found", "regions.summary_id")),
        (
            {"regions": {"summary_id": own.id, "include_regions": ["face", "hat"]}},
            (400, "invalid_request", "regions.include_regions[1]"),
        ),
        ({"regions": {"time_ms": -1}}, (400, "invalid_request", "regions.time_ms")),
    ]
    for body, expected in cases:
        assert error(await http.post("/video/masks", json={"asset_id": asset} | body)) == expected, body
    asked = {"X-Tenant-Id": "t_other"}
    made_here = (await made(http, asset_id=asset, mask_artifact_id=mask))["artifact_id"]
    assert (await http.get(f"/video/masks/{made_here}", headers=asked)).status_code == 404
    assert (await http.get(f"/video/masks/{own.id}")).status_code == 404
