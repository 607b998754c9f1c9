"""The compiled compositor against the plain one, over random stacks; threads; edges; linear light."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import composite as module
from kernels.blend import MODES
from kernels.composite import Layer, composite, composite_reference

SIZE = (300, 24)
DISCONTINUOUS = {
    "dissolve",
    "color_burn",
    "color_dodge",
    "vivid_light",
    "hard_mix",
    "divide",
    "darker_color",
    "lighter_color",
}
SMOOTH = [*sorted(set(MODES) - DISCONTINUOUS), "add"]


def stack(seed: int, modes: list[str], *, opaque: bool, masks: bool, size: tuple[int, int] = SIZE) -> list[Layer]:
    """Layers of every position and size, the first one covering the canvas."""
    rng = np.random.default_rng(seed)
    width, height = size
    layers = []
    for i, mode in enumerate(modes):
        h, w = (height, width) if i == 0 else (int(rng.integers(1, 2 * height)), int(rng.integers(1, 2 * width)))
        pixels = rng.integers(0, 256, (h, w, 4), dtype=np.uint8)
        pixels[..., 3][rng.random((h, w)) < 0.2] = 0
        pixels[..., 3][rng.random((h, w)) < 0.2] = 255
        solid = (opaque and i == 0) or rng.random() < 0.2
        if solid:
            pixels[..., 3] = 255
        x, y = (0, 0) if i == 0 else (int(rng.integers(-w, width)), int(rng.integers(-h, height)))
        mask = rng.integers(0, 256, (height, width), dtype=np.uint8) if masks and rng.random() < 0.5 else None
        opacity = 1.0 if rng.random() < 0.5 else float(rng.random())
        layers.append(Layer(pixels, x, y, opacity, mode, mask, solid))
    return layers


def rounded(reference: torch.Tensor) -> np.ndarray:
    return np.floor(reference.numpy() * 255 + 0.5).astype(np.int64)


def difference(fast: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """The largest of each pixel, colours where there is any alpha."""
    apart = np.abs(fast.astype(np.int64) - expected)
    apart[..., :3][expected[..., 3] == 0] = 0
    return apart.max(-1)


def nudged(layer: Layer, change: float) -> Layer:
    """The layer, for the reference alone, with its pixels, mask and opacity moved by a share of full scale."""
    out = copy.copy(layer)
    for name, full in (("pixels", 255), ("mask", 255), ("opacity", 1)):  # past the check: these are no bytes
        value = getattr(layer, name)
        if value is not None:
            object.__setattr__(out, name, np.clip(np.asarray(value, np.float64) + change * full, 0, full))
    return out


def steady(layers: list[Layer], expected: np.ndarray) -> np.ndarray:
    """Where the float64 reference stays within 1/255 when layers move by 1e-4, together or against each other."""
    still = np.ones(expected.shape[:2], bool)
    signs = np.random.default_rng(0).choice([-1, 1], (6, len(layers)))
    for row in [np.ones(len(layers)), -np.ones(len(layers)), *signs]:
        moved = [nudged(one, 1e-4 * sign) for one, sign in zip(layers, row, strict=True)]
        still &= difference(rounded(composite_reference(moved, *SIZE, dtype=torch.float64)), expected) <= 1
    return still


@pytest.mark.parametrize("masks", [False, True], ids=["bare", "masked"])
@pytest.mark.parametrize("opaque", [False, True], ids=["over transparency", "over opaque"])
@pytest.mark.parametrize("mode", MODES)
def test_each_mode_agrees_with_the_float64_reference(mode: str, opaque: bool, masks: bool) -> None:
    layers = stack(7, ["normal", mode, mode, "normal", mode], opaque=opaque, masks=masks)
    expected = rounded(composite_reference(layers, *SIZE, dtype=torch.float64))
    off = difference(composite(layers, *SIZE, threads=2), expected) > 1
    if mode in DISCONTINUOUS:
        off &= steady(layers, expected)
    assert not off.any()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    modes=st.lists(st.sampled_from(SMOOTH), min_size=1, max_size=8),
    opaque=st.booleans(),
    masks=st.booleans(),
)
def test_any_stack_agrees_with_the_float64_reference_and_bytes_do_not_follow_the_threads(
    seed: int, modes: list[str], opaque: bool, masks: bool
) -> None:
    layers = stack(seed, modes, opaque=opaque, masks=masks)
    one, two = (composite(layers, *SIZE, threads=threads) for threads in (1, 2))
    assert one.tobytes() == two.tobytes()
    expected = rounded(composite_reference(layers, *SIZE, dtype=torch.float64))
    assert difference(one, expected).max() <= 1


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    modes=st.lists(st.sampled_from([*MODES, "add"]), min_size=1, max_size=8),
    opaque=st.booleans(),
    masks=st.booleans(),
)
def test_stacks_of_all_modes_agree_with_the_float64_reference_where_that_is_steady(
    seed: int, modes: list[str], opaque: bool, masks: bool
) -> None:
    layers = stack(seed, modes, opaque=opaque, masks=masks)
    one, two = (composite(layers, *SIZE, threads=threads) for threads in (1, 2))
    assert one.tobytes() == two.tobytes()
    expected = rounded(composite_reference(layers, *SIZE, dtype=torch.float64))
    off = difference(one, expected) > 1
    assert off.sum() <= 8  # of 7,200 pixels: the jumps of one stack lie together
    if off.any():
        assert not (off & steady(layers, expected)).any()


def test_dissolve_scatters_a_layer_by_its_seed() -> None:
    white = np.full((50, 300, 4), 255, np.uint8)
    one, again, other = (composite([Layer(white, mode="dissolve", opacity=0.5, seed=s)], 300, 50) for s in (1, 1, 2))
    assert one.tobytes() == again.tobytes() != other.tobytes()
    assert set(np.unique(one)) == {0, 255}
    assert (one[..., 3] == 255).mean() == pytest.approx(0.5, abs=0.02)


def test_without_numba_the_reference_does_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = stack(3, ["normal", "multiply", "screen"], opaque=False, masks=True)
    fast = composite(layers, *SIZE)
    monkeypatch.setattr(module, "fast", None)
    assert difference(fast, composite(layers, *SIZE).astype(np.int64)).max() <= 1


def test_no_layer_is_a_transparent_canvas() -> None:
    assert not composite([], 5, 3).any()
    assert composite([], 5, 3).shape == (3, 5, 4)


def test_layers_outside_the_canvas_are_not_seen() -> None:
    pixels = np.full((4, 4, 4), 255, np.uint8)
    for x, y in ((-4, 0), (5, 0), (0, -4), (0, 3)):
        assert not composite([Layer(pixels, x, y)], 5, 3).any()


def test_where_nothing_covers_colour_is_zero() -> None:
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[..., :3] = 200
    assert not composite([Layer(pixels)], 2, 2).any()


def test_an_opaque_layer_hides_what_is_below_and_keeps_its_bytes() -> None:
    rng = np.random.default_rng(0)
    top = rng.integers(0, 256, (9, 400, 4), dtype=np.uint8)
    top[..., 3] = 255
    below = rng.integers(0, 256, (9, 400, 4), dtype=np.uint8)
    assert composite([Layer(below), Layer(top, opaque=True)], 400, 9).tobytes() == top.tobytes()


def test_one_row_may_stand_for_all_rows() -> None:
    row = np.array([[[10, 20, 30, 255]]], np.uint8)
    wide = np.broadcast_to(np.ascontiguousarray(np.broadcast_to(row, (1, 200, 4))), (50, 200, 4))
    assert (composite([Layer(wide, opaque=True)], 200, 50) == (10, 20, 30, 255)).all()


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("turned", [np.s_[:, ::-1], np.s_[::-1]], ids=["mirrored", "upside down"])
@pytest.mark.parametrize("size", [(1, 5), (5, 1), (1, 1)])
def test_a_line_of_one_pixel_may_have_any_stride(size: tuple[int, int], turned: tuple, linear: bool) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (*size, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    view = pixels[turned]
    kept = view if view.flags.c_contiguous else np.ascontiguousarray(view)
    for plane in (kept, np.broadcast_to(pixels[:1, :1], (1, 1, 4)), np.broadcast_to(pixels[0, 0], (1, 1, 4))):
        got = composite([Layer(plane)], plane.shape[1], plane.shape[0], linear=linear)
        assert (np.abs(got.astype(int) - plane) <= 1).all()


def test_linear_light_mixes_black_and_white_to_the_brighter_grey() -> None:
    black, white = np.zeros((1, 1, 4), np.uint8), np.full((1, 1, 4), 255, np.uint8)
    black[..., 3] = 255
    layers = [Layer(black), Layer(white, opacity=0.5)]
    assert composite(layers, 1, 1)[0, 0, 0] == 128
    assert composite(layers, 1, 1, linear=True)[0, 0, 0] == 188  # sRGB of half the light (IEC 61966-2-1)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda: Layer(np.zeros((2, 2, 3), np.uint8)), "uint8"),
        (lambda: Layer(np.zeros((2, 2, 4), np.float32)), "uint8"),
        (lambda: Layer(np.zeros((2, 4, 4), np.uint8)[:, ::2]), "contiguous"),
        (lambda: Layer(np.zeros((2, 2, 4), np.uint8), opacity=1.5), "opacity"),
        (lambda: Layer(np.zeros((2, 2, 4), np.uint8), mode="glow"), "no blend mode"),
        (lambda: composite([], 0, 1), "at least one pixel"),
        (lambda: composite([Layer(np.zeros((2, 2, 4), np.uint8), mask=np.zeros((3, 3), np.uint8))], 2, 2), "size"),
    ],
)
def test_what_is_malformed_is_refused(bad: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bad()  # type: ignore[operator]
