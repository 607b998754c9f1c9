"""Text and drawings as layers: the pixels of /typography/render and /vector/render, limits, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import ImageFont
from pydantic import ValidationError

from configs.fonts import font_path
from configs.settings import Settings
from deployments.engines.typography_core import plan as typography_plan
from deployments.engines.typography_core import work as typography
from deployments.engines.typography_core.models import TypographyRenderRequest
from deployments.engines.vector_core import plan as vector_plan
from deployments.engines.vector_core import work as vector
from deployments.engines.vector_core.models import VectorRenderRequest
from deployments.errors import InvalidRequest, as_app_error
from tests.unit.image_bench import CONTEXT, Bench, pixels_of

CAP = 1_000_000
TEXTS: dict[str, dict[str, Any]] = {
    "plain": {"text": "AVA To\nfjord", "size": 33.5, "color": "#c81e3280"},
    "box": {"text": "Broken at the width of a box, to lines.", "size": 20, "box": {"width": 130}, "align": "justify"},
    "cut": {"text": "Broken at the width and cut below.", "size": 20, "box": {"width": 90, "height": 50}},
    "center": {"text": "one\nand two", "size": 24, "align": "center", "line_height": 0.9, "tracking": 120},
    "axes": {"text": "Heavy", "size": 40, "variation_settings": {"wght": 850, "wdth": 80}},
    "stroke": {"text": "rim", "size": 48, "stroke": {"width": 3.5, "color": "#0a84ff"}},
    "shadow": {"text": "cast", "size": 48, "shadow": {"offset": [-5, 4], "blur": 3, "color": "#d00000c0"}},
    "marks": {"text": "a" + "\u0301" * 12, "size": 30},
    "right to left": {"text": "مرحبا abc", "size": 30, "align": "right", "box": {"width": 200}},
}
OF_LAYERS = {name: f"text_{name}" for name in ("font", "size", "color", "tracking", "variation_settings")}
SCENE: dict[str, Any] = {
    "width": 90,
    "height": 60,
    "background_color": "#fefae0",
    "elements": [
        {"type": "rect", "x": 5, "y": 5, "width": 60, "height": 40, "radius": 9, "style": {"fill": "#c0306080"}},
        {"type": "group", "transform": {"translate": [40, 30], "rotate": 20}, "elements": [
            {"type": "ellipse", "cx": 0, "cy": 0, "rx": 30, "ry": 12, "style": {"stroke": "#204080"}}]},
        {"type": "path", "d": "M8 50 C 20 4 60 4 84 50", "style": {"stroke": "#203", "stroke_width": 3}},
    ],
}  # fmt: skip


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(Settings(mattebox_home=tmp_path, max_image_pixels=CAP))


def canvas(layer: dict[str, Any], width: int = 64, height: int = 64) -> dict[str, Any]:
    return {"width": width, "height": height, "layers": [layer]}


def as_layer(scene: dict[str, Any]) -> dict[str, Any]:
    return {OF_LAYERS.get(name, name): value for name, value in scene.items()}


def typeset(bench: Bench, scene: dict[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
    """What POST /typography/render makes of it."""
    request = TypographyRenderRequest.model_validate(scene)
    plan = typography_plan.plan_render(request, CONTEXT, cast(Any, None), bench.settings)
    output = typography.render(plan, cast(Any, {}), bench.tools())
    assert isinstance(output.data, bytes)
    return pixels_of(output.data), output.meta["metrics"]


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_layer_has_the_pixels_of_a_text_render(bench: Bench, name: str) -> None:
    expected, metrics = typeset(bench, TEXTS[name])
    assert expected[..., 3].any()
    height, width = expected.shape[:2]
    x, y = metrics["origin"]
    layer = as_layer(TEXTS[name]) | {"x": x, "y": y}
    assert (bench.pixels(canvas(layer, width, height)) == expected).all()


@pytest.mark.parametrize("name", ["box", "axes", "stroke", "shadow"])
def test_scale_multiplies_every_length(bench: Bench, name: str) -> None:
    scene = TEXTS[name]
    larger = scene | {"size": scene["size"] * 2}
    for part, length in (("box", "width"), ("stroke", "width"), ("shadow", "blur")):
        if part in scene:
            larger[part] = scene[part] | {length: 2 * scene[part][length]}
    if "shadow" in scene:
        larger["shadow"]["offset"] = [2 * offset for offset in scene["shadow"]["offset"]]
    expected, metrics = typeset(bench, larger)
    height, width = expected.shape[:2]
    x, y = metrics["origin"]
    layer = as_layer(scene) | {"x": x, "y": y, "scale": 2}
    assert (bench.pixels(canvas(layer, width, height)) == expected).all()


def test_marks_that_are_stacked_beyond_the_margin_are_not_cut(bench: Bench) -> None:
    scene = TEXTS["marks"]
    metrics = typeset(bench, scene)[1]
    face = ImageFont.truetype(str(font_path("Noto Sans")), scene["size"], layout_engine=ImageFont.Layout.RAQM)
    _, top, _, bottom = face.getbbox(scene["text"], anchor="ls")
    assert bottom - top > 2 * scene["size"]
    assert metrics["ink"][3] == bottom - top


@pytest.mark.parametrize("width", [12.0, 60.0])
def test_a_stroke_wider_than_its_letters_has_no_holes(bench: Bench, width: float) -> None:
    pixels, metrics = typeset(bench, {"text": "a&", "size": 40, "stroke": {"width": width, "color": "#f00"}})
    letters, _ = typeset(bench, {"text": "a&", "size": 40})
    alpha = np.zeros(pixels.shape[:2])
    x, y = metrics["ink"][:2]
    rows, columns = np.nonzero(letters[..., 3] >= 128)
    rows, columns = rows - rows.min() + y, columns - columns.min() + x
    down, across = np.indices(alpha.shape)
    apart = np.full(alpha.shape, np.inf)
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        np.minimum(apart, np.hypot(down - row, across - column), out=apart)
    assert (pixels[apart <= width - 1, 3] == 255).all()
    assert not pixels[apart >= width + 2, 3].any()


def test_a_box_that_cuts_letters_leaves_their_stroke_and_shadow(bench: Bench) -> None:
    scene = {"text": "Hxg", "size": 60, "stroke": {"width": 6}, "shadow": {"blur": 5, "offset": [-20, -20]}}
    whole, metrics = typeset(bench, scene)
    x, y = metrics["origin"]
    cut, _ = typeset(bench, scene | {"box": {"width": 125, "height": 40}})
    assert (cut == whole[y : y + 40, x : x + 125]).all()


def test_neutral_fields_are_the_same_picture(bench: Bench) -> None:
    plain = {"composition": canvas({"text": "a"})}
    spelled = {"text": "a", "text_tracking": 0.0, "text_variation_settings": {}, "stroke": None, "box": None}
    assert bench.plan(plain).parameters == bench.plan({"composition": canvas(spelled)}).parameters


def test_an_axis_is_clamped_with_a_warning(bench: Bench) -> None:
    layer = {"text": "a", "text_variation_settings": {"wght": 1000}}
    warned = bench.plan({"composition": canvas(layer)}).warnings
    assert [(one.field, one.used) for one in warned] == [("composition.layers[0].text_variation_settings.wght", 900)]
    assert not bench.plan({"composition": canvas({"text": "a", "text_variation_settings": {"wght": 900}})}).warnings


@pytest.mark.parametrize(
    ("field", "within", "beyond"),
    [
        ("text", "a" * 10_000, "a" * 10_001),
        ("text_size", 4096, 4096.1),
        ("text_tracking", -1000, -1000.1),
        ("text_tracking", 10_000, 10_000.1),
        ("text_variation_settings", {"wght": 1_000_000}, {"wght": 1_000_000.1}),
        ("text_variation_settings", {}, {"weight": 400}),
        ("line_height", 100, 100.1),
        ("line_height", 0.001, 0),
        ("align", "justify", "middle"),
        ("box.width", 100_000, 100_001),
        ("box.width", 1, 0),
        ("box.height", 100_000, 100_001),
        ("box.height", 1, 0),
        ("stroke.width", 500, 500.1),
        ("stroke.width", 0.001, 0),
        ("stroke.color", "#123", "#12"),
        ("shadow.blur", 250, 250.1),
        ("shadow.blur", 0, -0.1),
        ("shadow.offset", [-1_000_000, 1_000_000], [0, 1_000_001]),
        ("shadow.color", "#123", "red"),
    ],
)  # fmt: skip
def test_each_limit_of_a_text(bench: Bench, field: str, within: Any, beyond: Any) -> None:
    def body(value: Any) -> dict[str, Any]:
        part, _, inner = field.partition(".")
        given = {inner: value} if inner else value
        if inner and inner != "width" and part != "shadow":
            given = {"width": 10} | given
        return {"composition": canvas({"text": "a", part: given})}

    bench.plan(body(within))
    with pytest.raises(ValidationError) as caught:
        bench.plan(body(beyond))
    told = as_app_error(caught.value, body(beyond))
    assert told.status == 400
    assert str(told.details["field"]).startswith(f"composition.layers[0].{field}")


@pytest.mark.parametrize(
    ("layer", "field"),
    [
        ({"text": "a", "text_variation_settings": {"slnt": 3}}, "text_variation_settings.slnt"),
        ({"text": "a", "text_size": 1, "scale": 9000}, "text"),
        ({"text": "a", "box": {"width": 1001, "height": 1000}}, "text"),
        ({"text": "a", "text_size": 1, "scale": 100, "stroke": {"width": 82}}, "stroke.width"),
        ({"text": "a", "text_size": 1, "scale": 100, "shadow": {"blur": 82}}, "shadow.blur"),
        (
            {"text": "a", "text_size": 16, "scale": 16, "stroke": {"width": 30}, "box": {"width": 8, "height": 8}},
            "text",
        ),
        ({"text": "a", "shadow": {"offset": [0, 1_000_000]}}, "text"),
    ],
)
def test_what_only_drawing_can_refuse_is_named(bench: Bench, layer: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        bench.pixels(canvas(layer))
    assert caught.value.details["field"] == f"composition.layers[0].{field}"


def test_at_the_caps_of_drawing_a_text_is_drawn(bench: Bench) -> None:
    box = {"width": 8, "height": 8}
    for layer in (
        {"text": "a", "box": {"width": 1000, "height": 1000}},
        {"text": "a", "text_size": 16, "scale": 16, "stroke": {"width": 26}, "box": box},
        {"text": "a", "text_size": 3, "scale": 50, "shadow": {"blur": 1}, "box": box},
        {"text": "a", "shadow": {"offset": [1_000_000, -1_000_000], "blur": 0}, "box": {"width": 40, "height": 40}},
    ):
        assert bench.pixels(canvas(layer, 1000, 1000)).any(), layer


@pytest.mark.parametrize("size", [{}, {"width": 180}, {"width": 45, "height": 90}, {"scale": 1.5}])
def test_a_scene_has_the_pixels_of_a_vector_render(bench: Bench, size: dict[str, Any]) -> None:
    wanted = {"width": 135} if "scale" in size else size
    request = VectorRenderRequest.model_validate({"scene": SCENE} | wanted)
    plan = vector_plan.plan_render(request, CONTEXT, cast(Any, None), bench.settings)
    output = vector.render(plan, cast(Any, {}), bench.tools())
    assert isinstance(output.data, bytes)
    expected = pixels_of(output.data)
    height, width = expected.shape[:2]
    assert (bench.pixels(canvas({"vector_scene": SCENE} | size, width, height)) == expected).all()


@pytest.mark.parametrize(
    ("layer", "field"),
    [
        ({"type": "vector"}, ".svg"),
        ({"vector_scene": SCENE, "svg": "<svg/>"}, ".vector_scene"),
        ({"vector_scene": SCENE | {"width": 0}}, ".vector_scene.width"),
        ({"vector_scene": SCENE | {"width": 100_001}}, ".vector_scene.width"),
        ({"vector_scene": SCENE | {"elements": [{"type": "rect", "width": 3}]}}, ".vector_scene.elements[0].height"),
        ({"vector_scene": SCENE | {"elements": [{"type": "path", "d": "M0 0 <"}]}}, ".vector_scene.elements[0].d"),
    ],
)
def test_a_bad_scene_is_named_by_its_field(bench: Bench, layer: dict[str, Any], field: str) -> None:
    body = {"composition": canvas(layer)}
    with pytest.raises(ValidationError) as caught:
        bench.plan(body)
    assert as_app_error(caught.value, body).details["field"] == f"composition.layers[0]{field}"


def test_a_scene_over_the_cap_is_refused(bench: Bench) -> None:
    assert not bench.pixels(canvas({"vector_scene": {"width": 1000, "height": 1000, "elements": []}})).any()
    with pytest.raises(InvalidRequest) as caught:
        bench.pixels(canvas({"vector_scene": {"width": 1001, "height": 1000, "elements": []}}))
    assert caught.value.details["field"] == "composition.layers[0].vector_scene"
