"""Colour TIFF of floats, written by tifffile: what becomes of it, and what is refused before it is decoded."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import ImageCms

from configs.settings import Settings
from deployments.errors import UndecodableMedia
from deployments.media.float_tiff import header
from deployments.media.pictures import picture_meta
from tests.unit.image_bench import Bench

SIZE = (40, 30)
CAP = 4000


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(Settings(mattebox_home=tmp_path, max_image_pixels=CAP))


def colors(channels: int = 3, size: tuple[int, int] = SIZE) -> np.ndarray:
    """float32 [h, w, channels], some below 0 and over 1."""
    return np.random.default_rng(1).uniform(-0.2, 1.2, (*size[::-1], channels)).astype(np.float32)


def tiff(pixels: np.ndarray, **more: Any) -> bytes:
    file = io.BytesIO()
    extra = {"extrasamples": ["unassalpha"]} if pixels.shape[2] == 4 else {}
    tifffile.imwrite(file, pixels, **{"photometric": "rgb", **extra, **more})
    return file.getvalue()


def drawn(bench: Bench, data: bytes, size: tuple[int, int] = SIZE, **more: Any) -> np.ndarray:
    layer = {"asset_id": bench.upload(data, "image/tiff")} | more
    return bench.pixels({"width": size[0], "height": size[1], "layers": [layer]})


def meta_of(data: bytes, tmp_path: Path, cap: int = CAP) -> dict[str, Any]:
    path = tmp_path / "a.tiff"
    path.write_bytes(data)
    return picture_meta(path, "image/tiff", Settings(mattebox_home=tmp_path, max_image_pixels=cap))


@pytest.mark.parametrize(
    "written",
    [{}, {"byteorder": ">"}, {"tile": (16, 32)}, {"compression": "zlib"}, {"rowsperstrip": 7}],
    ids=["plain", "big endian", "tiles", "deflate", "strips"],
)
def test_floats_are_taken_as_0_to_1(bench: Bench, tmp_path: Path, written: dict[str, Any]) -> None:
    data = tiff(colors(), **written)
    got = drawn(bench, data)
    assert np.abs(got[..., :3] - np.clip(colors(), 0, 1) * 255).max() <= 0.51
    assert (got[..., 3] == 255).all()
    meta = meta_of(data, tmp_path)
    assert (meta["width"], meta["height"], meta["has_alpha"]) == (*SIZE, False)


def test_alphas_are_straight_or_premultiplied_as_the_file_says(bench: Bench, tmp_path: Path) -> None:
    pixels = np.clip(colors(4), 0, 1)
    assert meta_of(tiff(pixels), tmp_path)["has_alpha"]
    premultiplied = np.concatenate([pixels[..., :3] * pixels[..., 3:], pixels[..., 3:]], 2)
    for data in (tiff(pixels), tiff(premultiplied, extrasamples=["assocalpha"])):
        got = drawn(bench, data)
        assert np.abs(got[..., 3] - pixels[..., 3] * 255).max() <= 0.51
        seen = pixels[..., 3] > 0.01
        assert np.abs(got[..., :3] - pixels[..., :3] * 255)[seen].max() <= 1


def test_depth_is_kept_until_colours_are_adjusted(bench: Bench) -> None:
    ramp = np.broadcast_to(np.linspace(0.1255, 0.1294, SIZE[0], dtype=np.float32)[None, :, None], (*SIZE[::-1], 3))
    got = drawn(bench, tiff(ramp), adjustments={"exposure": 3.0})[0, :, 0].astype(int)
    expected = (ramp[0, :, 0].astype(float) ** 2.2 * 8) ** (1 / 2.2) * 255
    assert np.abs(got - expected).max() <= 0.6
    assert len(np.unique(got)) > 2


def test_what_is_no_number_is_black_and_what_is_infinite_white(bench: Bench) -> None:
    pixels = colors()
    pixels[0, 0], pixels[0, 1] = np.nan, np.inf
    got = drawn(bench, tiff(pixels))
    assert got[0, 0].tolist() == [0, 0, 0, 255]
    assert got[0, 1].tolist() == [255, 255, 255, 255]


TURNS = {
    1: lambda p: p,
    2: np.fliplr,
    3: lambda p: np.rot90(p, 2),
    4: np.flipud,
    5: lambda p: p.swapaxes(0, 1),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: np.rot90(p, 2).swapaxes(0, 1),
    8: lambda p: np.rot90(p),
}
"""EXIF's orientation -> the stored picture as it is shown (EXIF 2.32, 4.6.4)."""


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("orientation", TURNS)
def test_a_turned_tiff_is_shown_upright(bench: Bench, tmp_path: Path, orientation: int, dtype: type) -> None:
    full = 1 if dtype == np.float32 else np.iinfo(dtype).max
    stored = np.clip(colors(), 0, 1)
    whole = stored if full == 1 else np.rint(stored * full).astype(dtype)
    data = tiff(whole, extratags=[(274, 3, 1, orientation, True)])
    meta = meta_of(data, tmp_path)
    assert (meta["width"], meta["height"], meta.get("orientation", 1)) == (*SIZE, orientation)
    shown = TURNS[orientation](stored)
    layer = {"asset_id": bench.upload(data, "image/tiff", **meta)}
    got = bench.pixels({"width": shown.shape[1], "height": shown.shape[0], "layers": [layer]})
    assert np.abs(got[..., :3] - shown * 255).max() <= 1.01


def test_a_mask_may_be_one(bench: Bench) -> None:
    pixels = np.clip(colors(), 0, 1)
    selection = {"type": "luminance", "asset_id": bench.upload(tiff(pixels), "image/tiff")}
    got, _ = bench.mask({"width": SIZE[0], "height": SIZE[1], "selection": selection})
    bytes_of_it = bench.picture(np.rint(np.dstack([pixels, np.ones(SIZE[::-1])]) * 255).astype(np.uint8))
    same, _ = bench.mask({"width": SIZE[0], "height": SIZE[1], "selection": selection | {"asset_id": bytes_of_it}})
    assert np.abs(got.astype(int) - same).max() <= 1
    assert got.std() > 20


def test_one_with_a_profile_is_brought_to_srgb(bench: Bench) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = tiff(np.clip(colors(), 0, 1), iccprofile=profile)
    assert np.abs(drawn(bench, data)[..., :3] - np.clip(colors(), 0, 1) * 255).max() <= 2


def test_the_cap_is_asked_before_anything_is_decoded(bench: Bench, tmp_path: Path) -> None:
    fits, over = tiff(colors(size=(80, 50))), tiff(colors(size=(80, 51)))
    assert meta_of(fits, tmp_path)["height"] == 50
    assert drawn(bench, fits, (80, 50)).shape == (50, 80, 4)
    for data in (over, tiff(colors(), tile=(1024, 1024), compression="zlib")):
        with pytest.raises(UndecodableMedia):
            meta_of(data, tmp_path)
        with pytest.raises(UndecodableMedia, match="over the cap") as caught:
            drawn(bench, data)
        assert caught.value.details["field"] == "composition.layers[0].asset_id"


def test_cut_off_and_damaged_files_are_refused(bench: Bench, tmp_path: Path) -> None:
    whole = tiff(colors(), compression="zlib")
    for share in (0.1, 0.5, 0.95):
        with pytest.raises(UndecodableMedia):
            meta_of(whole[: int(len(whole) * share)], tmp_path)
    random = np.random.default_rng(3)
    for _ in range(150):  # flipped bytes: a picture or UndecodableMedia, nothing else
        damaged = bytearray(whole)
        for at in random.integers(4, 300, 4):
            damaged[at] = random.integers(256)
        for look in (lambda data: meta_of(data, tmp_path), lambda data: drawn(bench, data)):
            with suppress(UndecodableMedia):
                look(bytes(damaged))


@pytest.mark.parametrize(
    "pixels", [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4, 3), np.uint16), np.zeros((4, 4, 3), np.float64)]
)
def test_other_samples_are_left_to_others(pixels: np.ndarray) -> None:
    assert header(io.BytesIO(tiff(pixels))) is None
    assert header(io.BytesIO(b"no picture")) is None
