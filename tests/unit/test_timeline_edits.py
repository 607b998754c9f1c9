"""The sub-routes of a sequence: each edit, its ETag, its idempotency, what it refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from artifacts import Registry
from configs.settings import Settings
from deployments.engines.video_render.motion import automated
from deployments.gateway.http import build_http
from deployments.replicas.local import local_runner
from deployments.timeline.models import Clip
from deployments.timeline.requests import ClipPatch
from kernels import curves
from tests.unit.test_timeline import AUDIO, HEADERS, IMAGE, SECOND, VIDEO, mask, registry

__all__ = ["registry"]
JSON = dict[str, Any]


@pytest.fixture
async def http(registry: Registry, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(mattebox_home=tmp_path)
    app = build_http(local_runner(settings, registry), registry, settings)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", headers=HEADERS) as client:
        yield client


@pytest.fixture
async def made(http: httpx.AsyncClient) -> JSON:
    """8 s and 4 s of video one after another, and an overlay track with a picture."""
    tracks = [
        {"kind": "video", "clips": [{"asset_id": VIDEO}, {"asset_id": SECOND}]},
        {"kind": "overlay", "clips": [{"asset_id": IMAGE}]},
    ]
    return (await http.post("/video/sequences", json={"tracks": tracks})).json()


def clip(sequence: JSON, track: int = 0, number: int = 0) -> JSON:
    return sequence["tracks"][track]["clips"][number]


def times(sequence: JSON) -> list[tuple[int, int, int]]:
    return [(c["in_ms"], c["out_ms"], c["start_ms_on_timeline"]) for c in sequence["tracks"][0]["clips"]]


async def test_projects_list_their_sequences(http: httpx.AsyncClient) -> None:
    project = await http.post("/video/projects", json={"name": "Spring"}, headers={"Idempotency-Key": "k"})
    assert (project.status_code, project.headers["etag"]) == (201, '"1"')
    assert set(project.json()) == {"id", "name", "sequence_ids", "version"}
    again = await http.post("/video/projects", json={"name": "Spring"}, headers={"Idempotency-Key": "k"})
    assert again.json() == project.json()
    sequence = (await http.post("/video/sequences", json={"project_id": project.json()["id"]})).json()
    assert sequence["project_id"] == project.json()["id"]
    got = (await http.get(f"/video/projects/{project.json()['id']}")).json()
    assert got["sequence_ids"] == [sequence["id"]]
    absent = await http.post("/video/sequences", json={"project_id": "project_aaaaaaaa"})
    assert absent.status_code == 404


async def test_a_clip_is_added_after_the_others(http: httpx.AsyncClient, made: JSON) -> None:
    path = f"/video/tracks/{made['tracks'][0]['id']}/clips"
    headers = {"Idempotency-Key": "once"}
    body = {"asset_id": VIDEO, "out_ms": 1000}
    added = await http.post(path, json=body, headers=headers)
    assert (added.status_code, added.headers["etag"], added.json()["duration_ms"]) == (200, '"2"', 13000)
    assert times(added.json())[-1] == (0, 1000, 12000)
    assert (await http.post(path, json=body, headers=headers)).json() == added.json()
    assert (await http.post(path, json=body)).json()["version"] == 3
    wrong = await http.post(path, json={"asset_id": AUDIO})
    assert wrong.status_code == 400
    unknown = await http.post(path, json=body | {"sparkle": 1})
    assert (unknown.status_code, unknown.json()["error"]["details"]["field"]) == (400, "sparkle")


async def test_changes_need_the_etag_they_started_from(http: httpx.AsyncClient, made: JSON) -> None:
    path = f"/video/clips/{clip(made)['id']}"
    for call in (http.patch(path, json={"opacity": 0.5}), http.delete(path)):
        refused = await call
        assert (refused.status_code, refused.json()["error"]["code"]) == (428, "precondition_required")
    stale = await http.patch(path, json={"opacity": 0.5}, headers={"If-Match": '"7"'})
    assert (stale.status_code, stale.json()["error"]["code"]) == (412, "precondition_failed")
    done = await http.patch(path, json={"opacity": 0.5, "position": [2, 4]}, headers={"If-Match": '"1"'})
    assert (done.status_code, done.headers["etag"]) == (200, '"2"')
    assert (clip(done.json())["opacity"], clip(done.json())["position"]) == (0.5, [2, 4])
    assert clip(done.json())["id"] == clip(made)["id"]
    back = await http.patch(path, json={"position": None}, headers={"If-Match": "*"})
    assert "position" not in clip(back.json())
    bad = await http.patch(path, json={"opacity": 2}, headers={"If-Match": "*"})
    assert (bad.status_code, bad.json()["error"]["details"]["field"]) == (400, "opacity")
    foreign = await http.patch(path, json={"opacity": 1}, headers={"X-Tenant-Id": "t_other"})
    assert foreign.status_code == 404
    gone = await http.delete(path, headers={"If-Match": '"3"'})
    assert [c["id"] for c in gone.json()["tracks"][0]["clips"]] == [clip(made, 0, 1)["id"]]
    assert (await http.delete(path, headers={"If-Match": "*"})).status_code == 404


async def test_trim_keeps_what_is_shown_in_its_place(http: httpx.AsyncClient, made: JSON) -> None:
    path = f"/video/clips/{clip(made, 0, 1)['id']}/trim"
    done = (await http.post(path, json={"in_ms": 500, "out_ms": 3000})).json()
    assert times(done)[1] == (500, 3000, 8500)
    for body, field in (({"out_ms": 4001}, "out_ms"), ({}, None), ({"in_ms": 3000}, None)):
        refused = await http.post(path, json=body)
        assert refused.status_code == 400
        assert field is None or refused.json()["error"]["details"]["field"] == field


async def test_split_makes_two_clips_of_one(http: httpx.AsyncClient, made: JSON) -> None:
    first, second = (clip(made, 0, n)["id"] for n in (0, 1))
    cross = {"kind": "dissolve", "from_clip_id": first, "to_clip_id": second, "duration_ms": 400}
    crossed = (await http.post(f"/video/sequences/{made['id']}/transitions", json=cross)).json()
    assert crossed["transitions"][0]["id"].startswith("transition_")
    done = (await http.post(f"/video/clips/{first}/split", json={"at_ms": 3000})).json()
    assert times(done) == [(0, 3000, 0), (3000, 8000, 3000), (0, 4000, 8000)]
    new = clip(done, 0, 1)["id"]
    assert new not in (first, second)
    assert done["transitions"][0]["from_clip_id"] == new
    for at in (0, 3000, 9000):
        assert (await http.post(f"/video/clips/{first}/split", json={"at_ms": at})).status_code == 400
    gone = (await http.delete(f"/video/clips/{new}", headers={"If-Match": "*"})).json()
    assert gone["transitions"] == []


CURVES: dict[str, list[JSON]] = {
    "opacity": [{"ms": 500, "value": 0.2}, {"ms": 4500, "value": 1.0}, {"ms": 6000, "value": 0.0}],
    "scale": [{"ms": 1000, "value": 1.0, "easing": "ease_in_out"}, {"ms": 5000, "value": 2.0}],
    "position": [{"ms": 0, "value": [0, 10], "easing": "hold"}, {"ms": 3500, "value": [40, 20]}],
    "volume_db": [{"ms": 3000, "value": -6.0, "easing": "ease_in"}, {"ms": 4000, "value": 0.0}],
}


def value_at(sequence: JSON, id: str, name: str, ms: float) -> list[float]:
    """Of a stored sequence's automation, ms from the clip's start, as a render reads it."""
    (row,) = [row for row in sequence["automation"] if (row["target_id"], row["property"]) == (id, name)]
    clip_row = next(c for track in sequence["tracks"] for c in track["clips"] if c["id"] == id)
    parts = automated(sequence, {"id": ""}, clip_row)[name]
    assert len(parts) == (2 if name == "position" else 1)
    assert len(row["keyframes"]) == len({key["ms"] for key in row["keyframes"]})
    return [curves.value(keys, clip_row["start_ms_on_timeline"] + ms) for keys in parts]  # type: ignore[arg-type]


@pytest.mark.parametrize("at_ms", [3000, 400, 7000, 4500])
async def test_split_leaves_every_value_where_it_was(http: httpx.AsyncClient, made: JSON, at_ms: int) -> None:
    """Before the cut, at it, and behind it; the second half's keyframes count from its own start and can be sent
    back as they came."""
    first = clip(made)["id"]
    for name, rows in CURVES.items():
        body = {"target_id": first, "property": name, "keyframes": rows}
        whole = (await http.post("/video/automation", json=body)).json()
    fades = {"audio_fade_in_ms": 300, "audio_fade_out_ms": 200}
    assert (await http.patch(f"/video/clips/{first}", json=fades, headers={"If-Match": "*"})).status_code == 200
    done = (await http.post(f"/video/clips/{first}/split", json={"at_ms": at_ms})).json()
    second = clip(done, 0, 1)["id"]
    for name, span in (("opacity", 1.0), ("scale", 1.0), ("position", 40.0), ("volume_db", 6.0)):
        exact = name in ("opacity", "position")
        for ms in range(0, 8000, 40):
            id, own = (first, ms) if ms < at_ms else (second, ms - at_ms)
            wanted = value_at(whole, first, name, ms)
            allowed = 1e-4 if exact or ms < at_ms else 0.003 * span
            assert value_at(done, id, name, own) == pytest.approx(wanted, abs=allowed), (name, ms)
    for row in done["automation"]:
        assert (await http.post("/video/automation", json=row)).status_code == 200
    halves = [(c["audio_fade_in_ms"], c["audio_fade_out_ms"]) for c in done["tracks"][0]["clips"][:2]]
    assert halves == [(300, 0), (0, 200)]


async def test_move_in_time_and_between_tracks(http: httpx.AsyncClient, made: JSON) -> None:
    moved = clip(made, 0, 1)["id"]
    body = {"track_id": made["tracks"][1]["id"], "start_ms_on_timeline": 100}
    done = (await http.post(f"/video/clips/{moved}/move", json=body)).json()
    assert [c["id"] for c in done["tracks"][1]["clips"]] == [clip(made, 1)["id"], moved]
    assert clip(done, 1, 1)["start_ms_on_timeline"] == 100
    elsewhere = await http.post(f"/video/clips/{moved}/move", json={"track_id": "track_aaaaaaaa"})
    assert (elsewhere.status_code, elsewhere.json()["error"]["details"]["field"]) == (404, "track_id")
    assert (await http.post(f"/video/clips/{moved}/move", json={})).status_code == 400


async def test_transitions_join_two_clips_of_one_track(http: httpx.AsyncClient, made: JSON) -> None:
    path = f"/video/sequences/{made['id']}/transitions"
    cross = {"kind": "dissolve", "from_clip_id": clip(made)["id"], "to_clip_id": clip(made, 1)["id"], "duration_ms": 9}
    assert (await http.post(path, json=cross)).status_code == 400
    absent = await http.post(path, json=cross | {"to_clip_id": "clip_aaaaaaaa"})
    assert (absent.status_code, absent.json()["error"]["details"]["field"]) == (404, "to_clip_id")


@pytest.mark.parametrize(("kind", "asset"), [("overlay", IMAGE), ("audio", AUDIO)])
async def test_transitions_of_other_tracks_than_video_are_refused(
    http: httpx.AsyncClient, kind: str, asset: str
) -> None:
    clips = [{"id": "a", "asset_id": asset, "out_ms": 1000}, {"id": "b", "asset_id": asset, "out_ms": 1000}]
    tracks = [{"kind": "video", "clips": [{"asset_id": VIDEO}]}, {"kind": kind, "clips": clips}]
    cross = {"kind": "crossfade", "from_clip_id": "a", "to_clip_id": "b", "duration_ms": 200}
    at_once = await http.post("/video/sequences", json={"tracks": tracks, "transitions": [cross]})
    stored = (await http.post("/video/sequences", json={"tracks": tracks})).json()
    ids = {"from_clip_id": clip(stored, 1)["id"], "to_clip_id": clip(stored, 1, 1)["id"]}
    later = await http.post(f"/video/sequences/{stored['id']}/transitions", json=cross | ids)
    for refused, field in ((at_once, "transitions[0].from_clip_id"), (later, "from_clip_id")):
        said = refused.json()["error"]
        assert (refused.status_code, said["code"], said["details"]["field"]) == (400, "invalid_request", field)
        assert f"on a track of kind {kind}" in said["message"]


async def test_filter_stacks(http: httpx.AsyncClient, made: JSON, registry: Registry) -> None:
    stack = [
        {
            "type": "face_blur",
            "params": {"source_summary_id": "summary_aaaaaaaa"},
            "mask_artifact_id": mask(registry).id,
        }
    ]
    targets = {"clip": clip(made)["id"], "track": made["tracks"][0]["id"], "sequence": made["id"]}
    for kind, id in targets.items():
        path = f"/video/filter-stacks/{kind}/{id}"
        assert (await http.get(path)).json() == {"filters": []}
        assert (await http.put(path, json={"filters": stack})).status_code == 428
        done = await http.put(path, json={"filters": stack}, headers={"If-Match": "*"})
        assert done.json()["id"] == made["id"]
        got = await http.get(path)
        assert got.json() == {"filters": [stack[0] | {"enabled": True}]}
        assert got.headers["etag"] == done.headers["etag"]
        wrong = [stack[0] | {"mask_artifact_id": "mask_aaaaaaaa"}]
        absent = await http.put(path, json={"filters": wrong}, headers={"If-Match": "*"})
        assert absent.json()["error"]["details"]["field"] == "filters[0].mask_artifact_id"
    assert (await http.get(f"/video/filter-stacks/track/{targets['clip']}")).status_code == 404
    assert (await http.get(f"/video/filter-stacks/soup/{targets['clip']}")).status_code == 404


SUMMARY = {"source_summary_id": "summary_aaaaaaaa"}
VALUE, MS = "keyframes[1].value", "keyframes[1].ms"


@pytest.mark.parametrize(
    ("params", "field"),
    [
        (SUMMARY | {"filter_strength": 1.0}, None),
        (SUMMARY | {"filter_strength": 1.01}, "filter_strength"),
        (SUMMARY | {"filter_strength": -0.01}, "filter_strength"),
        (SUMMARY | {"style": "smudge"}, "style"),
        (SUMMARY | {"strength": 1}, "strength"),
        (SUMMARY | {"min_face_px": -1}, "min_face_px"),
        (SUMMARY | {"tracks": {"include": [1]}}, None),
        (SUMMARY | {"tracks": {"include": [1], "exclude": [2]}}, "tracks.exclude"),
        (SUMMARY | {"spans": [{"start_ms": 4, "end_ms": 5}]}, None),
        (SUMMARY | {"spans": [{"start_ms": 5, "end_ms": 5}]}, "spans[0].end_ms"),
        ({"source_summary_id": "nope"}, "source_summary_id"),
        ({}, "source_summary_id"),
    ],
)
async def test_params_that_a_filter_does_not_take_are_refused_where_they_are_set(
    http: httpx.AsyncClient, made: JSON, params: JSON, field: str | None
) -> None:
    stack = [{"type": "face_blur", "params": params}]
    path, any_version = f"/video/filter-stacks/clip/{clip(made)['id']}", {"If-Match": "*"}
    track = {"kind": "video", "clips": [{"asset_id": VIDEO, "filters": stack}]}
    put = await http.put(path, json={"filters": stack}, headers=any_version)
    posted = await http.post("/video/sequences", json={"tracks": [track]})
    rendered = await http.post("/video/render/dry-run", json={"sequence": {"tracks": [track]}})
    if field is None:
        assert (put.status_code, posted.status_code) == (200, 201)
        return
    for refused, where in ((put, ""), (posted, "tracks[0].clips[0]."), (rendered, "sequence.tracks[0].clips[0].")):
        said = refused.json()["error"]
        assert (refused.status_code, said["details"]["field"]) == (400, f"{where}filters[0].params.{field}")
        assert said["message"].startswith(said["details"]["field"])


@pytest.mark.parametrize(
    ("filters", "field"),
    [
        ([{"type": "sepia"}] * 2, None),
        ([{"type": "sepia", "enabled": False}], None),
        ([{"type": "face_blur", "params": SUMMARY}] * 2, "filters[1].type"),
        ([{"type": "face_blur", "params": SUMMARY}, {"type": "face_blur", "params": SUMMARY, "enabled": False}], None),
        ([{"type": "sepia", "enabled": False}] * 32, None),
        ([{"type": "sepia", "enabled": False}] * 33, "filters"),
    ],
)
async def test_stacks_that_no_render_takes_are_refused(
    http: httpx.AsyncClient, made: JSON, filters: list[JSON], field: str | None
) -> None:
    path = f"/video/filter-stacks/clip/{clip(made)['id']}"
    said = await http.put(path, json={"filters": filters}, headers={"If-Match": "*"})
    assert said.status_code == (200 if field is None else 400)
    if field:
        assert said.json()["error"]["details"]["field"] == field


@pytest.mark.parametrize(
    ("property", "keyframe", "field"),
    [
        ("opacity", {"ms": 9, "value": 1}, None),
        ("opacity", {"ms": 9, "value": 1.01}, VALUE),
        ("opacity", {"ms": 9, "value": "much"}, VALUE),
        ("opacity", {"ms": 9, "value": [0, 1]}, VALUE),
        ("opacity", {"ms": 9}, VALUE),
        ("volume_db", {"ms": 9, "value": 24}, None),
        ("volume_db", {"ms": 9, "value": 24.1}, VALUE),
        ("volume_db", {"ms": 0, "value": 0}, MS),
        ("volume_db", {"ms": -1, "value": 0}, MS),
        ("volume_db", {"ms": 1.5, "value": 0}, MS),
        ("volume_db", {"ms": 9, "value": 0, "easing": "bounce"}, "keyframes[1].easing"),
        ("rotation", {"ms": 9, "value": 0}, "property"),
    ],
)
async def test_what_is_wrong_with_a_keyframe_is_named(
    http: httpx.AsyncClient, made: JSON, property: str, keyframe: JSON, field: str | None
) -> None:
    keyframes = [{"ms": 0, "value": 0}, keyframe]
    body = {"target_id": clip(made)["id"], "property": property, "keyframes": keyframes}
    said = await http.post("/video/automation", json=body)
    assert said.status_code == (200 if field is None else 400)
    if field:
        assert said.json()["error"]["details"]["field"] == field


TWO = [{"id": "a", "asset_id": VIDEO}, {"id": "b", "asset_id": SECOND}]
CROSS = {"kind": "crossfade", "duration_ms": 500}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("tracks/{track}/clips", {"asset_id": VIDEO, "in_ms": 500, "out_ms": 500}, "out_ms"),
        ("tracks/{track}/clips", {"in_ms": 500}, "asset_id"),
        ("tracks/{track}/clips", {"asset_id": VIDEO, "artifact_id": "mask_aaaaaaaa"}, "artifact_id"),
        ("tracks/{track}/clips", {"asset_id": AUDIO}, "asset_id"),
        ("clips/{clip}/trim", {}, "in_ms"),
        ("clips/{clip}/trim", {"in_ms": 2, "out_ms": 1}, "out_ms"),
        ("clips/{clip}/move", {}, "track_id"),
        ("sequences", {"render_profile": "8k"}, "render_profile"),
        ("sequences", {"tracks": [{"kind": "video", "clips": [TWO[0], TWO[0]]}]}, "tracks[0].clips[1].id"),
        (
            "sequences",
            {
                "tracks": [{"kind": "video", "clips": TWO}],
                "transitions": [CROSS | {"from_clip_id": "a", "to_clip_id": "a"}],
            },
            "transitions[0].to_clip_id",
        ),
        (
            "sequences",
            {
                "tracks": [{"kind": "video", "clips": [item]} for item in TWO],
                "transitions": [CROSS | {"from_clip_id": "a", "to_clip_id": "b"}],
            },
            "transitions[0].to_clip_id",
        ),
        ("render", {}, "sequence_id"),
        ("render", {"sequence": {"tracks": []}, "project_id": "project_aaaaaaaa"}, "sequence"),
        ("render", {"sequence_id": "sequence_aaaaaaaa", "start_ms": 5, "end_ms": 5}, "end_ms"),
        ("render", {"sequence_id": "sequence_aaaaaaaa", "ducking": "loud"}, "ducking"),
        ("render", {"sequence_id": "sequence_aaaaaaaa", "soft_captions": "en"}, "soft_captions"),
        ("anonymise/faces", {}, "sequence_id"),
        ("anonymise/faces", {"asset_id": VIDEO, "sequence_id": "sequence_aaaaaaaa"}, "asset_id"),
        ("anonymise/faces", {"asset_id": VIDEO, "preset": "light", "filter_strength": 0.5}, "filter_strength"),
        ("masks", {"asset_id": VIDEO}, "mask_artifact_id"),
        (
            "visual-meta/analyze",
            {"asset_id": VIDEO, "sample_interval_ms": 100, "frame_sample_interval_ms": 100},
            "sample_interval_ms",
        ),
    ],
)
async def test_a_mistake_is_answered_with_its_field(
    http: httpx.AsyncClient, made: JSON, path: str, body: JSON, field: str
) -> None:
    ids = {"track": made["tracks"][0]["id"], "clip": clip(made)["id"]}
    said = await http.post(f"/video/{path.format(**ids)}", json=body)
    assert (said.status_code, said.json()["error"]["details"].get("field")) == (400, field)


async def test_automation_replaces_a_propertys_keyframes(http: httpx.AsyncClient, made: JSON) -> None:
    body = {
        "target_id": clip(made)["id"],
        "property": "opacity",
        "keyframes": [{"ms": 500, "value": 1}, {"ms": 0, "value": 0}],
    }
    done = (await http.post("/video/automation", json=body)).json()
    assert done["automation"] == [body | {"keyframes": [{"ms": 0, "value": 0}, {"ms": 500, "value": 1}]}]
    less = (await http.post("/video/automation", json=body | {"keyframes": []})).json()
    assert less["automation"] == []
    absent = await http.post("/video/automation", json=body | {"target_id": clip(made)["id"][:-1] + "z"})
    assert absent.status_code == 404


def test_the_published_patch_lets_every_field_be_null() -> None:
    """Null gives a default back; a clip's id cannot be changed."""
    schema = ClipPatch.model_json_schema()
    fields = set(schema["properties"]) - {"tenant_id", "env", "user_id"}
    assert fields == set(Clip.model_fields) - {"id"}
    assert "required" not in schema
    for name in fields:
        assert {"type": "null"} in schema["properties"][name]["anyOf"]
