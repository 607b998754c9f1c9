"""Adjustments against the definitions chosen in the shared data, and the fast execution against the plain one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kernels.adjust import (
    ADJUSTMENTS,
    adjust,
    adjust_reference,
    blurred,
    blurred_reference,
    sharpened,
    sharpened_reference,
)
from kernels.ranges import RANGES

CHOSEN = [
    ("brightness", {"brightness": 1.4}, "photoshop legacy (+40): v+b, with contrast 0"),
    ("contrast", {"contrast": 1 / (1 - 0.33)}, "photoshop legacy (+33)"),
    ("contrast", {"contrast": 1.5}, "css contrast(1.5): (v-0.5)*f+0.5"),
    ("saturation", {"saturation": 1 / (1 - 0.4)}, "photoshop-like HSL +40"),
    ("hue", {"hue": 60.0}, "HSL rotation 60deg (photoshop family)"),
    ("exposure", {"exposure": 1.0}, "photoshop: v^2.2 * 2^e + offset, ^1/gamma, ^1/2.2; e=+1 offset 0 gamma 1"),
    ("gamma", {"gamma": 2.2}, "photoshop levels gamma 2.2: v^(1/gamma)"),
]


@pytest.fixture(scope="module")
def truth(shared_data: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((shared_data / "image" / "adjustments.json").read_text())
    return data


def noise(seed: int = 0, *, opaque: bool = False) -> np.ndarray:
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 50, 4), dtype=np.uint8)
    if opaque:
        pixels[..., 3] = 255
    return pixels


@pytest.mark.parametrize(("name", "values", "definition"), CHOSEN)
def test_the_chosen_definition(truth: dict[str, Any], name: str, values: dict[str, float], definition: str) -> None:
    colors = np.array(truth["inputs_rgb8"], np.uint8)
    pixels = np.dstack([colors[None], np.full((1, len(colors), 1), 255, np.uint8)])
    expected = np.array(truth["adjustments"][name][definition]["out"])
    assert np.abs(adjust(pixels, values)[0, :, :3] / 255 - expected).max() <= 1 / 255
    assert np.abs(adjust_reference(pixels, values)[0, :, :3].numpy() - expected).max() <= 1 / 255


@pytest.mark.parametrize("opaque", [True, False])
@pytest.mark.parametrize("name", ADJUSTMENTS)
def test_fast_agrees_with_the_reference(name: str, opaque: bool) -> None:
    pixels = noise(opaque=opaque)
    low, high = RANGES[name].low, RANGES[name].high
    for value in (low, high, low + 0.3 * (high - low)):
        apart = np.abs(adjust(pixels, {name: value}) / 255 - adjust_reference(pixels, {name: value}).numpy())
        assert apart[pixels[..., 3] > 8].max() <= 1.01 / 255


def test_all_together_agree_and_keep_alpha() -> None:
    values = {"exposure": 0.4, "brightness": 1.1, "contrast": 1.2, "saturation": 1.3, "vibrance": -0.4, "hue": 33.0}
    values |= {"temperature": 0.5, "tint": -0.5, "gamma": 1.1}
    pixels = noise()
    got = adjust(pixels, values)
    assert np.abs(got / 255 - adjust_reference(pixels, values).numpy()).max() <= 1 / 255
    assert (got[..., 3] == pixels[..., 3]).all()


def test_neutral_values_change_nothing() -> None:
    pixels = noise()
    assert (adjust(pixels, {name: row.neutral for name, row in RANGES.items()}) == pixels).all()
    with pytest.raises(ValueError, match="glow"):
        adjust(pixels, {"glow": 1})


def test_one_order_whatever_the_order_of_the_names() -> None:
    pixels = noise()
    some = {"gamma": 0.5, "contrast": 2.0, "saturation": 0.2}
    assert (adjust(pixels, some) == adjust(pixels, dict(reversed(some.items())))).all()


@pytest.mark.parametrize("sigma", [0.6, 3.0, 20.0])
def test_a_blur_agrees_premultiplied(sigma: float) -> None:
    pixels = noise(3)
    got = blurred(pixels, sigma).astype(np.float64)
    got[..., :3] *= got[..., 3:] / 255
    assert np.abs(got - blurred_reference(pixels, sigma).numpy()).max() <= 1


@pytest.mark.parametrize(("amount", "threshold"), [(1.0, 0.0), (-0.5, 0.0), (2.0, 0.1)])
def test_sharpening_agrees(amount: float, threshold: float) -> None:
    pixels = noise(4, opaque=True)
    expected = sharpened_reference(pixels, 1.5, amount, threshold)
    apart = np.abs(sharpened(pixels, 1.5, amount, threshold)[..., :3] / 255 - expected.numpy())
    assert (apart <= 1 / 255).mean() > 0.999  # a change that equals the threshold may fall on either side
    flat = np.full((9, 9, 4), 77, np.uint8)
    assert (sharpened(flat, 2.0, 3.0) == flat).all()


def test_what_is_transparent_has_no_part_in_sharpening() -> None:
    pixels = np.full((20, 20, 4), (200, 100, 50, 255), np.uint8)
    pixels[:, 10:] = (0, 255, 0, 0)
    assert np.abs(sharpened(pixels, 2.0, 4.0)[:, :10].astype(int) - pixels[:, :10]).max() <= 1
    assert torch.allclose(
        sharpened_reference(pixels, 2.0, 4.0)[:, :10], torch.from_numpy(pixels[:, :10, :3]).double() / 255
    )
