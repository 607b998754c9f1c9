"""Layers of every type through the model: gradients, adjustments, filters, effects, knockout, depth of sources."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms
from pydantic import ValidationError

from configs.settings import Settings
from deployments.engines.image_core.models import ImageRenderRequest
from deployments.errors import InvalidRequest, as_app_error
from kernels.ranges import FILTER_RANGES, LAYER_RANGES
from tests.unit.image_bench import Bench

JSON = dict[str, Any]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(Settings(mattebox_home=tmp_path))


def canvas(*layers: JSON, width: int = 40, height: int = 30, **more: Any) -> JSON:
    return {"width": width, "height": height, "layers": list(layers)} | more


def field(layer: JSON) -> str:
    body = {"composition": canvas(layer)}
    with pytest.raises(ValidationError) as caught:
        ImageRenderRequest.model_validate(body)
    return str(as_app_error(caught.value, body).details["field"]).removeprefix("composition.layers[0]")


GRADIENT = {"stops": [[0, "#000"], [1, "#fff"]]}
STROKE = {"points": [[0, 0]], "width": 1}
DISC = {"type": "circle", "cx": 1, "cy": 1, "radius": 1}


def test_a_gradient_fills_its_box(bench: Bench) -> None:
    got = bench.pixels(canvas({"gradient": GRADIENT, "x": 10, "width": 20, "height": 30}))
    assert got[:, :10, 3].max() == 0
    row = got[15, 10:30, 0].astype(int)
    assert np.abs(row - np.rint((np.arange(20) + 0.5) / 20 * 255)).max() <= 1
    turned = bench.pixels(canvas({"gradient": GRADIENT | {"angle": 90}}))
    assert np.abs(turned[:, 7, 0].astype(int) - np.rint((np.arange(30) + 0.5) / 30 * 255)).max() <= 1


def test_an_adjustment_layer_changes_what_lies_below_within_its_mask(bench: Bench) -> None:
    half = {"type": "rect", "x": 0, "y": 0, "width": 20, "height": 30}
    invert = {"adjustment": {"kind": "invert"}, "mask": half}
    got = bench.pixels(canvas({"color": "#204060"}, invert, {"color": "#ff0000", "y": 20, "height": 10}))
    assert got[5, 5].tolist() == [0xDF, 0xBF, 0x9F, 255]
    assert got[5, 30].tolist() == [0x20, 0x40, 0x60, 255]
    assert got[25, 5].tolist() == [255, 0, 0, 255]
    thin = bench.pixels(canvas({"color": "#204060"}, invert | {"mask_density": 0.0}))
    assert thin[5, 30].tolist() == [0xDF, 0xBF, 0x9F, 255]


def test_an_adjustment_layer_makes_nothing_of_nothing(bench: Bench) -> None:
    assert bench.pixels(canvas({"adjustment": {"kind": "invert"}})).max() == 0


def test_a_clipped_adjustment_and_the_layers_own_are_the_same(bench: Bench) -> None:
    steps = [{"kind": "invert"}, {"kind": "hue_saturation", "hue": 40, "saturation": 20}]
    ground, patch = {"color": "#808040"}, {"color": "#c04020", "x": 5, "width": 9, "height": 9}
    clipped = [{"adjustment": step, "clip_to_below": True} for step in steps]
    got = bench.pixels(canvas(ground, patch, *clipped)).astype(int)
    own = bench.pixels(canvas(ground, patch | {"adjustment_stack": steps})).astype(int)
    assert np.abs(got - own).max() <= 1
    assert got[20, 20].tolist() == [0x80, 0x80, 0x40, 255]


def test_an_adjustment_in_linear_light_works_on_encoded_values(bench: Bench) -> None:
    layers = ({"color": "#204060"}, {"adjustment": {"kind": "invert"}})
    assert bench.pixels(canvas(*layers, color_space="linear"))[5, 5].tolist() == [0xDF, 0xBF, 0x9F, 255]


def test_linear_light_mixes_as_light_does(bench: Bench) -> None:
    layers = ({"color": "#ffffff"}, {"layers": [{"color": "#000000"}], "blend_mode": "normal", "opacity": 0.5})
    assert bench.pixels(canvas(*layers))[5, 5, 0] in (127, 128)
    assert bench.pixels(canvas(*layers, color_space="linear"))[5, 5, 0] == 188  # 1.055 * 0.5 ** (1 / 2.4) - 0.055


def test_knockout_goes_to_the_group_or_to_the_ground(bench: Bench) -> None:
    hole = {"color": "#123456", "x": 0, "width": 10, "height": 30, "knockout": "shallow", "fill_opacity": 0.0}
    group = {"layers": [{"color": "#00ff00"}, hole]}
    shallow = bench.pixels(canvas({"color": "#ff0000"}, group))
    assert shallow[5, 5].tolist() == [255, 0, 0, 255]
    assert shallow[5, 20].tolist() == [0, 255, 0, 255]
    deep = {"layers": [{"color": "#00ff00"}, hole | {"knockout": "deep"}]}
    assert bench.pixels(canvas({"color": "#ff0000"}, deep))[5, 5].tolist() == [0, 0, 0, 0]
    assert bench.pixels(canvas({"color": "#ff0000"}, deep, background_color="#0000ff"))[5, 5].tolist() == [
        0,
        0,
        255,
        255,
    ]
    kept = {"layers": [{"color": "#00ff00"}, hole | {"knockout": "deep"}], "blend_mode": "normal"}
    assert bench.pixels(canvas({"color": "#ff0000"}, kept))[5, 5].tolist() == [255, 0, 0, 255]


SQUARE = {"color": "#ff0000", "x": 12, "y": 10, "width": 10, "height": 10}


def test_a_drop_shadow_lies_under_and_moves(bench: Bench) -> None:
    shadow = {"type": "drop_shadow", "color": "#000", "opacity": 1, "offset": [6, 4], "size": 0}
    got = bench.pixels(canvas({"color": "#fff"}, SQUARE | {"effects": [shadow]}))
    assert got[12, 14].tolist() == [255, 0, 0, 255]
    assert got[22, 26].tolist() == [0, 0, 0, 255]
    assert got[12, 26].tolist() == [255, 255, 255, 255]


def test_a_shadow_of_what_lies_beyond_the_canvas_is_seen(bench: Bench) -> None:
    shadow = {"type": "drop_shadow", "color": "#000", "opacity": 1, "offset": [15, 0], "size": 0}
    got = bench.pixels(canvas(SQUARE | {"x": -12, "effects": [shadow]}))
    assert got[12, 3:13, 3].tolist() == [255] * 10
    assert got[12, :3, 3].max() == got[12, 13, 3] == 0


def test_strokes_and_overlays_keep_to_the_shape(bench: Bench) -> None:
    def drawn(*effects: JSON, **more: Any) -> np.ndarray:
        return bench.pixels(canvas(SQUARE | {"effects": list(effects)} | more))

    outside = drawn({"type": "stroke", "size": 2, "color": "#00f"})
    assert (outside[..., 3] > 0).sum() == pytest.approx(14 * 14, abs=12)  # round corners
    assert outside[15, 11].tolist() == [0, 0, 255, 255]
    inside = drawn({"type": "stroke", "size": 2, "color": "#00f", "position": "inside"})
    assert (inside[..., 3] > 0).sum() == 100
    assert [inside[15, x].tolist()[2] for x in (12, 13, 14)] == [255, 255, 0]
    overlay = drawn({"type": "color_overlay", "color": "#00ff00", "opacity": 0.5}, opacity=0.5)
    assert overlay[15, 15].tolist() == pytest.approx([127.5, 127.5, 0, 127.5], abs=0.5)
    hollow = drawn({"type": "stroke", "size": 2, "color": "#00f"}, fill_opacity=0.0)
    assert hollow[15, 15, 3] == 0
    assert hollow[15, 11, 3] == 255


def test_a_gradient_overlay_spans_the_whole_layer(bench: Bench) -> None:
    effects = [{"type": "gradient_overlay", "gradient": GRADIENT}]
    whole = bench.pixels(canvas({"color": "#f00", "x": 0, "width": 80, "height": 30, "effects": effects}, width=80))
    part = bench.pixels(canvas({"color": "#f00", "x": -30, "width": 80, "height": 30, "effects": effects}))
    assert np.abs(part[:, :40].astype(int) - whole[:, 30:70]).max() <= 1


def test_an_inner_shadow_and_effects_of_groups(bench: Bench) -> None:
    inner = {"type": "inner_shadow", "color": "#000", "opacity": 1, "offset": [3, 0], "size": 0}
    got = bench.pixels(canvas(SQUARE | {"effects": [inner]}))
    assert [got[15, x].tolist()[0] for x in (12, 14, 15, 21)] == [0, 0, 255, 255]
    shadow = {"type": "drop_shadow", "color": "#000", "opacity": 1, "offset": [0, 8], "size": 0}
    group = bench.pixels(canvas({"layers": [SQUARE], "effects": [shadow]}))
    assert group[12, 14].tolist() == [255, 0, 0, 255]
    assert group[24, 14].tolist() == [0, 0, 0, 255]


@pytest.mark.parametrize("name", FILTER_RANGES)
def test_every_filter_draws_and_is_clamped_with_a_warning(bench: Bench, name: str) -> None:
    id = bench.picture(np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8))
    assert bench.pixels(canvas({"asset_id": id, "filters": [{"type": name}]})).shape == (30, 40, 4)
    for number, row in FILTER_RANGES[name].items():
        for value, warned in ((row.high, False), (row.high * 1.01, True)):
            layer = {"asset_id": id, "filters": [{"type": name, number: value}]}
            plan = bench.plan({"composition": canvas(layer)})
            said = [warning.field for warning in plan.warnings]
            assert said == ([f"composition.layers[0].filters[0].{number}"] if warned else [])
            assert plan.parameters["composition"]["layers"][0]["filters"][0][number] == row.high


@pytest.mark.parametrize("kind", LAYER_RANGES)
def test_adjustments_are_clamped_with_a_warning(bench: Bench, kind: str) -> None:
    for name, row in LAYER_RANGES[kind].items():
        for value in (row.low, row.high, row.low - 1, row.high + 1):
            plan = bench.plan({"composition": canvas({"adjustment": {"kind": kind, name: value}})})
            outside = not row.low <= value <= row.high
            assert [w.field for w in plan.warnings] == ([f"composition.layers[0].adjustment.{name}"] if outside else [])
    plan = bench.plan({"composition": canvas({"adjustment": {"kind": "levels", "rgb": {"gamma": 99}}})})
    assert [w.field for w in plan.warnings] == ["composition.layers[0].adjustment.rgb.gamma"]


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ({"gradient": {"stops": [[0, "#fff"]]}}, ".gradient.stops"),
        ({"gradient": {"stops": [[0.5, "#fff"], [0.2, "#000"]]}}, ".gradient.stops"),
        ({"gradient": {"stops": [[0, "#fff"], [1.5, "#000"]]}}, ".gradient.stops[1][0]"),
        ({"gradient": GRADIENT | {"type": "spiral"}}, ".gradient.type"),
        ({"gradient": GRADIENT | {"radius": 0}}, ".gradient.radius"),
        ({"adjustment": {"kind": "sparkle"}}, ".adjustment.kind"),
        ({"adjustment": {"kind": "invert", "levels": 3}}, ".adjustment.levels"),
        ({"adjustment": {"kind": "curves", "rgb": [[0, 0]]}}, ".adjustment.rgb"),
        ({"adjustment": {"kind": "curves", "g": [[9, 0], [9, 255]]}}, ".adjustment.g"),
        ({"adjustment": {"kind": "curves", "g": [[0, 0], [256, 255]]}}, ".adjustment.g[1][0]"),
        ({"adjustment": {"kind": "levels", "g": [[0, 0], [255, 255]]}}, ".adjustment.g"),
        ({"adjustment": {"kind": "levels", "g": {"gamma": "2"}}}, ".adjustment.g.gamma"),
        ({"adjustment": {"kind": "invert"}, "effects": [{"type": "stroke"}]}, ".effects"),
        ({"adjustment": {"kind": "invert"}, "x": 3}, ".x"),
        ({"color": "#fff", "filters": [{"type": "blur", "radius": -1}]}, ".filters[0].radius"),
        ({"color": "#fff", "filters": [{"type": "noise", "seed": -1}]}, ".filters[0].seed"),
        ({"color": "#fff", "filters": [{"type": "noise", "angle": 3}]}, ".filters[0].angle"),
        ({"color": "#fff", "effects": [{"type": "stroke", "size": 0}]}, ".effects[0].size"),
        ({"color": "#fff", "effects": [{"type": "drop_shadow", "size": -1}]}, ".effects[0].size"),
        ({"color": "#fff", "effects": [{"type": "stroke", "blend_mode": "glow"}]}, ".effects[0].blend_mode"),
        ({"color": "#fff", "effects": [{"type": "color_overlay"}]}, ".effects[0].color"),
        ({"x": 3}, ".type"),
        ({"type": "raster"}, ".asset_id"),
        ({"color": "#fff", "text": "a"}, ".text"),
        ({"svg": "<svg/>", "vector_scene": {"width": 1, "height": 1, "elements": []}}, ".vector_scene"),
        ({"color": "#fff", "mask": {"type": "rect", "x": 0, "y": 0, "width": 1}}, ".mask.height"),
        ({"color": "#fff", "mask": {"type": "combine", "op": "add", "items": [], "x": 3}}, ".mask.items"),
        ({"color": "#fff", "mask": {"type": "brush", "strokes": [STROKE], "x": 3}}, ".mask.x"),
        ({"color": "#fff", "mask": {"type": "brush", "strokes": [STROKE], "refine": {}}}, ".mask.refine.asset_id"),
        ({"color": "#fff", "mask": {"type": "brush", "strokes": [STROKE]}, "mask_artifact_id": "mask_aaaaaaaa"},
         ".mask_artifact_id"),
        ({"color": "#fff", "filters": [], "filter_mode": "blur"}, ".filter_mode"),
        ({"vector_scene": {"width": 1, "height": 1, "elements": [DISC | {"d": "M 0 0"}]}},
         ".vector_scene.elements[0].d"),
        ({"vector_scene": {"width": 1, "height": 1, "elements": [{"type": "circle", "cx": 1, "cy": 1}]}},
         ".vector_scene.elements[0].radius"),
        ({"color": "#fff", "knockout": "through"}, ".knockout"),
        ({"color": "#fff", "mask_density": 1.1}, ".mask_density"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(layer: JSON, expected: str) -> None:
    assert field(layer) == expected


def test_photoshops_and_other_spellings_are_taken() -> None:
    kinds = {
        "brightnesscontrast": "brightness_contrast",
        "Hue/Saturation": "hue_saturation",
        "Black & White": "black_white",
        "black_and_white": "black_white",
        "photo filter": "photo_filter",
    }
    for kind, known in kinds.items():
        layer = canvas({"adjustment": {"kind": kind}})
        assert canonical_layer(layer)["adjustment"]["kind"] == known
    for name, known in {"gaussian": "blur", "unsharp": "sharpen", "motion_blur": "motion"}.items():
        layer = canvas({"color": "#fff", "filters": [{"type": name}]})
        assert canonical_layer(layer)["filters"][0]["type"] == known


def canonical_layer(composition: JSON) -> JSON:
    """The first layer, normalised."""
    request = ImageRenderRequest.model_validate({"composition": composition})
    layer: JSON = request.composition.normalized()["layers"][0]
    return layer


def deep_ramp() -> np.ndarray:
    """uint16 [4, 64, 3] BGR, all within one step of 8 bits."""
    return np.broadcast_to(np.linspace(8224, 8480, 64).astype(np.uint16)[None, :, None], (4, 64, 3))


@pytest.mark.parametrize(("suffix", "media_type"), [(".png", "image/png"), (".tiff", "image/tiff")])
def test_sixteen_bits_are_kept_until_they_are_adjusted(bench: Bench, suffix: str, media_type: str) -> None:
    id = bench.upload(cv2.imencode(suffix, deep_ramp())[1].tobytes(), media_type)
    levels = {"exposure": 3.0}
    got = bench.pixels(canvas({"asset_id": id, "adjustments": levels}, width=64, height=4))[0, :, 0].astype(int)
    expected = np.rint(((deep_ramp()[0, :, 0] / 65535) ** 2.2 * 8) ** (1 / 2.2) * 255)
    assert np.abs(got - expected).max() <= 1
    assert len(np.unique(got)) > 2
    plain = bench.pixels(canvas({"asset_id": id}, width=64, height=4))[0, :, 0]
    assert np.abs(plain.astype(int) - np.rint(deep_ramp()[0, :, 0] / 257)).max() <= 1


def test_floating_grey_is_taken_as_0_to_1(bench: Bench) -> None:
    file = io.BytesIO()
    Image.fromarray(np.linspace(-0.5, 1.5, 41, dtype=np.float32)[None].repeat(2, 0)).save(file, "TIFF")
    got = bench.pixels(canvas({"asset_id": bench.upload(file.getvalue(), "image/tiff")}, width=41, height=2))[0]
    assert np.abs(got[:, 0] - np.clip(np.linspace(-0.5, 1.5, 41), 0, 1) * 255).max() <= 0.51


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("deep", [False, True])
def test_pictures_are_shown_upright(bench: Bench, orientation: int, deep: bool) -> None:
    shown = np.array([[10, 60, 110], [160, 200, 240]], np.uint16) * (257 if deep else 1)
    back = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}[orientation]
    stored = Image.fromarray(shown if deep else shown.astype(np.uint8))
    turns = [None, Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180, Image.Transpose.FLIP_TOP_BOTTOM]
    turns += [
        Image.Transpose.TRANSPOSE,
        Image.Transpose.ROTATE_270,
        Image.Transpose.TRANSVERSE,
        Image.Transpose.ROTATE_90,
    ]
    turn = turns[back - 1]
    stored = stored if turn is None else stored.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    stored.save(file, "PNG", exif=exif)
    got = bench.pixels(canvas({"asset_id": bench.upload(file.getvalue())}, width=3, height=2))[..., 0]
    assert got.tolist() == [[10, 60, 110], [160, 200, 240]]


def test_a_profile_is_honoured(bench: Bench) -> None:
    """Grey of gamma 1.8 has littlecms's values in sRGB, which are those of the two transfer curves."""
    curve = (256 + 205).to_bytes(2, "big")  # 1.8 as u8Fixed8
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = {
        bytes(profile[at : at + 4]): at for at in range(132, 132 + 12 * int.from_bytes(profile[128:132], "big"), 12)
    }
    offset = len(profile)
    profile += b"curv" + bytes(4) + (1).to_bytes(4, "big") + curve + bytes(2)
    for name in (b"rTRC", b"gTRC", b"bTRC"):
        at = tags[name]
        profile[at + 4 : at + 12] = offset.to_bytes(4, "big") + (14).to_bytes(4, "big")
    profile[:4] = len(profile).to_bytes(4, "big")
    at = tags[b"desc"]
    start, size = (int.from_bytes(profile[at + i : at + i + 4], "big") for i in (4, 8))
    profile[start : start + size] = (
        profile[start : start + size]
        .replace(b"sRGB", b"grey")
        .replace("sRGB".encode("utf-16-be"), "grey".encode("utf-16-be"))
    )
    file = io.BytesIO()
    Image.fromarray(np.full((2, 2, 3), 120, np.uint8)).save(file, "PNG", icc_profile=bytes(profile))
    got = bench.pixels(canvas({"asset_id": bench.upload(file.getvalue())}, width=2, height=2))[0, 0, :3]
    light = (120 / 255) ** (461 / 256)
    assert np.abs(got - 255 * (1.055 * light ** (1 / 2.4) - 0.055)).max() <= 1


DOT = '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"><circle cx="2" cy="2" r="2"/></svg>'
SMALL_TEXT = {"text": "a", "text_size": 1.0}


@pytest.mark.parametrize(
    ("layer", "kind", "most"),
    [
        ({"svg": DOT, "scale": 100}, "median", 0.5),
        ({"svg": DOT, "scale": 100}, "bilateral", 0.1),
        (SMALL_TEXT | {"scale": 50}, "median", 1.0),
        (SMALL_TEXT | {"scale": 50}, "motion", 5.0),
    ],
)
def test_a_radius_of_what_is_drawn_large_has_its_limit_in_the_pixels_drawn(
    bench: Bench, layer: JSON, kind: str, most: float
) -> None:
    """A median of 50 over a text at ten times its size ended in an error of OpenCV's, a blur in 32 TiB."""
    bench.pixels(canvas(layer | {"filters": [{"type": kind, "radius": most}]}))
    with pytest.raises(InvalidRequest, match="pixels at this layer's size") as caught:
        bench.pixels(canvas(layer | {"filters": [{"type": kind, "radius": most * 1.01}]}))
    assert caught.value.details["field"] == "composition.layers[0].filters[0].radius"


def test_filters_grow_a_layer_no_further_than_the_cap(tmp_path: Path) -> None:
    small = Bench(Settings(mattebox_home=tmp_path, max_image_pixels=40_000))
    dot = small.picture(np.full((4, 4, 4), 255, np.uint8))
    few = [{"type": "box", "radius": 19.0}] * 6  # 4 + 6 * 40 = 244 pixels a side: below sqrt(1.5 * 40000)
    small.pixels(canvas({"asset_id": dot, "filters": few}))
    with pytest.raises(InvalidRequest, match="would grow to 284x284 pixels") as caught:
        small.pixels(canvas({"asset_id": dot, "filters": [*few, few[0]]}))
    assert caught.value.details["field"] == "composition.layers[0].filters[6].radius"


@pytest.mark.parametrize("where", [{"scale": 3}, {"width": 21, "height": 12}, {"width": 4, "height": 2}])
def test_nearest_shows_pixels_unmixed_as_pillow_does(bench: Bench, where: JSON) -> None:
    art = np.random.default_rng(4).integers(0, 256, (4, 7, 4), dtype=np.uint8)
    art[..., 3] |= 1
    width, height = where.get("width", 21), where.get("height", 12)
    got = bench.pixels(canvas({"asset_id": bench.picture(art), "resample": "nearest", **where}))[:height, :width]
    assert (got == np.asarray(Image.fromarray(art).resize((width, height), Image.Resampling.NEAREST))).all()


def test_a_quarter_turn_of_nearest_is_a_quarter_turn(bench: Bench) -> None:
    art = np.random.default_rng(4).integers(0, 256, (4, 4, 4), dtype=np.uint8)
    art[..., 3] = 255
    layer = {"asset_id": bench.picture(art), "resample": "nearest", "scale": 2, "rotation": 90, "x": 3, "y": 5}
    got = bench.pixels(canvas(layer))[5:13, 3:11]
    assert (got == np.rot90(art, -1).repeat(2, 0).repeat(2, 1)).all()
    assert field({"color": "#fff", "resample": "cubic"}) == ".resample"


@pytest.mark.parametrize("fit", ["stretch", "contain", "cover"])
def test_a_layer_whose_sides_vanish_shows_nothing(bench: Bench, fit: str) -> None:
    """1e-300 times 1e-300 is 0, by which the radius of a filter was divided."""
    filters = [{"type": "pixelate"}]
    for content in ({"gradient": GRADIENT}, {"svg": DOT}, {"color": "#fff"}):
        tiny = content | {"width": 1e-300, "height": 6.0, "scale": 1e-300, "fit": fit, "filters": filters}
        assert not bench.pixels(canvas(tiny)).any()
