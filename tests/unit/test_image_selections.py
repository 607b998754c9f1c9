"""Selections, groups and the rest of a layer, through requests: limits on both sides, and what is drawn."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from configs.settings import Settings
from deployments.errors import InvalidRequest, as_app_error
from tests.unit.image_bench import Bench

LEFT = {"type": "rect", "x": 0, "y": 0, "width": 6, "height": 10}
TOP = {"type": "rect", "x": 0, "y": 0, "width": 10, "height": 4}
STROKE = {"points": [[1, 1], [8, 8]], "width": 3}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(Settings(mattebox_home=tmp_path))


def mask(bench: Bench, selection: dict[str, Any]) -> np.ndarray:
    return bench.mask({"width": 10, "height": 10, "selection": selection})[0]


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        ("add", lambda a, b: a | b),
        ("subtract", lambda a, b: a & ~b),
        ("intersect", lambda a, b: a & b),
        ("xor", lambda a, b: a ^ b),
    ],
)
def test_combining_is_boolean_on_crisp_shapes(bench: Bench, op: str, expected: Any) -> None:
    got = mask(bench, {"type": "combine", "op": op, "items": [LEFT, TOP]})
    assert (got == expected(mask(bench, LEFT), mask(bench, TOP))).all()


def test_items_carry_their_own_feather_and_inversion(bench: Bench) -> None:
    other = {"type": "combine", "op": "intersect", "items": [LEFT, TOP | {"inverted": True}]}
    assert (mask(bench, other) == mask(bench, {"type": "combine", "op": "subtract", "items": [LEFT, TOP]})).all()
    off_canvas = LEFT | {"x": -50, "width": 100, "y": -50, "height": 100, "feather_radius": 3}
    inner = mask(bench, {"type": "combine", "op": "add", "items": [off_canvas], "feather_radius": 5})
    assert inner.min() >= 254


def test_a_grown_rectangle_is_larger_and_a_shrunk_one_smaller(bench: Bench) -> None:
    square = {"type": "rect", "x": 3, "y": 3, "width": 4, "height": 4}
    assert (mask(bench, square | {"grow": 2})[5] == [0, 255, 255, 255, 255, 255, 255, 255, 255, 0]).all()
    assert (mask(bench, square | {"grow": -1})[5] == [0, 0, 0, 0, 255, 255, 0, 0, 0, 0]).all()


def test_color_range_takes_what_is_near_enough(bench: Bench) -> None:
    pixels = np.zeros((10, 10, 4), np.uint8)
    pixels[..., 0] = np.arange(10) * 10
    pixels[..., 3] = 255
    pixels[0, :, 3] = 100
    selection = {"type": "color_range", "asset_id": bench.picture(pixels), "color": "#320000", "tolerance": 10}
    got = mask(bench, selection)
    assert (got[5] == [0, 0, 0, 0, 255, 255, 255, 0, 0, 0]).all()
    assert got[0].max() == 100


def test_strokes_lie_over_each_other_as_paint(bench: Bench) -> None:
    bar = {"points": [[-5, 5], [15, 5]], "width": 6, "opacity": 0.5}
    assert mask(bench, {"type": "brush", "strokes": [bar]})[5, 5] == 128
    assert mask(bench, {"type": "brush", "strokes": [bar, bar]})[5, 5] == 191


@pytest.mark.parametrize(
    ("selection", "field"),
    [
        ({"type": "brush", "strokes": []}, "strokes"),
        ({"type": "brush", "strokes": [STROKE | {"width": 0}]}, "strokes[0].width"),
        ({"type": "brush", "strokes": [STROKE | {"width": 1000.1}]}, "strokes[0].width"),
        ({"type": "brush", "strokes": [STROKE | {"hardness": 1.1}]}, "strokes[0].hardness"),
        ({"type": "brush", "strokes": [STROKE | {"opacity": -0.1}]}, "strokes[0].opacity"),
        ({"type": "brush", "strokes": [STROKE | {"points": []}]}, "strokes[0].points"),
        ({"type": "combine", "op": "glue", "items": [LEFT]}, "op"),
        ({"type": "combine", "op": "add", "items": []}, "items"),
        ({"type": "combine", "op": "add", "items": [LEFT | {"width": -1}]}, "items[0].width"),
        ({"type": "color_range", "asset_id": "asset_aaaaaaaaaa", "color": "#000", "tolerance": 256}, "tolerance"),
        (LEFT | {"feather_radius": -0.1}, "feather_radius"),
        (LEFT | {"rotation": float("nan")}, "rotation"),
    ],
)
def test_a_bad_selection_is_named_by_its_path(bench: Bench, selection: dict[str, Any], field: str) -> None:
    body = {"width": 10, "height": 10, "selection": selection}
    with pytest.raises(ValidationError) as caught:
        bench.plan_mask(body)
    assert as_app_error(caught.value, body).details["field"] == f"selection.{field}"


def test_the_largest_values_that_are_taken(bench: Bench) -> None:
    brush = {"type": "brush", "strokes": [STROKE | {"width": 1000, "hardness": 0, "opacity": 1}]}
    for selection in (brush, LEFT | {"feather_radius": 250, "grow": -250}):
        assert not bench.plan_mask({"width": 10, "height": 10, "selection": selection}).warnings


@pytest.mark.parametrize(("given", "used"), [(251, 250), (-250.5, -250)])
def test_growth_is_clamped_with_a_warning(bench: Bench, given: float, used: float) -> None:
    plan = bench.plan_mask({"width": 10, "height": 10, "selection": LEFT | {"grow": given}})
    assert [(item.field, item.given, item.used) for item in plan.warnings] == [("selection.grow", given, used)]


def test_selections_nest_so_deep_and_reach_so_far(bench: Bench) -> None:
    def nested(depth: int, **more: Any) -> dict[str, Any]:
        inner = LEFT if depth == 1 else {"type": "combine", "op": "add", "items": [nested(depth - 1, **more)]}
        return inner | more

    bench.plan_mask({"width": 10, "height": 10, "selection": nested(8)})
    bench.plan_mask({"width": 10, "height": 10, "selection": nested(4, feather_radius=250)})
    for selection, field in (
        (nested(9), "selection" + ".items[0]" * 8),
        (nested(5, feather_radius=250), "selection" + ".items[0]" * 4 + ".feather_radius"),
    ):
        with pytest.raises(InvalidRequest) as caught:
            bench.plan_mask({"width": 10, "height": 10, "selection": selection})
        assert caught.value.details["field"] == field


# layers


def canvas(*layers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"width": 20, "height": 20, "layers": list(layers), **more}


@pytest.mark.parametrize(
    ("layer", "field", "given", "used"),
    [
        ({"adjustments": {"exposure": 9}}, "adjustments.exposure", 9, 5),
        ({"adjustments": {"exposure": -9}}, "adjustments.exposure", -9, -5),
        ({"adjustments": {"contrast": 4.5}}, "adjustments.contrast", 4.5, 4),
        ({"adjustments": {"gamma": -1}}, "adjustments.gamma", -1, 0),
        ({"filters": [{"type": "blur", "radius": 251}]}, "filters[0].radius", 251, 250),
        ({"filters": [{"type": "sharpen", "amount": 11}]}, "filters[0].amount", 11, 10),
        ({"filter_mode": "blur", "filter_strength": 999}, "filter_strength", 999, 250),
    ],
)
def test_what_is_out_of_range_is_clamped(bench: Bench, layer: Any, field: str, given: float, used: float) -> None:
    plan = bench.plan({"composition": canvas({"color": "#fff"} | layer)})
    said = [(item.field, item.given, item.used) for item in plan.warnings]
    assert said == [(f"composition.layers[0].{field}", given, used)]


def test_neutral_adjustments_make_no_other_picture(bench: Bench) -> None:
    neutral = {"adjustments": {"exposure": 0, "gamma": 1}, "filter_mode": "none"}
    plans = [bench.plan({"composition": canvas({"color": "#fff"} | more)}) for more in ({}, neutral)]
    assert plans[0].cache_key == plans[1].cache_key


def test_a_layer_is_adjusted_and_older_filters_are_filters(bench: Bench) -> None:
    grey = bench.pixels(canvas({"color": "#804020", "adjustments": {"saturation": 0}}))
    assert (grey[0, 0, :3] == grey[0, 0, 0]).all()
    square = np.full((6, 6, 4), 255, np.uint8)
    place = {"asset_id": bench.picture(square), "x": 7, "y": 7}
    older = bench.pixels(canvas(place | {"filter_mode": "blur", "filter_strength": 1.5}))
    newer = bench.pixels(canvas(place | {"filters": [{"type": "blur", "radius": 1.5}]}))
    assert (older == newer).all()
    assert newer[10, 5, 3] > 0  # grown beyond its box
    assert abs(int(newer[..., 3].sum()) - 36 * 255) < 300


def test_crop_and_flip(bench: Bench) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    layer = {"asset_id": bench.picture(pixels), "crop": [5, 2, 20, 18]}
    assert (bench.pixels(canvas(layer))[:18] == pixels[2:20, 5:25]).all()
    for flip, turned in (("h", np.s_[:, ::-1]), ("v", np.s_[::-1]), ("both", np.s_[::-1, ::-1])):
        got = bench.pixels(canvas(layer | {"flip": flip}))[:18]
        assert (got == pixels[2:20, 5:25][turned]).all()
    half = bench.pixels(canvas(layer | {"crop": [0.5, 0, 10, 10]}))
    assert half[5, :12, 3].tolist() == [255] * 10 + [0] * 2
    assert not bench.pixels(canvas(layer | {"crop": [100, 0, 10, 10]})).any()


def test_a_group_is_one_picture_unless_it_passes_through(bench: Bench) -> None:
    inside = [{"color": "#ff0000"}, {"color": "#00ff00", "blend_mode": "multiply"}]
    faded = bench.pixels(canvas({"color": "#fff"}, {"layers": inside, "opacity": 0.5}))
    assert (faded[0, 0] == (128, 128, 128, 255)).all()
    multiplied = {"color": "#00ff00", "blend_mode": "multiply"}
    through = bench.pixels(canvas({"color": "#ff0000"}, {"layers": [multiplied]}))
    isolated = bench.pixels(canvas({"color": "#ff0000"}, {"layers": [multiplied], "blend_mode": "normal"}))
    assert (through[0, 0] == (0, 0, 0, 255)).all()
    assert (isolated[0, 0] == (0, 255, 0, 255)).all()


def test_what_is_clipped_stays_inside_and_vanishes_with_its_base(bench: Bench) -> None:
    base = {"color": "#ff0000", "width": 10, "height": 10}
    clipped = {"color": "#0000ff", "clip_to_below": True}
    got = bench.pixels(canvas(base, clipped))
    assert (got[5, 5] == (0, 0, 255, 255)).all()
    assert not got[15, 15].any()
    assert not bench.pixels(canvas(base | {"visible": False}, clipped)).any()
    assert (bench.pixels(canvas(base | {"fill_opacity": 0.5}))[5, 5] == (255, 0, 0, 128)).all()


def test_groups_nest_so_deep(bench: Bench) -> None:
    def nested(depth: int) -> dict[str, Any]:
        return {"color": "#fff"} if depth == 1 else {"layers": [nested(depth - 1)]}

    bench.plan({"composition": canvas(nested(8))})
    with pytest.raises(InvalidRequest):
        bench.plan({"composition": canvas(nested(9))})
    with pytest.raises(ValidationError, match="takes no x"):
        bench.plan({"composition": canvas({"layers": [], "x": 3})})


def test_combined_items_are_in_memory_two_at_a_time(bench: Bench) -> None:
    """Sixty-four planes of a wide feather's margins on a 4K canvas would take six gigabytes."""
    item = {"type": "rect", "x": 10, "y": 10, "width": 200, "height": 200}
    plane = (4 * 40 * 2 + 4 + 500) ** 2 * 4
    peaks = []
    for count in (4, 40):
        selection = {"type": "combine", "op": "add", "items": [item] * count, "feather_radius": 40}
        tracemalloc.start()
        bench.mask({"width": 500, "height": 500, "selection": selection})
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < plane
