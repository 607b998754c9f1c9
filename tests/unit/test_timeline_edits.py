"""The sub-routes of a sequence: each edit, its ETag, its idempotency, what it refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from artifacts import Registry
from configs.settings import Settings
from deployments.gateway.http import build_http
from deployments.replicas.local import local_runner
from deployments.timeline.models import Clip
from deployments.timeline.requests import ClipPatch
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


async def test_filter_stacks(http: httpx.AsyncClient, made: JSON, registry: Registry) -> None:
    stack = [{"type": "face_blur", "params": {"source_summary_id": "x"}, "mask_artifact_id": mask(registry).id}]
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
