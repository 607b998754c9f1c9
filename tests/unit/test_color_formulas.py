"""The formulas that the compiled loops take, against the tensor code that they stand for, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import adjust as sliders
from kernels import adjustment_layers
from kernels.adjust import adjust, adjust_reference
from kernels.adjustment_layers import recolor, recolored
from kernels.composite_colors import NAMES
from kernels.lookup import Formula, rows_of
from kernels.ranges import LAYER_RANGES, RANGES

HUES = ("reds", "yellows", "greens", "cyans", "blues", "magentas")
COLORS = st.sampled_from(["#ec8a00ff", "#0000ffff", "#000000ff", "#ffffffff", "#13a0c480"])


def numbers(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    """All numbers of a kind, ends included. Full saturation, which turns a grey's last bit into a colour, is apart."""
    rows = LAYER_RANGES[kind].items()
    return st.fixed_dictionaries(
        {name: st.floats(row.low, 99 if name == "saturation" else row.high, width=32) for name, row in rows}
    )


DEGREES = st.floats(0, 360, width=16)
HUE_RANGES = st.lists(
    st.builds(
        lambda edges, added: {"range": sorted(edges), **added},
        st.lists(st.integers(0, 360), min_size=4, max_size=4, unique=True),
        numbers("hue_saturation"),
    ),
    min_size=1,
    max_size=6,
)
KINDS = st.one_of(
    numbers("hue_saturation").map(lambda p: ("hue_saturation", p)),
    numbers("hue_saturation").map(lambda p: ("hue_saturation", p | {"colorize": True})),
    st.builds(lambda p, r: ("hue_saturation", p | {"ranges": r}), numbers("hue_saturation"), HUE_RANGES),
    numbers("vibrance").map(lambda p: ("vibrance", p)),
    numbers("black_white").map(lambda p: ("black_white", p)),
    st.builds(lambda p, c: ("black_white", p | {"tint_color": c}), numbers("black_white"), COLORS),
    st.builds(lambda p, c: ("photo_filter", p | {"color": c}), numbers("photo_filter"), COLORS),
)


def picture(seed: int) -> np.ndarray:
    """Colours of all hues, some nearly grey, nearly black, nearly white, some with equal channels."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (12, 300, 4), dtype=np.uint8)
    pixels[1:3, :, 1] = pixels[1:3, :, 0]
    pixels[3] = pixels[3, :, :1]
    pixels[4:6, :, :3] = pixels[4:6, :, :1] // 2 + rng.integers(0, 3, (2, 300, 3), dtype=np.uint8)
    pixels[6, :, :3] = rng.integers(0, 3, (300, 3), dtype=np.uint8)
    pixels[7, :, :3] = 255 - pixels[6, :, :3]
    return pixels


def deep(pixels: np.ndarray) -> np.ndarray:
    """The picture in float32, 0..1, with values between those of bytes; equal channels stay equal."""
    between = np.random.default_rng(9).uniform(-0.4, 0.4, 256).astype(np.float32)
    return np.clip((pixels + between[pixels]) / np.float32(255), 0, 1).astype(np.float32)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(KINDS, st.integers(0, 2**32 - 1))
def test_an_adjustment_that_looks_at_the_whole_colour_is_its_formula(
    given_: tuple[str, dict[str, Any]], seed: int
) -> None:
    change, pixels = recolor(*given_), picture(seed)
    rows = rows_of(change)
    assert rows
    assert isinstance(rows[0], Formula)
    got = recolored(pixels, change)
    expected = change(torch.from_numpy(pixels[..., :3]).double() / 255).clamp(0, 1).numpy()
    assert np.abs(got[..., :3] / 255 - expected).max() <= 0.51 / 255
    assert (got[..., 3] == pixels[..., 3]).all()


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(KINDS, st.integers(0, 2**32 - 1))
def test_a_formula_is_the_same_of_deep_pictures(given_: tuple[str, dict[str, Any]], seed: int) -> None:
    change, pixels = recolor(*given_), deep(picture(seed))
    one, two = (recolored(pixels, change, threads=threads) for threads in (1, 2))
    assert one.dtype == np.float32
    assert one.tobytes() == two.tobytes()
    expected = change(torch.from_numpy(pixels[..., :3]).double()).clamp(0, 1).numpy()
    assert np.abs(one[..., :3] - expected).max() <= 0.1 / 255
    assert (one[..., 3] == pixels[..., 3]).all()


TABLED: list[tuple[str, dict[str, Any]]] = [
    ("invert", {}),
    ("posterize", {"levels": 5}),
    ("threshold", {"threshold": 100}),
    ("levels", {"rgb": {"in_black": 20, "in_white": 230, "gamma": 1.4}, "r": {"out_white": 200}}),
    ("curves", {"rgb": [[0, 10], [128, 140], [255, 245]], "b": [[0, 0], [100, 60], [255, 255]]}),
    ("exposure", {"exposure": 1.5, "offset": 0.01, "gamma": 1.2}),
    ("brightness_contrast", {"brightness": 30, "contrast": -20}),
    ("photo_filter", {"density": 50, "preserve_luminosity": False}),
]


@pytest.mark.parametrize(("kind", "given_"), TABLED, ids=[kind for kind, _ in TABLED])
def test_a_table_is_the_same_of_deep_pictures(kind: str, given_: dict[str, Any]) -> None:
    change, pixels = recolor(kind, given_), deep(picture(5))
    got = recolored(pixels, change, threads=2)
    colors = torch.from_numpy(pixels[..., :3]).double()
    expected = change(colors).clamp(0, 1).numpy()
    light = (colors * torch.tensor([0.3, 0.59, 0.11])).sum(-1, keepdim=True) * 255
    between = ((light % 1 - 0.5).abs() > 1e-4).numpy() | (kind != "threshold")  # the luminosity is not beside a step
    assert (np.abs(got[..., :3] - expected) * between).max() <= 0.1 / 255
    assert between.mean() > 0.99
    assert (got[..., 3] == pixels[..., 3]).all()


def test_every_kind_of_deep_pictures_is_compiled() -> None:
    for kind in LAYER_RANGES:
        assert rows_of(recolor(kind, {})), kind


def test_every_formula_is_some_kinds() -> None:
    cases: list[tuple[str, dict[str, Any]]] = [
        ("hue_saturation", {}),
        ("hue_saturation", {"colorize": True}),
        ("hue_saturation", {"ranges": [{"range": [0, 10, 20, 30]}]}),
        ("black_white", {}),
        ("photo_filter", {}),
    ]
    assert {row.op for case in cases for row in rows_of(recolor(*case)) or ()} == NAMES


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(
    st.fixed_dictionaries({name: st.floats(row.low, row.high, width=32) for name, row in list(RANGES.items())[:9]}),
    st.sets(st.sampled_from(list(RANGES)[:9]), min_size=1),
    st.integers(0, 2**32 - 1),
)
def test_any_sliders_together_are_the_reference(values: dict[str, float], some: set[str], seed: int) -> None:
    pixels = picture(seed)
    given_ = {name: value for name, value in values.items() if name in some}
    apart = np.abs(adjust(pixels, given_) / 255 - adjust_reference(pixels, given_).numpy())
    assert apart.max() <= 1 / 255


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(
    st.fixed_dictionaries({name: st.floats(row.low, row.high, width=32) for name, row in list(RANGES.items())[:9]}),
    st.sets(st.sampled_from(list(RANGES)[:9]), min_size=1),
    st.integers(0, 2**32 - 1),
)
def test_any_sliders_of_deep_pictures_are_the_reference(values: dict[str, float], some: set[str], seed: int) -> None:
    pixels = deep(picture(seed))
    given_ = {name: value for name, value in values.items() if name in some}
    got = adjust(pixels, given_, threads=2)
    assert np.abs(got - adjust_reference(pixels, given_).numpy()).max() <= 1 / 255
    assert (got[..., 3] == pixels[..., 3]).all()


def test_full_saturation_leaves_greys_grey() -> None:
    greys = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 4, 2)
    for kind, extra in (("hue_saturation", {}), ("vibrance", {"vibrance": 100})):
        assert (recolored(greys, recolor(kind, {"saturation": 100, **extra})) == greys).all()


@pytest.mark.parametrize("name", ["hue", "saturation", "vibrance"])
def test_bytes_do_not_depend_on_threads_nor_on_the_strides(name: str) -> None:
    pixels = picture(3)
    one, two = (adjust(pixels, {name: 0.7}, threads=threads) for threads in (1, 2))
    assert one.tobytes() == two.tobytes()
    turned = np.asfortranarray(pixels)
    assert adjust(turned, {name: 0.7}).tobytes() == one.tobytes()
    assert adjust(pixels[:, :0], {name: 0.7}).shape == (12, 0, 4)


def test_without_numba_tensor_code_does_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, change = picture(4), recolor("vibrance", {"vibrance": 60})
    fast = (adjust(pixels, {"hue": 40}), recolored(pixels, change))
    for module in (sliders, adjustment_layers):
        monkeypatch.setattr(module, "fast", None)
    for one, other in zip(fast, (adjust(pixels, {"hue": 40}), recolored(pixels, change)), strict=True):
        assert np.abs(one.astype(int) - other).max() <= 1


def test_a_steep_table_is_not_taken() -> None:
    pixels = picture(5)
    for gamma in (1.5, 4.0):  # the second one's power is steeper at black than a table's places allow
        values = {"hue": 50.0, "gamma": gamma}
        apart = np.abs(adjust(pixels, values) / 255 - adjust_reference(pixels, values).numpy())
        assert apart.max() <= 1 / 255
