"""Adjustments in Photoshop's units: the curve against scipy's, each kind by what it makes of known colours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.interpolate import CubicSpline

from kernels.adjustment_layers import KINDS, recolor, recolored
from kernels.ranges import LAYER_RANGES
from kernels.spline import natural_cubic

GREY = torch.linspace(0, 1, 256, dtype=torch.float64)[:, None].expand(256, 3)
COLORS = torch.rand((500, 3), generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def of(kind: str, color: list[float], **numbers: Any) -> list[float]:
    return recolor(kind, numbers)(torch.tensor([color], dtype=torch.float64))[0].tolist()  # type: ignore[no-any-return]


def test_the_tables_name_the_same_kinds() -> None:
    assert set(KINDS) == set(LAYER_RANGES)


def test_the_curve_is_the_natural_spline() -> None:
    points = [[10, 20], [60, 40], [120, 200], [250, 180]]
    expected = CubicSpline([p[0] for p in points], [p[1] for p in points], bc_type="natural")
    at = np.linspace(10, 250, 200)
    assert np.abs(natural_cubic(points)(torch.from_numpy(at)).numpy() - expected(at)).max() < 1e-9
    beyond = natural_cubic(points)(torch.tensor([0.0, 255.0], dtype=torch.float64)).tolist()
    assert beyond == pytest.approx([20, 180])


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind not in ("invert", "posterize", "threshold", "black_white")]
)
def test_neutral_numbers_change_nothing_but_rounding(kind: str) -> None:
    numbers = {"density": 0} if kind == "photo_filter" else {}
    assert (recolor(kind, numbers)(COLORS) - COLORS).abs().max() <= 0.5 / 255 + 1e-9


@pytest.mark.parametrize("kind", KINDS)
def test_every_number_at_both_ends_stays_a_colour(kind: str) -> None:
    for name, row in LAYER_RANGES[kind].items():
        for value in (row.low, row.high):
            got = recolor(kind, {name: value})(COLORS)
            assert torch.isfinite(got).all(), name
            assert got.shape == COLORS.shape


def test_invert_posterize_threshold() -> None:
    assert of("invert", [0.25, 0.5, 1.0]) == [0.75, 0.5, 0.0]
    assert recolor("posterize", {"levels": 4})(GREY).unique().tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])
    dark, light = [0.49, 0.49, 0.49], [0.51, 0.51, 0.51]
    assert of("threshold", dark, threshold=128) == [0, 0, 0]
    assert of("threshold", light, threshold=128) == [1, 1, 1]


def test_levels_go_by_channel_and_then_all() -> None:
    got = of("levels", [0.4, 0.4, 0.4], r={"in_black": 51, "in_white": 153}, rgb={"out_black": 51, "out_white": 255})
    assert got == pytest.approx([0.2 + 0.8 * 0.5, 0.2 + 0.8 * 0.4, 0.2 + 0.8 * 0.4], abs=1 / 255)
    bent = of("levels", [0.25, 0.25, 0.25], rgb={"gamma": 2.0})
    assert bent == pytest.approx([0.5] * 3, abs=1 / 255)


def test_exposure_is_a_gain_of_light() -> None:
    value = 0.4
    assert of("exposure", [value] * 3, exposure=1)[0] == pytest.approx((value**2.2 * 2) ** (1 / 2.2))
    assert of("exposure", [value] * 3, gamma=2.0)[0] == pytest.approx(value ** (1 / 2.0))


@pytest.mark.parametrize("brightness", [-150, 0, 150])
@pytest.mark.parametrize("contrast", [-100, 0, 100])
def test_modern_brightness_and_contrast_never_turn_round(brightness: int, contrast: int) -> None:
    got = recolor("brightness_contrast", {"brightness": brightness, "contrast": contrast})(GREY)[:, 0]
    assert got[0] == 0
    assert got[-1] == pytest.approx(1)
    assert (got.diff() >= 0).all()
    if brightness > 0 and contrast == 0:
        assert (got >= GREY[:, 0] - 1e-9).all()


def test_hue_ranges_touch_their_hues_alone() -> None:
    ranges = [{"range": [315, 345, 15, 45], "hue": 120, "saturation": 0, "lightness": 0}]
    assert of("hue_saturation", [1, 0, 0], ranges=ranges) == pytest.approx([0, 1, 0])
    assert of("hue_saturation", [0, 0, 1], ranges=ranges) == pytest.approx([0, 0, 1])
    assert of("hue_saturation", [0.5, 0.5, 0.5], ranges=ranges) == pytest.approx([0.5] * 3)
    half = of("hue_saturation", [1, 0.5, 0], ranges=ranges)  # at 30 degrees the range is half gone: 60 are added
    assert half == pytest.approx([0.5, 1, 0], abs=1e-6)


def test_black_and_white_weighs_the_six_hues() -> None:
    weights = {"reds": 40, "yellows": 60, "greens": 40, "cyans": 60, "blues": 20, "magentas": 80}
    pure = {"reds": [1, 0, 0], "yellows": [1, 1, 0], "greens": [0, 1, 0], "cyans": [0, 1, 1], "blues": [0, 0, 1]}
    for name, color in (pure | {"magentas": [1.0, 0, 1]}).items():
        assert of("black_white", color) == pytest.approx([weights[name] / 100] * 3), name
    assert of("black_white", [0.3, 0.3, 0.3]) == pytest.approx([0.3] * 3)
    tinted = of("black_white", [0.5, 0.5, 0.5], tint_color="#e1d3b3ff")
    assert sum(w * v for w, v in zip((0.3, 0.59, 0.11), tinted, strict=True)) == pytest.approx(0.5)
    assert tinted[0] > tinted[2]


def test_a_photo_filter_keeps_luminosity() -> None:
    light = (COLORS * torch.tensor([0.3, 0.59, 0.11])).sum(-1)
    got = recolor("photo_filter", {"color": "#ec8a00ff", "density": 60})(COLORS)
    assert ((got * torch.tensor([0.3, 0.59, 0.11])).sum(-1) - light).abs().max() < 1e-6
    red = {"color": "#ff0000ff", "density": 50, "preserve_luminosity": False}
    through = recolor("photo_filter", red)(torch.full((1, 3), 0.5, dtype=torch.float64))[0].tolist()
    assert through == pytest.approx([0.5, 0.25, 0.25])


def test_float_pictures_keep_their_depth() -> None:
    ramp = np.linspace(0, 1, 4096, dtype=np.float32)
    pixels = np.dstack([ramp[None]] * 3 + [np.ones((1, 4096), np.float32)])
    got = recolored(pixels, recolor("exposure", {"exposure": 2}))
    assert got.dtype == np.float32
    assert len(np.unique(got[..., 0])) > 1500
    assert (recolored((pixels * 255).astype(np.uint8), recolor("invert", {}))[..., 3] == 255).all()
