"""Vector scenes and their drawing, through the runner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from artifacts import Registry, Store
from configs.settings import Settings
from deployments.dispatch import LocalDispatch
from deployments.engines.vector_core.plan import OPERATIONS
from deployments.errors import AppError
from deployments.replicas.host import Host
from deployments.runner import Runner
from tests.unit.image_bench import CONTEXT, pixels_of


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    settings = Settings(mattebox_home=tmp_path, max_image_pixels=4_000_000)
    registry, table = Registry(Store("memory://")), {row.name: row for row in OPERATIONS}
    host = Host(settings, registry, table, None)  # type: ignore[arg-type]
    return Runner(registry, LocalDispatch({"Imaging": host}), settings, table)


async def drawn(runner: Runner, **body: Any) -> np.ndarray:
    answer = await runner.run("vector_render", body, CONTEXT)
    record = runner.registry.artifact(CONTEXT.scope, answer["artifact_id"])
    return pixels_of(runner.registry.read(CONTEXT.scope, record))


async def test_the_examples_are_made_and_then_found(runner: Runner) -> None:
    for row in OPERATIONS:
        first, second = [await runner.run(row.name, row.example, CONTEXT) for _ in range(2)]
        assert (first["cache"], second["cache"]) == ("miss", "hit")
    assert (second["width"], second["height"]) == (400, 200)


async def test_elements_lie_where_they_are_put(runner: Runner) -> None:
    box = {"type": "rect", "x": 2, "y": 3, "width": 4, "height": 5, "style": {"fill": "#ff000080"}}
    moved = {"type": "group", "elements": [box | {"style": {"fill": "#00f"}}], "transform": {"translate": [10, 0]}}
    got = await drawn(runner, scene={"width": 20, "height": 10, "elements": [box, moved]})
    assert (got[3:8, 2:6] == (255, 0, 0, 128)).all()
    assert (got[3:8, 12:16] == (0, 0, 255, 255)).all()
    assert (got[..., 3] > 0).sum() == 40
    disc = {"type": "circle", "cx": 50, "cy": 50, "radius": 40, "style": {"fill": "#fff"}}
    area = (await drawn(runner, scene={"width": 100, "height": 100, "elements": [disc]}))[..., 3].sum() / 255
    assert area == pytest.approx(np.pi * 1600, rel=0.002)


async def test_svgs_look_as_their_renderer_published_them(runner: Runner, shared_data: Path) -> None:
    for path in sorted((shared_data / "image" / "svg" / "pairs").glob("*.svg")):
        with Image.open(path.with_suffix(".png")) as image:
            expected = np.asarray(image.convert("RGBA")).astype(np.float64)
        got = await drawn(runner, svg=path.read_text(), width=expected.shape[1], height=expected.shape[0])
        a, b = (p[..., :3] * (p[..., 3:] / 255) + 255 - p[..., 3:] for p in (got, expected))
        assert np.abs(a - b).mean() <= 1.0, path.name
        assert (np.abs(a - b).max(-1) > 8).mean() <= (0.02 if "filters" in path.name else 0.01), path.name


async def test_hostile_files_are_refused_as_scene_and_as_render(runner: Runner, shared_data: Path) -> None:
    for path in sorted((shared_data / "image" / "svg" / "refuse").glob("*.svg")):
        for row in OPERATIONS:
            with pytest.raises(AppError) as caught:
                await runner.run(row.name, {"svg": path.read_text()}, CONTEXT)
            assert 400 <= caught.value.status < 500
            assert caught.value.details["field"] == "svg"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"svg": "<svg/>", "scene": {"width": 1, "height": 1, "elements": []}},
        {"scene": {"width": 0, "height": 1, "elements": []}},
        {"scene": {"width": 1, "height": 1, "elements": [{"type": "circle", "cx": 1, "cy": 1}]}},
        {"scene": {"width": 1, "height": 1, "elements": [{"type": "path", "d": 'M0 0"/><script'}]}},
        {"scene": {"width": 1, "height": 1, "elements": []}, "preset_id": "none"},
        {"scene": {"width": 3000, "height": 3000, "elements": []}},
    ],
)
async def test_a_bad_scene_is_refused(runner: Runner, body: dict[str, Any]) -> None:
    with pytest.raises(AppError) as caught:
        await runner.run("vector_render", body, CONTEXT)
    assert caught.value.status == 400
