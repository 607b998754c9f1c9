"""Filters against their plain definitions; noise, which a seed and a place determine."""

from __future__ import annotations

import numpy as np
import pytest

from kernels.filters import FILTERS, filtered
from kernels.noise import normal_noise
from kernels.ranges import FILTER_RANGES

NUMBERS = {
    "blur": {"radius": 2.5},
    "box": {"radius": 2.4},
    "motion": {"radius": 4.5, "angle": 30.0},
    "bilateral": {"radius": 2.0, "threshold": 0.2},
    "median": {"radius": 2.0},
    "sharpen": {"radius": 1.5, "amount": 2.0, "threshold": 0.0},
    "high_pass": {"radius": 3.0},
    "noise": {"amount": 0.2, "seed": 7},
    "pixelate": {"radius": 3.0},
    "vignette": {"amount": 0.8, "threshold": 0.2},
}


def picture(opaque: bool) -> np.ndarray:
    pixels = np.random.default_rng(5).integers(0, 256, (33, 47, 4), dtype=np.uint8)
    pixels[8:20, 10:30, :3] //= 4
    if opaque:
        pixels[..., 3] = 255
    return pixels


def premultiplied(pixels: np.ndarray) -> np.ndarray:
    out = pixels.astype(np.float64)
    out[..., :3] *= out[..., 3:] / 255
    return out


def test_the_tables_name_the_same_filters() -> None:
    assert set(FILTERS) == set(FILTER_RANGES) == set(NUMBERS)


@pytest.mark.parametrize("opaque", [True, False])
@pytest.mark.parametrize("name", [name for name in NUMBERS if name != "bilateral"])
def test_fast_agrees_with_the_definition(name: str, opaque: bool) -> None:
    pixels = picture(opaque)
    apart = np.abs(
        premultiplied(FILTERS[name].apply(pixels, NUMBERS[name])) - FILTERS[name].reference(pixels, NUMBERS[name])
    )
    assert apart.max() <= (2.0 if name == "motion" else 1.01)  # the reference samples the line, the fast one is exact


def test_bilateral_agrees_and_keeps_an_edge() -> None:
    pixels = picture(True)
    numbers = NUMBERS["bilateral"]
    apart = np.abs(FILTERS["bilateral"].apply(pixels, numbers) - FILTERS["bilateral"].reference(pixels, numbers))
    assert apart.max() <= 2
    edge = np.full((20, 20, 4), 255, np.uint8)
    edge[:, :10, :3] = 0
    assert (FILTERS["bilateral"].apply(edge, {"radius": 4.0, "threshold": 0.05}) == edge).all()


@pytest.mark.parametrize("name", ["blur", "box", "motion"])
def test_a_blur_grows_the_picture_and_keeps_its_light(name: str) -> None:
    pixels = np.full((9, 9, 4), 255, np.uint8)
    got, grown = filtered(name, pixels, NUMBERS[name])
    assert got.shape == (9 + 2 * grown, 9 + 2 * grown, 4)
    assert float(got[..., 3].sum()) == pytest.approx(81 * 255, rel=0.01)
    assert (got[got[..., 3] > 8][:, :3] > 247).all()


@pytest.mark.parametrize("name", ["blur", "box", "motion", "bilateral", "median", "sharpen", "pixelate"])
def test_nothing_happens_at_radius_0(name: str) -> None:
    pixels = picture(True)
    got, grown = filtered(name, pixels, NUMBERS[name] | {"radius": 0.0})
    assert grown == 0
    assert (got == pixels).all()


@pytest.mark.parametrize("name", ["noise", "vignette"])
def test_nothing_happens_at_amount_0(name: str) -> None:
    pixels = picture(False)
    assert (filtered(name, pixels, NUMBERS[name] | {"amount": 0.0})[0] == pixels).all()


def test_noise_is_nearly_normal_and_of_its_place() -> None:
    whole = normal_noise(3, 0, 300, 200, 3)
    assert abs(whole.mean()) < 0.01
    assert whole.std() == pytest.approx(1, abs=0.01)
    assert (normal_noise(3, 100, 120, 200, 3) == whole[100:120]).all()
    assert abs(np.corrcoef(whole.ravel(), normal_noise(4, 0, 300, 200, 3).ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(whole[:, 1:].ravel(), whole[:, :-1].ravel())[0, 1]) < 0.02


def test_an_unknown_filter_is_named() -> None:
    with pytest.raises(ValueError, match="swirl"):
        filtered("swirl", picture(True), {})
