"""Sequences: ids, times that are filled in, versions, and the HTTP face."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from artifacts import Asset, Draft, Record, Registry, Scope, Store, keys
from artifacts.canonical import is_id
from artifacts.errors import NotFound, VersionConflict
from configs.settings import Settings
from deployments.errors import InvalidRequest
from deployments.timeline import edits, sequences
from deployments.timeline.models import SequenceBody, SequenceRequest, Track

SCOPE = Scope("t_acme", "dev")
HEADERS = {"X-Tenant-Id": "t_acme", "X-Env": "dev"}
VIDEO, SECOND, IMAGE, AUDIO = (f"asset_{letter * 8}" for letter in "abcd")
LENGTHS = {VIDEO: ("video", 8000), SECOND: ("video", 4000), IMAGE: ("image", None), AUDIO: ("audio", 60000)}


@pytest.fixture
def registry() -> Registry:
    """A registry with two videos (8 s and 4 s), a picture and a sound."""
    made = Registry(Store("memory://"))
    for id, (kind, duration) in LENGTHS.items():
        meta = {"width": 640, "height": 360} | ({} if duration is None else {"duration_ms": duration})
        asset = Asset(id, kind, "x/y", 1, "0" * 64, "store://", "2026-01-01T00:00:00.000Z", [], meta)
        made.store.create(keys.asset(SCOPE, id), asset.to_bytes())
    return made


def mask(registry: Registry, kind: str = "mask") -> Record:
    meta = {"width": 4, "height": 4, "feather": 0, "selection_hash": "x", "source": {}, "tracks_count": 0}
    media_type = "image/png" if kind == "mask" else "application/json"
    return registry.commit(SCOPE, cache_key=kind, main=Draft("", kind, media_type, b"x", meta))


def build(registry: Registry, *tracks: tuple[str, list[dict[str, Any]]], **more: Any) -> dict[str, Any]:
    request = SequenceBody.model_validate({"tracks": [{"kind": kind, "clips": clips} for kind, clips in tracks]} | more)
    return sequences.build(registry, SCOPE, sequences.new_id(SCOPE, "key"), request)


def test_sub_ids_embed_the_sequence_and_are_ids() -> None:
    id = sequences.new_id(SCOPE)
    for number in (0, 1, 31, 32, 2**30 - 1):
        clip = sequences.sub_id("clip", id, number)
        assert is_id(clip)
        assert sequences.sequence_of(clip) == id
    assert len({sequences.sub_id("clip", id, number) for number in range(2000)}) == 2000


def test_an_assets_own_sequence_follows_from_scope_and_asset() -> None:
    assert sequences.id_of_asset(SCOPE, VIDEO) == sequences.id_of_asset(SCOPE, VIDEO)
    assert sequences.id_of_asset(SCOPE, VIDEO) != sequences.id_of_asset(Scope("t_other", "dev"), VIDEO)
    assert sequences.id_of_asset(SCOPE, VIDEO) != sequences.id_of_asset(SCOPE, SECOND)


def test_times_that_are_left_out_are_filled_in(registry: Registry) -> None:
    body = build(
        registry,
        ("video", [{"asset_id": VIDEO}, {"asset_id": SECOND, "in_ms": 1000, "speed": 2.0}, {"asset_id": IMAGE}]),
        ("overlay", [{"asset_id": IMAGE}]),
        ("audio", [{"asset_id": AUDIO, "out_ms": 20000, "start_ms_on_timeline": 500}]),
    )
    times = [
        [clip.get(key) for key in ("in_ms", "out_ms", "start_ms_on_timeline")] for _, clip in sequences.clips_of(body)
    ]
    assert times == [[0, 8000, 0], [1000, 4000, 8000], [0, 5000, 9500], [0, None, 0], [0, 20000, 500]]
    assert body["duration_ms"] == 20500


@pytest.mark.parametrize(
    ("kind", "clip", "field"),
    [
        ("video", {"asset_id": VIDEO, "out_ms": 8001}, "tracks[0].clips[0].out_ms"),
        ("video", {"asset_id": VIDEO, "in_ms": 8000}, "tracks[0].clips[0].in_ms"),
        ("video", {"asset_id": AUDIO}, "tracks[0].clips[0].asset_id"),
        ("audio", {"asset_id": IMAGE}, "tracks[0].clips[0].asset_id"),
    ],
)
def test_a_clip_that_cannot_be_names_its_field(registry: Registry, kind: str, clip: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        build(registry, (kind, [clip]))
    assert refused.value.details["field"] == field


def test_everything_a_clip_names_is_looked_up(registry: Registry) -> None:
    other = mask(registry, "face_tracks").id
    for more in ({"asset_id": "asset_zzzzzzzz"}, {"artifact_id": "render_zzzzzzzz"}):
        with pytest.raises(NotFound):
            build(registry, ("video", [more]))
    with pytest.raises(NotFound):
        build(registry, ("video", [{"asset_id": VIDEO, "mask_artifact_id": "mask_zzzzzzzz"}]))
    with pytest.raises(InvalidRequest, match="names no mask"):
        build(
            registry,
            (
                "video",
                [{"asset_id": VIDEO, "filters": [{"type": "glow", "enabled": False, "mask_artifact_id": other}]}],
            ),
        )
    with pytest.raises(InvalidRequest, match="cannot be shown"):
        build(registry, ("overlay", [{"artifact_id": other}]))
    shown = mask(registry).id
    body = build(registry, ("overlay", [{"artifact_id": shown, "mask_artifact_id": shown}]))
    assert body["tracks"][0]["clips"][0]["mask_artifact_id"] == shown


@pytest.mark.parametrize(
    "clip",
    [
        {},
        {"asset_id": VIDEO, "artifact_id": "render_aaaaaaaa"},
        {"asset_id": VIDEO, "in_ms": 5, "out_ms": 5},
        {"asset_id": VIDEO, "opacity": 1.5},
        {"asset_id": VIDEO, "blend_mode": "sparkle"},
        {"asset_id": VIDEO, "scale": 0},
        {"asset_id": VIDEO, "sparkle": 1},
        {"asset_id": VIDEO, "in_ms": -1},
    ],
)
def test_malformed_clips_are_refused(clip: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        SequenceBody.model_validate({"tracks": [{"kind": "video", "clips": [clip]}]})


def test_transitions_name_the_requests_own_clips(registry: Registry) -> None:
    clips = [{"id": "one", "asset_id": VIDEO}, {"id": "two", "asset_id": SECOND}]
    cross = {"kind": "dissolve", "from_clip_id": "one", "to_clip_id": "two", "duration_ms": 500}
    body = build(registry, ("video", clips), transitions=[cross])
    ids = [clip["id"] for _, clip in sequences.clips_of(body)]
    assert [body["transitions"][0][key] for key in ("from_clip_id", "to_clip_id")] == ids
    with pytest.raises(InvalidRequest, match="no clip of this request"):
        build(registry, ("video", clips), transitions=[cross | {"to_clip_id": "three"}])


def test_tracks_are_added_under_new_versions(registry: Registry) -> None:
    id = sequences.new_id(SCOPE)
    first = sequences.create(registry, SCOPE, id, SequenceRequest(render_profile="draft_480p_fast"))
    assert (first.version, first.body["tracks"], first.body["render_profile"]) == (1, [], "draft_480p_fast")
    track = Track.model_validate({"kind": "video", "clips": [{"asset_id": VIDEO}]})
    change = sequences.track_added(registry, SCOPE, track)
    second = edits.edit(registry, SCOPE, id, change)
    third = edits.edit(registry, SCOPE, id, change, expected=2)
    assert (second.version, third.version) == (2, 3)
    assert len({track["id"] for track in third.body["tracks"]}) == 2
    assert third.body["tracks"][0] == second.body["tracks"][0]
    assert second.body["duration_ms"] == 8000
    with pytest.raises(VersionConflict):
        edits.edit(registry, SCOPE, id, change, expected=1)
    with pytest.raises(NotFound):
        edits.edit(registry, Scope("t_other", "dev"), id, change)


async def test_the_http_face(registry: Registry, tmp_path: Path) -> None:
    from deployments.gateway.http import build_http
    from deployments.replicas.local import local_runner

    settings = Settings(mattebox_home=tmp_path)
    app = build_http(local_runner(settings, registry), registry, settings)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", headers=HEADERS) as http:
        made = await http.post("/video/sequences", json={}, headers={"Idempotency-Key": "k"})
        assert (made.status_code, made.headers["etag"], made.json()["version"]) == (201, '"1"', 1)
        assert "made" not in made.json()
        again = await http.post("/video/sequences", json={}, headers={"Idempotency-Key": "k"})
        assert again.json()["id"] == made.json()["id"]
        path = f"/video/sequences/{made.json()['id']}"
        track = {"kind": "video", "clips": [{"asset_id": VIDEO, "opacity": 0.5}]}
        added = await http.post(f"{path}/tracks", json=track)
        assert (added.status_code, added.headers["etag"]) == (200, '"2"')
        assert added.json()["tracks"][0]["clips"][0]["asset_id"] == VIDEO
        got = await http.get(path)
        assert (got.json(), got.headers["etag"]) == (added.json(), '"2"')
        assert (await http.get(path, headers={"If-None-Match": '"2"'})).status_code == 304
        stale = await http.post(f"{path}/tracks", json=track, headers={"If-Match": '"1"'})
        assert (stale.status_code, stale.json()["error"]["http_status"]) == (412, 412)
        bad = await http.post(f"{path}/tracks", json={"kind": "video", "clips": [{"asset_id": VIDEO, "opacity": 2}]})
        assert (bad.status_code, bad.json()["error"]["details"]["field"]) == (400, "clips[0].opacity")
        absent = await http.get("/video/sequences/sequence_aaaaaaaa")
        foreign = await http.get(path, headers={"X-Tenant-Id": "t_other"})
        malformed = await http.get("/video/sequences/../x")
        assert [reply.status_code for reply in (absent, foreign, malformed)] == [404, 404, 404]
        for reply in (absent, foreign):
            reply.json()["error"].pop("request_id")
        assert {**absent.json()["error"], "request_id": ""} == {**foreign.json()["error"], "request_id": ""}
