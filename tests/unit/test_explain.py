"""A dry run explains each step: hit or miss, what is new beside the newest artifact, where it runs, what it takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployments.jobs import job
from deployments.operation import JSON
from deployments.runner import Runner
from tests.unit.renders import CONTEXT, SCOPE, Shop, clip, timeline
from tests.unit.test_proof import runner


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


async def explained(run: Runner, request: JSON) -> JSON:
    answer = await run.dry_run("video_render", request, CONTEXT)
    (step,) = answer["steps"]
    assert step["cache"] == answer["cache"]
    assert (answer.get("estimate") is None) == (step["seconds"] is None or answer["cache"] == "hit")
    return dict(step)


async def test_a_render_is_explained_before_and_after(shop: Shop, tmp_path: Path) -> None:
    times = [n * 40 for n in range(50)]
    one = shop.asset(clip(tmp_path / "a.mp4", times)).id
    two = shop.asset(clip(tmp_path / "b.mp4", times, grey=True)).id
    run = runner(shop, None)
    first = await explained(run, timeline(one, opacity=0.9))
    nothing = {"differs": None, "device": "auto", "seconds": None, "bytes": None}
    assert first == {"operation": "video_render", "cache": "miss"} | nothing
    made = await run.run("video_render", timeline(one, opacity=0.9), CONTEXT)
    record = shop.registry.artifact(SCOPE, made["artifact_id"])
    found = await explained(run, timeline(one, opacity=0.9))
    assert (found["cache"], found["differs"], found["device"]) == ("hit", [], "cpu")
    assert (found["seconds"], found["bytes"]) == (0, record.size_bytes)
    (done,) = job.listed(shop.registry, SCOPE, 5)
    edits: list[tuple[JSON, list[str]]] = [
        (timeline(one, opacity=0.8), ["parameters"]),
        (timeline(one, opacity=0.9, out_ms=1000), ["parameters"]),
        (timeline(one, overlays=({"asset_id": two, "position": [8, 8]},)), ["inputs", "parameters"]),
    ]
    for request, parts in edits:
        step = await explained(run, request)
        assert (step["cache"], step["differs"]) == ("miss", parts)
    again = await explained(run, edits[0][0])
    assert again["seconds"] == pytest.approx(done["actual"]["seconds"], abs=0.5)
    assert again["bytes"] == pytest.approx(done["actual"]["bytes"], abs=2)


async def test_another_version_of_the_code_is_named(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = shop.asset(clip(tmp_path / "a.mp4", [n * 40 for n in range(10)])).id
    run = runner(shop, None)
    await run.run("video_render", timeline(asset, opacity=0.9), CONTEXT)
    monkeypatch.setattr("deployments.engines.video_render.plan.BACKEND_VERSION", "next")
    assert (await explained(run, timeline(asset, opacity=0.9)))["differs"] == ["backend_version"]
