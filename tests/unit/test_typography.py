"""Text set in lines: metrics by arithmetic and by the font library, limits, what is drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ImageFont

from artifacts import Registry, Store
from configs.fonts import font_path, fonts
from configs.settings import Settings
from deployments.dispatch import LocalDispatch
from deployments.engines.typography_core.plan import OPERATION
from deployments.errors import AppError
from deployments.replicas.host import Host
from deployments.runner import Runner
from tests.unit.image_bench import CONTEXT, pixels_of

LOREM = "The quick brown fox jumps over the lazy dog and then runs on to the next line"


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    settings = Settings(mattebox_home=tmp_path, max_image_pixels=4_000_000)
    registry, table = Registry(Store("memory://")), {OPERATION.name: OPERATION}
    host = Host(settings, registry, table, None)  # type: ignore[arg-type]
    return Runner(registry, LocalDispatch({"Imaging": host}), settings, table)


async def drawn(runner: Runner, **body: Any) -> tuple[np.ndarray, dict[str, Any]]:
    answer = await runner.run(OPERATION.name, body, CONTEXT)
    record = runner.registry.artifact(CONTEXT.scope, answer["artifact_id"])
    return pixels_of(runner.registry.read(CONTEXT.scope, record)), answer


async def test_the_example_is_made_with_its_scene_and_then_found(runner: Runner) -> None:
    first, second = [await runner.run(OPERATION.name, OPERATION.example, CONTEXT) for _ in range(2)]
    assert (first["cache"], second["cache"]) == ("miss", "hit")
    assert first["metrics"] == second["metrics"]


async def test_lines_keep_inside_the_box_and_lose_no_word(runner: Runner) -> None:
    _, answer = await drawn(runner, text=LOREM, size=30, box={"width": 260})
    lines = answer["metrics"]["lines"]
    face = ImageFont.truetype(str(font_path("Noto Sans")), 30, layout_engine=ImageFont.Layout.RAQM)
    assert len(lines) > 3
    for line in lines:
        assert line["width"] == pytest.approx(face.getlength(line["text"]))
        assert line["width"] <= 260
    assert " ".join(line["text"] for line in lines) == LOREM
    assert np.diff([line["baseline"] for line in lines]) == pytest.approx(36)


async def test_alignments(runner: Runner) -> None:
    for align, left, right in (("left", True, False), ("right", False, True), ("center", False, False)):
        pixels, answer = await drawn(runner, text="Hi", size=40, box={"width": 200, "height": 60}, align=align)
        assert pixels.shape == (60, 200, 4)
        columns = np.nonzero(pixels[..., 3].any(0))[0]
        assert (columns[0] < 10, columns[-1] > 190) == (left, right)
        assert answer["metrics"]["ink"][0] == columns[0]
    _, answer = await drawn(runner, text=LOREM, size=30, box={"width": 260}, align="justify")
    widths = [line["width"] for line in answer["metrics"]["lines"]]
    assert widths[:-1] == pytest.approx([260] * (len(widths) - 1))
    assert widths[-1] < 260


async def test_tracking_adds_so_much_between_letters(runner: Runner) -> None:
    widths = [
        (await drawn(runner, text="HHHH", size=50, tracking=tracking))[1]["metrics"]["lines"][0]["width"]
        for tracking in (0, 200)
    ]
    assert widths[1] - widths[0] == pytest.approx(3 * 10)


async def test_a_word_too_wide_is_broken(runner: Runner) -> None:
    _, answer = await drawn(runner, text="W" * 30, size=30, box={"width": 100})
    assert "".join(line["text"] for line in answer["metrics"]["lines"]) == "W" * 30
    assert all(line["width"] <= 100 for line in answer["metrics"]["lines"])


async def test_stroke_and_shadow_lie_beneath(runner: Runner) -> None:
    body = {"text": "l", "size": 80, "color": "#ff0000", "stroke": {"width": 4, "color": "#00ff00"}}
    pixels, answer = await drawn(runner, **body)
    x, y, width, height = answer["metrics"]["ink"]
    middle = y + height // 2
    assert (pixels[middle, x + width // 2] == (255, 0, 0, 255)).all()
    assert (pixels[middle, x - 2] == (0, 255, 0, 255)).all()
    pixels, _ = await drawn(runner, text="l", size=80, shadow={"offset": [30, 0], "blur": 0, "color": "#0000ff"})
    assert (pixels == (0, 0, 255, 255)).all(-1).any()


async def test_a_heavier_weight_has_more_ink_and_is_bounded_by_the_font(runner: Runner) -> None:
    ink = [
        (await drawn(runner, text="Hello", size=60, variation_settings={"wght": weight}))[0][..., 3].sum(dtype=int)
        for weight in (100, 400, 900)
    ]
    assert ink[0] < ink[1] < ink[2]
    _, answer = await drawn(runner, text="a", size=20, variation_settings={"wght": 1000})
    assert answer["warnings"][0]["used"] == 900
    assert answer["warnings"][0]["field"] == "variation_settings.wght"


@pytest.mark.parametrize("name", fonts())
def test_the_tables_axes_are_the_fonts(name: str) -> None:
    found = ImageFont.truetype(str(font_path(name)), 20).get_variation_axes()
    for (low, high), axis in zip(fonts()[name].axes.values(), found, strict=True):
        assert int(low) == axis["minimum"]
        assert high == axis["maximum"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"text": ""}, "text"),
        ({"text": "a", "size": 0}, "size"),
        ({"text": "a", "size": 4097}, "size"),
        ({"text": "a", "box": {"width": 0}}, "box.width"),
        ({"text": "a", "stroke": {"width": 0}}, "stroke.width"),
        ({"text": "a", "shadow": {"blur": -1}}, "shadow.blur"),
        ({"text": "a", "font": "Comic"}, "font"),
        ({"text": "a", "variation_settings": {"slnt": 3}}, "variation_settings.slnt"),
        ({"text": "a", "preset_id": "none"}, "preset_id"),
        ({"text": "a" * 9000, "size": 900}, "text"),
    ],
)
async def test_a_bad_request_is_named_by_its_field(runner: Runner, body: dict[str, Any], field: str) -> None:
    with pytest.raises(AppError) as caught:
        await runner.run(OPERATION.name, {"size": 20} | body, CONTEXT)
    assert caught.value.status == 400
    assert caught.value.details["field"] == field
