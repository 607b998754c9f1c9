"""Compositions and masks: what is refused and where, what is the same, what is drawn."""

from __future__ import annotations

import io
import json
import threading
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image, ImageCms
from pydantic import ValidationError

from artifacts import Registry, Store
from artifacts.errors import NotFound
from artifacts.kinds import check_meta
from configs.fonts import UnknownFont, font, font_path, fonts
from configs.presets import presets
from configs.settings import Settings
from deployments.dispatch import LocalDispatch
from deployments.drawing.encode import srgb_profile
from deployments.engines.image_core.batch import BATCH
from deployments.engines.image_core.models import ImagePreviewRequest
from deployments.engines.image_core.output import EXTENSIONS, filename
from deployments.engines.image_core.plan import OPERATIONS, plan_preview
from deployments.errors import InvalidRequest, UndecodableMedia, UnknownPreset, as_app_error
from deployments.operation import Stopped
from deployments.replicas.host import Host
from deployments.runner import Runner
from tests.unit.image_bench import CONTEXT, Bench, Stored, pixels_of, png

TRIANGLE = {"type": "polygon", "points": [[2, 2], [18, 4], [6, 17]]}
ABSENT = "asset_aaaaaaaaaaaaaaaa"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(Settings(mattebox_home=tmp_path, max_image_pixels=4_000_000))


def noise(width: int, height: int, seed: int = 0, *, opaque: bool = True) -> np.ndarray:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 4), dtype=np.uint8)
    if opaque:
        pixels[..., 3] = 255
    return pixels


def canvas(*layers: dict[str, Any], width: int = 20, height: int = 20, **more: Any) -> dict[str, Any]:
    return {"width": width, "height": height, "layers": list(layers), **more}


# what is refused


@pytest.mark.parametrize(
    ("layer", "field"),
    [
        ({"color": "#fff", "opacity": 1.5}, "opacity"),
        ({"color": "#fff", "opacity": -0.1}, "opacity"),
        ({"color": "#fff", "opacity": float("nan")}, "opacity"),
        ({"color": "#fff", "x": float("inf")}, "x"),
        ({"color": "#fff", "x": "3"}, "x"),
        ({"color": "#fff", "width": 0}, "width"),
        ({"color": "#fff", "height": -5}, "height"),
        ({"color": "#fff", "scale": -1}, "scale"),
        ({"color": "#fff", "rotation": float("-inf")}, "rotation"),
        ({"color": "#fff", "anchor": [0.5]}, "anchor"),
        ({"color": "#fff", "blend_mode": "glow"}, "blend_mode"),
        ({"color": "#ffff"}, "color"),
        ({"color": "white"}, "color"),
        ({"color": "#fff", "fit": "fill"}, "fit"),
        ({"color": "#fff", "sparkle": 1}, "sparkle"),
        ({"color": "#fff", "adjustments": {"glow": 1}}, "adjustments.glow"),
        ({"color": "#fff", "adjustments": {"gamma": float("nan")}}, "adjustments.gamma"),
        ({"color": "#fff", "filters": [{"type": "blur", "radius": -1}]}, "filters[0].radius"),
        ({"color": "#fff", "filters": [{"type": "melt"}]}, "filters[0].type"),
        ({"color": "#fff", "filter_strength": -1, "filter_mode": "blur"}, "filter_strength"),
        ({"color": "#fff", "crop": [0, 0, 0, 5]}, "crop[2]"),
        ({"color": "#fff", "flip": "x"}, "flip"),
        ({"color": "#fff", "fill_opacity": 1.01}, "fill_opacity"),
        ({"color": "#fff", "blend_mode": "pass_through"}, "blend_mode"),
        ({"layers": [{"color": "#fff", "opacity": 2}]}, "layers[0].opacity"),
        ({"color": "#fff", "visible": "yes"}, "visible"),
        ({"text": ""}, "text"),
        ({"text": "a", "text_size": 0}, "text_size"),
        ({"asset_id": "asset_1"}, "asset_id"),
        ({"type": "cloud"}, "type"),
        ({"color": "#fff", "mask": {"type": "polygon", "points": [[0, 0], [1, 1]]}}, "mask.points"),
        ({"color": "#fff", "mask": TRIANGLE | {"points": [[0, 0], [1, 1], [1, float("nan")]]}}, "mask.points[2][1]"),
        ({"color": "#fff", "mask": TRIANGLE | {"feather_radius": -1}}, "mask.feather_radius"),
        ({"color": "#fff", "mask": TRIANGLE | {"fill_rule": "odd"}}, "mask.fill_rule"),
        ({"color": "#fff", "mask": TRIANGLE | {"grow": "3"}}, "mask.grow"),
        ({"color": "#fff", "mask": {"type": "wand"}}, "mask.type"),
    ],
)
def test_a_bad_value_is_named_by_its_path(bench: Bench, layer: dict[str, Any], field: str) -> None:
    body = {"composition": canvas({"color": "#000"}, layer)}
    with pytest.raises(ValidationError) as caught:
        bench.plan(body)
    assert as_app_error(caught.value, body).details["field"] == f"composition.layers[1].{field}"


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"x": 3}, "a layer needs a type"),
        ({"type": "raster"}, "exactly one of asset_id and artifact_id"),
        ({"asset_id": ABSENT, "artifact_id": "mask_aaaaaaaaaaaa"}, "exactly one of"),
        ({"asset_id": ABSENT, "color": "#fff"}, "type raster takes no color"),
        ({"color": "#fff", "text_size": 12}, "type solid takes no text_size"),
        ({"color": "#fff", "mask": TRIANGLE, "mask_artifact_id": "mask_aaaaaaaaaaaa"}, "not both"),
        ({"color": "#fff", "mask": TRIANGLE | {"width": 3}}, "type polygon takes no width"),
        ({"color": "#fff", "mask": {"type": "ellipse", "x": 1, "y": 1, "width": 3}}, "type ellipse needs height"),
        ({"color": "#fff", "mask": {"type": "alpha"}}, "exactly one of"),
    ],
)
def test_a_contradiction_says_what_is_wrong(bench: Bench, layer: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        bench.plan({"composition": canvas(layer)})


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (-1, 5), (5.5, 5), (True, 5)])
def test_a_canvas_has_whole_positive_sides(bench: Bench, size: tuple[Any, Any]) -> None:
    with pytest.raises(ValidationError):
        bench.plan({"composition": canvas(width=size[0], height=size[1])})


def test_what_only_the_registry_knows_is_refused_by_path(bench: Bench) -> None:
    video = bench.upload(b"v", "video/mp4", "video")
    mask, small = bench.keep(noise(20, 20)), bench.keep(noise(9, 20))
    composition = bench.keep(noise(20, 20), "image_render")
    cases = [
        ({"asset_id": video}, "asset_id"),
        ({"color": "#fff", "mask_artifact_id": small}, "mask_artifact_id"),
        ({"color": "#fff", "mask_artifact_id": composition}, "mask_artifact_id"),
        ({"color": "#fff", "mask": {"type": "alpha", "artifact_id": small}}, "mask.artifact_id"),
        ({"text": "a", "text_font": "Comic"}, "text_font"),
    ]
    for layer, field in cases:
        with pytest.raises(InvalidRequest) as caught:
            bench.plan({"composition": canvas(layer)})
        assert caught.value.details["field"] == f"composition.layers[0].{field}"
    for layer in ({"asset_id": ABSENT}, {"artifact_id": "mask_aaaaaaaaaaaa"}):
        with pytest.raises(NotFound):
            bench.plan({"composition": canvas(layer)})
    bench.plan({"composition": canvas({"color": "#fff", "mask_artifact_id": mask})})


def test_caps_are_looked_at_before_anything_is_drawn(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="over the cap") as caught:
        bench.plan({"composition": canvas(width=4000, height=4000)})
    assert caught.value.details["field"] == "composition.width"
    with pytest.raises(InvalidRequest, match="over the cap"):
        bench.plan({"composition": canvas(), "preset_id": "print_300dpi"})
    few = Bench(Settings(mattebox_home=tmp_path, max_layers=2))
    with pytest.raises(InvalidRequest, match="at most 2"):
        few.plan({"composition": canvas(*[{"color": "#fff"}] * 3)})
    with pytest.raises(InvalidRequest, match="WEBP holds at most 16383"):
        bench.plan({"composition": canvas(width=20000, height=10), "format": "webp"})
    with pytest.raises(UnknownPreset, match="web_small"):
        bench.plan({"composition": canvas(), "preset_id": "poster"})


@pytest.mark.parametrize(("format", "most"), [("JPEG", 65500), ("WEBP", 16383), ("AVIF", 32768)])
def test_the_longest_side_of_a_format_is_written_and_read_and_one_more_is_refused(
    bench: Bench, format: str, most: int
) -> None:
    output = bench.render({"composition": canvas({"color": "#123"}, width=most, height=1), "format": format})[1]
    assert isinstance(output.data, bytes)
    assert pixels_of(output.data).shape == (1, most, 4)
    with pytest.raises(InvalidRequest, match=f"{format} holds at most {most}") as caught:
        bench.plan({"composition": canvas(width=1, height=most + 1), "format": format})
    assert caught.value.details["field"] == "format"


def test_what_is_out_of_range_is_clamped_with_a_warning(bench: Bench) -> None:
    plan = bench.plan(
        {
            "composition": canvas({"color": "#fff", "mask": TRIANGLE | {"feather_radius": 900}}),
            "format": "jpg",
            "quality": 300,
        }
    )
    said = {item.field: (item.given, item.used) for item in plan.warnings}
    assert said == {"composition.layers[0].mask.feather_radius": (900, 250), "quality": (300, 100)}
    assert plan.parameters["composition"]["layers"][0]["mask"]["feather_radius"] == 250
    assert plan.parameters["output"]["quality"] == 100


# what is the same


def test_defaults_names_and_spelling_do_not_change_the_key(bench: Bench) -> None:
    plain = canvas({"color": "#ffffff", "blend_mode": "linear_dodge"})
    spelled = canvas(
        {"type": "solid", "id": "a", "name": "b", "color": "#FFF", "blend_mode": "add", "x": 0, "opacity": 1}
        | {"rotation": 0.0, "anchor": [0.5, 0.5], "visible": True, "scale": 1, "fit": "stretch"},
        background_color="#00000000",
        color_space="srgb",
    )
    one, two = bench.plan({"composition": plain}), bench.plan({"composition": spelled, "preset_id": "original"})
    assert one.cache_key == two.cache_key


@pytest.mark.parametrize(
    "change",
    [
        {"preset_id": "web_small"},
        {"format": "JPEG"},
        {"composition": canvas({"color": "#fff", "x": 1})},
        {"composition": canvas({"color": "#fff"}, color_space="linear")},
        {"composition": canvas({"color": "#fff"}, background_color="#000")},
    ],
)
def test_what_changes_the_picture_changes_the_key(bench: Bench, change: dict[str, Any]) -> None:
    body = {"composition": canvas({"color": "#fff"})}
    assert bench.plan(body).cache_key != bench.plan(body | change).cache_key


def test_the_composition_hash_takes_content_and_not_ids(bench: Bench) -> None:
    uploaded = bench.picture(noise(5, 5))
    kept = bench.keep(noise(5, 5), "image_render")
    bench.stored["asset_bbbbbbbbbbbb"] = Stored("asset_bbbbbbbbbbbb", "image", "image/png", bench.stored[uploaded].data)
    hashes = {
        bench.plan({"composition": canvas({"asset_id": id})}).parameters["composition_hash"]
        for id in (uploaded, "asset_bbbbbbbbbbbb")
    }
    assert len(hashes) == 1
    assert bench.stored[kept].sha256 == bench.stored[uploaded].sha256


def test_every_input_is_named_once_with_its_role_and_the_first_asset_is_the_parent(bench: Bench) -> None:
    picture, other = bench.picture(noise(20, 20)), bench.picture(noise(20, 20, 1))
    mask = bench.keep(noise(20, 20, 2))
    body = {
        "composition": canvas(
            {"asset_id": picture, "mask_artifact_id": mask},
            {"asset_id": picture},
            {"color": "#fff", "mask": {"type": "luminance", "asset_id": other}},
        )
    }
    plan = bench.plan(body)
    assert [(item.id, item.role) for item in plan.inputs] == [
        (picture, "layer"),
        (mask, "mask"),
        (other, "selection"),
    ]
    assert plan.parent_asset_id == picture
    assert bench.plan(body | {"parent_asset_id": other}).parent_asset_id == other
    assert bench.plan({"composition": canvas()}).parent_asset_id is None


def test_bytes_are_the_same_twice_and_whatever_the_threads(tmp_path: Path) -> None:
    results = set()
    for threads in (1, 2, 2):
        bench = Bench(Settings(mattebox_home=tmp_path, threads=threads))
        picture = bench.picture(noise(70, 50, opaque=False))
        layers = canvas(
            {"asset_id": picture, "rotation": 20, "x": 10.5},
            {"asset_id": picture, "width": 100, "blend_mode": "overlay", "mask": TRIANGLE | {"feather_radius": 3}},
            {"text": "same\nbytes", "blend_mode": "multiply"},
            {"svg": '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><circle cx="4" cy="4" r="4"/></svg>'},
            width=120,
            height=90,
        )
        outputs = [bench.render({"composition": layers, "format": form})[1].data for form in ("PNG", "WEBP", "JPEG")]
        results.add(tuple(outputs))
    assert len(results) == 1


# what a render is


@pytest.mark.parametrize("name", presets())
def test_each_preset_writes_what_it_says(tmp_path: Path, name: str) -> None:
    bench = Bench(Settings(mattebox_home=tmp_path))
    row = presets()[name]
    plan, output = bench.render({"composition": canvas({"color": "#36c"}, width=300, height=200), "preset_id": name})
    check_meta("image_render", output.media_type, output.meta)
    (side,) = output.sides
    check_meta(side.kind, side.media_type, side.meta)
    assert json.loads(side.data) == plan.parameters["composition"]
    assert isinstance(output.data, bytes)
    with Image.open(io.BytesIO(output.data)) as image:
        assert image.format == row.format == output.meta["format"]
        assert image.size == (output.meta["width"], output.meta["height"])
        assert (row.width or image.width, row.height or image.height) == image.size
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        assert "sRGB" in ImageCms.getProfileDescription(profile)
        if row.format != "WEBP":
            assert image.info["dpi"] == pytest.approx((row.dpi, row.dpi), abs=0.1)
    size = f"{output.meta['width']}x{output.meta['height']}"
    ending = EXTENSIONS[row.format]
    assert filename(plan.parameters) == f"{plan.parameters['composition_hash'][:12]}_{name}_{size}.{ending}"
    ratios = [side / given for side, given in ((row.width, 300), (row.height, 200)) if side] or [1]
    enlarges = (max if row.fit == "cover" else min)(ratios) > 1
    assert any("enlarges" in item.message for item in plan.warnings) == enlarges


def test_contain_pads_with_the_background_and_keeps_the_shape(bench: Bench) -> None:
    composition = canvas({"color": "#f00"}, width=100, height=200, background_color="#00f")
    data = bench.render({"composition": composition, "preset_id": "social_1080p"})[1].data
    assert isinstance(data, bytes)
    pixels = pixels_of(data)
    assert pixels.shape == (1080, 1920, 4)
    assert (pixels[:, :690] == (0, 0, 255, 255)).all()
    assert (pixels[:, 690:1230] == (255, 0, 0, 255)).all()


@pytest.mark.parametrize(("background", "expected"), [("#00000000", 255), ("#000", 0), ("#00000080", 0)])
def test_jpeg_is_flattened_on_the_background_or_on_white(bench: Bench, background: str, expected: int) -> None:
    data = bench.render({"composition": canvas(background_color=background), "format": "JPEG", "quality": 100})[1].data
    assert isinstance(data, bytes)
    assert abs(int(pixels_of(data, "L")[0, 0]) - expected) <= (1 if background != "#00000080" else 0)


@pytest.mark.parametrize(("format", "apart"), [("TIFF", 0), ("AVIF", 12), ("PNG", 0)])
def test_further_formats_hold_the_picture(bench: Bench, format: str, apart: int) -> None:
    pixels = np.zeros((32, 32, 4), np.uint8)
    pixels[8:24, 8:24] = (200, 100, 50, 255)
    body = {"composition": canvas({"asset_id": bench.picture(pixels)}, width=32, height=32), "format": format.lower()}
    plan, output = bench.render(body | {"quality": 95})
    assert isinstance(output.data, bytes)
    assert output.media_type == f"image/{format.lower()}"
    assert filename(plan.parameters).endswith(EXTENSIONS[format])
    got = pixels_of(output.data).astype(int)
    assert np.abs(got[10:22, 10:22] - pixels[10:22, 10:22]).max() <= apart
    assert got[0, 0, 3] == 0
    assert bench.render(body | {"quality": 95})[1].data == output.data


def test_a_preview_is_never_larger_than_asked_for(bench: Bench) -> None:
    for side, size in ((10, (10, 5)), (40, (40, 20)), (8192, (40, 20))):
        request = ImagePreviewRequest(composition=canvas(width=40, height=20), max_side=side)
        output = plan_preview(request, CONTEXT, cast(Registry, bench), bench.settings).parameters["output"]
        assert (output["width"], output["height"]) == size
    for side in (0, 8193):
        with pytest.raises(ValidationError):
            ImagePreviewRequest(composition=canvas(), max_side=side)


async def test_a_batch_is_a_render_a_preset(tmp_path: Path) -> None:
    settings = Settings(mattebox_home=tmp_path)
    registry, table = Registry(Store("memory://")), {row.name: row for row in (*OPERATIONS, BATCH)}
    host = Host(settings, registry, table, None)  # type: ignore[arg-type]
    runner = Runner(registry, LocalDispatch({"Imaging": host}), settings, table)
    body = {"composition": canvas({"color": "#36c"}), "preset_ids": ["icon_16", "original", "icon_16"]}
    first, second = [await runner.run("image_batch_render", body, CONTEXT) for _ in range(2)]
    assert first["total_count"] == 2
    assert [one["cache"] for one in first["results"].values()] == ["miss", "miss"]
    assert [one["cache"] for one in second["results"].values()] == ["hit", "hit"]
    alone = await runner.run("image_render", {"composition": body["composition"], "preset_id": "icon_16"}, CONTEXT)
    assert second["results"]["icon_16"] == alone
    with pytest.raises(UnknownPreset) as caught:
        await runner.run("image_batch_render", body | {"preset_ids": ["icon_16", "icon_17"]}, CONTEXT)
    assert caught.value.details["field"] == "preset_ids[1]"


def test_the_profile_holds_no_date() -> None:
    assert srgb_profile()[24:36] == bytes((7, 208, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0))


def test_work_ends_when_nobody_waits(bench: Bench) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        bench.render({"composition": canvas({"color": "#fff"})}, stop)


async def test_through_the_runner_the_second_request_is_a_hit(tmp_path: Path) -> None:
    settings = Settings(mattebox_home=tmp_path)
    registry, table = Registry(Store("memory://")), {row.name: row for row in OPERATIONS}

    async def detect(detector: str, frames: object) -> list[object]:
        return []

    host = Host(settings, registry, table, detect)  # type: ignore[arg-type]
    runner = Runner(registry, LocalDispatch({"Imaging": host}), settings, table)
    for row in OPERATIONS:
        first, second = [await runner.run(row.name, row.example, CONTEXT) for _ in range(2)]
        assert (first["cache"], second["cache"]) == ("miss", "hit")
        assert first["artifact_id"] == second["artifact_id"]
        record = registry.artifact(CONTEXT.scope, first["artifact_id"])
        assert first["uri"] == record.uri
        assert record.meta == first["meta"]
    assert set(await runner.run("image_render", OPERATIONS[0].example, CONTEXT)) == {
        "artifact_id",
        "uri",
        "format",
        "width",
        "height",
        "preset_id",
        "filename",
        "cache",
        "warnings",
        "meta",
    }
    mask = await runner.run("image_masks", OPERATIONS[1].example, CONTEXT)
    composition = canvas({"color": "#fff", "mask_artifact_id": mask["artifact_id"]}, width=640, height=360)
    assert (await runner.run("image_render", {"composition": composition}, CONTEXT))["width"] == 640


# what is drawn


def test_a_picture_at_its_own_size_keeps_its_bytes(bench: Bench) -> None:
    source = noise(20, 20)
    assert (bench.pixels(canvas({"asset_id": bench.picture(source)})) == source).all()


def test_x_and_y_place_the_corner_also_outside(bench: Bench) -> None:
    source = noise(12, 8)
    got = bench.pixels(canvas({"asset_id": bench.picture(source), "x": -5, "y": 15}))
    assert (got[15:20, 0:7] == source[:5, 5:]).all()
    assert not got[:15].any()
    assert not got[:, 7:].any()


def test_one_given_side_keeps_the_shape_and_scale_multiplies(bench: Bench) -> None:
    id = bench.picture(np.full((10, 40, 4), 255, np.uint8))
    for layer in ({"width": 20}, {"height": 5}, {"scale": 0.5}, {"width": 40, "height": 10, "scale": 0.5}):
        got = bench.pixels(canvas({"asset_id": id, **layer}, width=50, height=20))
        assert (got[:5, :20] == 255).all()
        assert got[..., 3].sum() == 5 * 20 * 255


def test_contain_shows_all_and_cover_fills(bench: Bench) -> None:
    wide = np.full((10, 40, 4), 255, np.uint8)
    wide[:, :10] = (255, 0, 0, 255)
    wide[:, 30:] = (0, 0, 255, 255)
    layer = {"asset_id": bench.picture(wide), "width": 20, "height": 20}
    contained = bench.pixels(canvas(layer | {"fit": "contain"}))
    assert not contained[:7].any()
    assert (contained[8:12, :, 3] == 255).all()
    covered = bench.pixels(canvas(layer | {"fit": "cover"}))
    assert (covered == 255).all()
    stretched = bench.pixels(canvas(layer))
    assert (stretched[10, 1, :3] == (255, 0, 0)).all()
    assert (stretched[10, -2, :3] == (0, 0, 255)).all()


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_rotation_is_clockwise_and_quarter_turns_are_exact(bench: Bench, turns: int) -> None:
    source = noise(20, 20)
    got = bench.pixels(canvas({"asset_id": bench.picture(source), "rotation": 90 * turns}))
    assert (got == np.rot90(source, -turns)).all()


def test_rotation_is_about_the_anchor(bench: Bench) -> None:
    layer = {"color": "#fff", "x": 10, "y": 10, "width": 8, "height": 4, "rotation": 180, "anchor": [0, 0]}
    got = bench.pixels(canvas(layer))
    assert (got[6:10, 2:10] == 255).all()
    assert got[..., 3].sum() == 8 * 4 * 255


def test_edges_between_pixels_cover_by_area(bench: Bench) -> None:
    got = bench.pixels(canvas({"color": "#fff", "x": 2.5, "y": 3.25, "width": 4, "height": 2}))[..., 3]
    assert got[4, 2] == got[4, 6] == 128
    assert got[3, 4] == 191
    assert got[5, 4] == 64
    assert got.sum(dtype=int) == pytest.approx(8 * 255, rel=0.01)


def test_a_turned_picture_has_the_area_it_should_and_keeps_its_colour(bench: Bench) -> None:
    id = bench.picture(np.full((30, 30, 4), (200, 10, 90, 255), np.uint8))
    got = bench.pixels(canvas({"asset_id": id, "x": 20, "y": 20, "rotation": 33}, width=70, height=70))
    assert got[..., 3].sum(dtype=int) == pytest.approx(900 * 255, rel=0.002)
    assert (got[got[..., 3] > 0][:, :3] == (200, 10, 90)).all()


def test_the_background_lies_below_and_hidden_layers_are_not_drawn(bench: Bench) -> None:
    hidden = [{"color": "#f00", "visible": False}, {"color": "#f00", "opacity": 0}, {"color": "#f00", "scale": 0}]
    got = bench.pixels(canvas(*hidden, background_color="#0a141e"))
    assert (got == (10, 20, 30, 255)).all()


def test_masks_stay_where_they_are_when_a_layer_moves(bench: Bench) -> None:
    plane = np.zeros((20, 20), np.uint8)
    plane[:, :10] = 255
    plane[:, 10:12] = 51
    got = bench.pixels(canvas({"color": "#fff", "x": 5, "mask_artifact_id": bench.keep(plane)}))[..., 3]
    assert (got[:, 5:10] == 255).all()
    assert (got[:, 10:12] == 51).all()
    assert not got[:, 12:].any()
    assert not got[:, :5].any()


def test_opacity_and_mode_reach_the_compositor(bench: Bench) -> None:
    layers = [{"color": "#808080"}, {"color": "#404040", "blend_mode": "add", "opacity": 0.5}]
    assert (bench.pixels(canvas(*layers))[..., 0] == 0x80 + 0x20).all()


def test_exif_turns_a_picture_upright(bench: Bench) -> None:
    source = noise(20, 10)[..., :3]
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned clockwise
    Image.fromarray(source).save(file, "PNG", exif=exif)
    id = bench.upload(file.getvalue(), width=20, height=10, orientation=6)
    got = bench.pixels(canvas({"asset_id": id}, width=10, height=20))
    assert (got[..., :3] == np.rot90(source, -1)).all()
    upright = {"color": "#fff", "mask": {"type": "alpha", "asset_id": id}}
    bench.plan({"composition": canvas(upright, width=10, height=20)})


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "CMYK", "I;16"])
def test_every_kind_of_picture_is_read(bench: Bench, mode: str) -> None:
    file = io.BytesIO()
    if mode == "I;16":
        Image.fromarray(np.full((20, 20), 0x9999, np.uint16)).save(file, "PNG")
    else:
        Image.new("RGB", (20, 20), (153, 153, 153)).convert(mode).save(file, "TIFF" if mode == "CMYK" else "PNG")
    id = bench.upload(file.getvalue(), "image/tiff" if mode == "CMYK" else "image/png")
    got = bench.pixels(canvas({"asset_id": id}))
    assert (got[..., 3] == 255).all()
    if mode != "1":
        assert np.abs(got[..., :3].astype(int) - 153).max() <= 1


def test_a_damaged_picture_and_one_over_the_cap_cannot_be_decoded(bench: Bench) -> None:
    whole = png(noise(50, 50))
    broken = [whole[: len(whole) // 2], b"no picture", png(np.zeros((2100, 2000, 4), np.uint8))]
    for data in broken:
        with pytest.raises(UndecodableMedia) as caught:
            bench.pixels(canvas({"asset_id": bench.upload(data)}))
        assert caught.value.details["field"] == "composition.layers[0].asset_id"
    with pytest.raises(InvalidRequest, match="size of the canvas"):
        bench.pixels(canvas({"color": "#fff", "mask_artifact_id": lying_mask(bench)}))


def lying_mask(bench: Bench) -> str:
    """A mask whose record tells another size than its bytes have."""
    id = bench.keep(noise(9, 9))
    bench.stored[id].meta = {"width": 20, "height": 20}
    return id


def test_text_is_drawn_in_its_colour_where_it_is_placed(bench: Bench) -> None:
    layer = {"text": "Hxg", "text_size": 40, "text_color": "#c81e32", "x": 30, "y": 20}
    got = bench.pixels(canvas(layer, width=200, height=120))
    rows, columns = np.nonzero(got[..., 3])
    assert 30 <= columns.min() <= 36
    assert 25 <= rows.min() <= 45
    assert (got[got[..., 3] == 255][:, :3] == (0xC8, 0x1E, 0x32)).all()
    assert not bench.pixels(canvas(layer | {"visible": False}, width=200, height=120)).any()


def test_text_is_scaled_as_outlines(bench: Bench) -> None:
    size = {"width": 300, "height": 120}
    scaled = bench.pixels(canvas({"text": "Hxg", "text_size": 20, "scale": 4}, **size))
    large = bench.pixels(canvas({"text": "Hxg", "text_size": 80}, **size))
    assert np.abs(scaled.astype(int) - large).max() <= 1


def test_lines_are_aligned_and_a_line_height_apart(bench: Bench) -> None:
    size = {"width": 300, "height": 200}
    places = {}
    for align in ("left", "center", "right"):
        text = {"text": "wide wide\ni", "text_size": 40, "line_height": 2, "align": align}
        got = bench.pixels(canvas(text, **size))[..., 3]
        rows = np.nonzero(got.any(1))[0]
        assert np.diff(rows).max() > 20
        places[align] = np.nonzero(got[rows[-1]])[0].mean()
    assert places["left"] < places["center"] < places["right"]


def test_control_characters_and_tiny_letters_draw_nothing(bench: Bench) -> None:
    tiny = ({"text": "H", "text_size": 0.2}, {"text": "H", "scale": 1e-6})
    for layer in ({"text": "\x00\x07 \n"}, {"text": "\t"}, *tiny):
        assert not bench.pixels(canvas(layer)).any()


def test_text_over_the_caps_is_refused(bench: Bench) -> None:
    for layer in ({"text": "H", "text_size": 4000, "scale": 9}, {"text": "H" * 9999, "text_size": 900}):
        with pytest.raises(InvalidRequest):
            bench.pixels(canvas(layer))


@pytest.mark.parametrize("name", fonts())
def test_every_font_of_the_table_draws(bench: Bench, name: str) -> None:
    assert font_path(name).is_file()
    assert bench.pixels(canvas({"text": "Ag", "text_font": name.upper()}, width=60, height=60)).any()


def test_an_unknown_font_is_refused_with_the_list() -> None:
    with pytest.raises(UnknownFont, match="Noto Sans"):
        font("Comic")
    assert font().name == "Noto Sans"


# masks


def test_a_mask_is_one_channel_and_carries_its_selection(bench: Bench) -> None:
    plane, output = bench.mask({"width": 20, "height": 16, "selection": TRIANGLE})
    assert (plane.shape, plane.dtype) == ((16, 20), np.uint8)
    assert plane.max() == 255
    check_meta("mask", output.media_type, output.meta)
    assert output.meta["selection"] == {
        "type": "polygon",
        "points": [[2, 2], [18, 4], [6, 17]],
        "fill_rule": "nonzero",
        "grow": 0,
        "feather_radius": 0,
        "inverted": False,
    }


def test_a_lasso_is_a_polygon_and_inverted_is_the_rest(bench: Bench) -> None:
    body = {"width": 20, "height": 20, "selection": TRIANGLE | {"feather_radius": 2.5}}
    plane = bench.mask(body)[0].astype(int)
    assert (bench.mask(body | {"selection": body["selection"] | {"type": "lasso"}})[0] == plane).all()
    inverted = bench.mask(body | {"selection": body["selection"] | {"inverted": True}})[0]
    assert np.abs(inverted + plane - 255).max() <= 1


def test_the_fill_rule_decides_about_the_middle_of_a_star(bench: Bench) -> None:
    star = [[32, 5], [48, 54], [6, 24], [58, 24], [16, 54]]
    for rule, expected in (("nonzero", 255), ("evenodd", 0)):
        selection = {"type": "polygon", "points": star, "fill_rule": rule}
        assert bench.mask({"width": 64, "height": 64, "selection": selection})[0][32, 32] == expected


def test_luminance_of_a_grey_picture_is_the_picture(bench: Bench) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (20, 20), dtype=np.uint8)
    selection = {"type": "luminance", "asset_id": bench.picture(grey)}
    assert (bench.mask({"width": 20, "height": 20, "selection": selection})[0] == grey).all()


def test_alpha_is_the_alpha_and_full_where_there_is_none(bench: Bench) -> None:
    pixels = noise(20, 20, opaque=False)
    for source, expected in ((pixels, pixels[..., 3]), (pixels[..., :3], np.full((20, 20), 255))):
        selection = {"type": "alpha", "asset_id": bench.picture(np.ascontiguousarray(source))}
        assert (bench.mask({"width": 20, "height": 20, "selection": selection})[0] == expected).all()


def test_a_selections_picture_has_the_masks_size(bench: Bench) -> None:
    body = {"width": 20, "height": 20, "selection": {"type": "alpha", "asset_id": bench.picture(noise(19, 20))}}
    with pytest.raises(InvalidRequest) as caught:
        bench.plan_mask(body)
    assert caught.value.details["field"] == "selection.asset_id"


def test_equal_selections_have_equal_keys_and_another_parent_is_another_place(bench: Bench) -> None:
    body = {"width": 20, "height": 20, "selection": TRIANGLE}
    spelled = TRIANGLE | {"fill_rule": "nonzero", "feather_radius": 0, "inverted": False}
    assert bench.plan_mask(body).cache_key == bench.plan_mask(body | {"selection": spelled}).cache_key
    parent = bench.picture(noise(3, 3))
    assert bench.plan_mask(body | {"parent_asset_id": parent}).parent_asset_id == parent


def test_a_wide_feather_is_clamped_with_a_warning(bench: Bench) -> None:
    plan = bench.plan_mask({"width": 9, "height": 9, "selection": TRIANGLE | {"feather_radius": 251}})
    assert [(item.field, item.given, item.used) for item in plan.warnings] == [("selection.feather_radius", 251, 250)]
