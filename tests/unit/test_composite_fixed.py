"""The compositor's 16-bit arithmetic: each mode against float64, how errors grow, deep stacks, where it ends."""

from __future__ import annotations

import ctypes

import numba
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import types

from kernels import composite_fixed as fixed
from kernels.blend import MODES
from kernels.blend_fixed import FIXED
from kernels.composite import Layer, composite, composite_reference
from kernels.composite_fixed import PLANE
from kernels.composite_numba import WORTH_A_THREAD
from kernels.composite_steps import steps_of_stack
from kernels.fixed import VECTOR
from tests.unit.test_composite import SIZE, difference, rounded, stack, steady

ONE = 65535
ROUNDS, LANES = 400, 256


def pointer(fractions: np.ndarray) -> object:
    return fractions.ctypes.data_as(ctypes.POINTER(ctypes.c_uint16))


def blended(mode: str, backdrop: np.ndarray, pixels: np.ndarray, alphas: np.ndarray | None) -> np.ndarray:
    """One layer over the first plane, the low bytes of uint16 [rounds, LANES]; by its own alphas where none are."""
    out = np.zeros((len(backdrop), 2, PLANE), np.uint16)
    out[:, 0, :LANES] = backdrop
    loop = fixed.loop_of(mode, alphas is None).ctypes
    for i, planes in enumerate(out):
        loop(pointer(pixels[i]), pointer(pixels[i] if alphas is None else alphas[i]), pointer(planes), LANES)
    return out[:, 0, :LANES]


def beside_a_step(mode: str, b: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    """Where the float64 reference moves by more than 1/255 as the backdrop moves by 1e-4."""
    low, mid, high = (MODES[mode].reference((b + by).clamp(0, 1), s) for by in (-1e-4, 0, 1e-4))
    return ((high - mid).abs() > 1 / 255) | ((low - mid).abs() > 1 / 255)


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("extremes", [False, True])
@pytest.mark.parametrize("mode", FIXED)
def test_each_mode_is_as_near_to_float64_as_its_row_says(mode: str, extremes: bool, own: bool) -> None:
    rng = np.random.default_rng(1)
    backdrop, alphas = rng.integers(0, ONE + 1, (2, ROUNDS, LANES), dtype=np.uint16)
    pixels = rng.integers(0, 256, (ROUNDS, LANES), dtype=np.uint16)
    for values, last in ((backdrop, ONE), (alphas, ONE), (pixels, 255)) if extremes else ():
        values[rng.random(values.shape) < 0.1] = 0
        values[rng.random(values.shape) < 0.1] = last
    colors = pixels.copy()
    if own:  # a pixel's alpha is the high byte of its second lane
        pixels[:, 1::2] |= alphas[:, 1::2] & 0xFF00
        alphas = np.repeat(pixels[:, 1::2] >> 8, 2, 1) * np.uint16(257)
    b, s = (torch.from_numpy(values / last) for values, last in ((backdrop, ONE), (colors, 255)))
    expected = b + torch.from_numpy(alphas / ONE) * (MODES[mode].reference(b, s).clamp(0, 1) - b)
    apart = blended(mode, backdrop, pixels, None if own else alphas) - expected.numpy() * ONE
    row = FIXED[mode]
    if row.jumps:
        beside = beside_a_step(mode, b, s).numpy()
        assert beside.mean() < (0.02 if extremes else 4e-4)  # at the extremes black over white is often met
        apart = apart[~beside]
    assert abs(apart.mean()) <= row.lean
    assert apart.std() <= row.spread
    assert np.abs(apart).max() <= 6


@pytest.mark.parametrize("mode", FIXED)
def test_a_mode_hands_an_error_on_by_no_more_than_its_gain(mode: str) -> None:
    backdrop = torch.linspace(0, 1, 2001, dtype=torch.float64)
    for byte in range(256):
        source = torch.full_like(backdrop, byte / 255)
        slopes = MODES[mode].reference(backdrop, source).clamp(0, 1).diff().abs() * 2000
        if FIXED[mode].jumps:
            assert slopes.count_nonzero() <= 1
        else:
            assert slopes.max() <= FIXED[mode].gain + 1e-9


@pytest.mark.parametrize("lanes", [LANES, LANES - 2])
def test_every_fraction_is_rounded_to_the_nearest_byte(lanes: int) -> None:
    def store(planes, out, spare, count):  # type: ignore[no-untyped-def]
        fixed.store_fixed(planes, out, spare, count)

    stored = numba.cfunc(types.void(*[types.int64] * 4))(store).ctypes
    every, spare = np.arange(ONE + 1, dtype=np.uint16).reshape(-1, LANES), np.empty(VECTOR, np.uint16)
    for fractions in every:
        planes, out = np.zeros((2, PLANE), np.uint16), np.zeros(LANES, np.uint16)
        planes[:, :LANES] = fractions
        stored(planes.ctypes.data, out.ctypes.data, spare.ctypes.data, lanes)
        pixels, nearest = out.view(np.uint8).reshape(-1, 4), np.round(fractions / 257)
        assert (pixels[: lanes // 2, 0] == nearest[:lanes:2]).all()
        assert (pixels[: lanes // 2, 1] == nearest[:lanes:2]).all()
        assert (pixels[: lanes // 2, 2] == nearest[1:lanes:2]).all()
        assert (pixels[: lanes // 2, 3] == 255).all()
        assert not pixels[lanes // 2 :].any()


@pytest.mark.parametrize("mode", FIXED)
def test_layers_of_any_width_and_place_are_blended_to_their_edges_and_not_beyond(mode: str) -> None:
    rng = np.random.default_rng(4)
    base = np.full((3, 2000, 4), 255, np.uint8)
    base[..., :3] = rng.integers(0, 256, (3, 2000, 3))
    for x, width in ((0, 1), (5, 17), (955, 9), (959, 2), (-3, 975), (1900, 300), (0, 2000), (40, 33)):
        pixels = rng.integers(0, 256, (3, width, 4), np.uint8)
        mask = rng.integers(0, 256, (3, 2000), np.uint8) if width % 2 else None
        layers = [Layer(base, opaque=True), Layer(pixels, x=x, mode=mode, mask=mask, opacity=0.7 if x == 40 else 1)]
        assert all(loops(layers))
        expected = rounded(composite_reference(layers, 2000, 3, dtype=torch.float64))
        got = composite(layers, 2000, 3, threads=2)
        assert difference(got, expected).max() <= 1
        assert (got[:, : max(x, 0)] == base[:, : max(x, 0)]).all()
        assert (got[:, max(x + width, 0) :] == base[:, max(x + width, 0) :]).all()


@pytest.mark.parametrize("mode", FIXED)
def test_what_is_not_there_changes_nothing_and_what_hides_is_itself(mode: str) -> None:
    rng = np.random.default_rng(2)
    below, above = rng.integers(0, 256, (2, 24, 300, 4), dtype=np.uint8)
    below[..., 3], above[..., 3] = 255, 0
    assert (composite([Layer(below, opaque=True), Layer(above, mode=mode)], *SIZE) == below).all()
    above[..., 3] = 255
    assert (composite([Layer(below, opaque=True), Layer(above, mode=mode, opacity=0)], *SIZE) == below).all()
    if mode == "normal":  # not told to be opaque, so it is blended
        assert (composite([Layer(below, opaque=True), Layer(above)], *SIZE) == above).all()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    modes=st.lists(st.sampled_from(sorted(mode for mode in FIXED if not FIXED[mode].jumps)), min_size=20, max_size=60),
    masks=st.booleans(),
)
def test_deep_stacks_agree_with_the_float64_reference(seed: int, modes: list[str], masks: bool) -> None:
    layers = stack(seed, ["normal", *modes], opaque=True, masks=masks)
    expected = rounded(composite_reference(layers, *SIZE, dtype=torch.float64))
    assert difference(composite(layers, *SIZE, threads=2), expected).max() <= 1


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    below=st.lists(st.sampled_from(sorted(FIXED)), max_size=5),
    above=st.lists(st.sampled_from(sorted(FIXED)), max_size=5),
)
def test_stacks_with_steps_agree_where_the_float64_reference_is_steady(
    seed: int, below: list[str], above: list[str]
) -> None:
    layers = stack(seed, ["normal", *below, "hard_mix", *above], opaque=True, masks=False)
    expected = rounded(composite_reference(layers, *SIZE, dtype=torch.float64))
    off = difference(composite(layers, *SIZE, threads=2), expected) > 1
    assert off.sum() <= 8  # of 7,200 pixels
    if off.any():
        assert not (off & steady(layers, expected)).any()


def test_errors_that_grow_from_layer_to_layer_stay_within_a_level_as_long_as_fractions_are_used() -> None:
    """The worst there is: dark pixels doubled by overlays of white, as often as is let through."""
    ramp = np.zeros((*SIZE[::-1], 4), np.uint8)
    ramp[..., :3], ramp[..., 3] = np.arange(SIZE[0], dtype=np.uint8)[None, :, None] % 8, 255
    grey = np.random.default_rng(3).integers(0, 256, ramp.shape, dtype=np.uint8)
    many = [Layer(grey, mode=mode, opacity=0.3) for mode in ("normal", "screen", "multiply") for _ in range(4)]
    doubled = [Layer(np.full_like(ramp, 255), mode="overlay")] * 5
    layers = [Layer(ramp, opaque=True), *many, *doubled]
    deepest = max(count for count in range(len(layers)) if all(loops(layers[:count])))
    expected = rounded(composite_reference(layers[:deepest], *SIZE, dtype=torch.float64))
    assert deepest >= len(many) + 4
    assert difference(composite(layers[:deepest], *SIZE), expected).max() <= 1


def loops(layers: list[Layer]) -> list[int]:
    return fixed.loops_of_steps(steps_of_stack(layers))


def test_a_stack_is_taken_in_fractions_until_its_errors_may_be_seen() -> None:
    white = np.full((*SIZE[::-1], 4), 255, np.uint8)
    base, overlay = Layer(white, opaque=True), Layer(white, mode="overlay")
    # of n the deviation is 0.53 * sqrt(1 + 4 + ... 4^(n-1)), 39 units of seven, 78 of eight; the mean 0.05 * (2^n - 1)
    assert all(loops([base, *[overlay] * 7]))
    assert loops([base, *[overlay] * 8])[0] == 0
    assert all(loops([base, *[overlay] * 8])[1:])
    half = Layer(white, mode="overlay", opacity=0.5)
    assert all(loops([base, *[half] * 9]))


def test_below_a_mode_with_steps_errors_stay_under_what_may_move_a_step() -> None:
    white = np.full((*SIZE[::-1], 4), 255, np.uint8)
    base, mixed, above = Layer(white, opaque=True), Layer(white, mode="hard_mix"), Layer(white, mode="screen")
    # of n the deviation is 0.77 * sqrt(n): of six and a mean of 0.05 each 6 units, of seven 6.5; 6.55 are 1e-4
    assert all(loops([base, *[mixed] * 7, *[above] * 20]))
    assert loops([base, *[mixed] * 9])[0] == 0


@pytest.mark.parametrize("opacity", [1.0, 0.6])
def test_a_tie_of_hard_mix_is_black_whatever_rounding_made_of_what_lies_below(opacity: float) -> None:
    grey = np.random.default_rng(6).integers(0, 256, (*SIZE[::-1], 4), np.uint8)
    grey[..., 3] = 255
    clear, inverse = grey.copy(), 255 - grey
    clear[..., 3] = np.random.default_rng(7).integers(0, 256, SIZE[::-1])
    inverse[..., 3] = 255
    layers = [Layer(grey, opaque=True), *[Layer(clear)] * 3, Layer(inverse, mode="hard_mix", opacity=opacity)]
    assert all(loops(layers))
    expected = np.round(grey[..., :3] * (1 - opacity))  # but black over white is white
    expected[grey[..., :3] == 255] = 255
    assert np.abs(composite(layers, *SIZE)[..., :3] - expected).max() <= 1


@pytest.mark.parametrize("mode", sorted(set(MODES) - set(FIXED)))
def test_nothing_below_a_mode_without_a_row_is_taken_in_fractions(mode: str) -> None:
    white = np.full((*SIZE[::-1], 4), 255, np.uint8)
    found = loops([Layer(white, opaque=True), Layer(white, mode=mode), Layer(white), Layer(white)])
    assert [bool(one) for one in found] == [False, False, True, True]


@pytest.mark.parametrize("top", ["normal", "vivid_light"])
def test_bands_that_threads_take_as_they_come_give_the_same_bytes_as_one_thread(top: str) -> None:
    rng = np.random.default_rng(5)
    size = (1100, WORTH_A_THREAD // 1100)  # each of three layers is worth a thread
    pictures = rng.integers(0, 256, (3, *size[::-1], 4), np.uint8)
    pictures[0, ..., 3] = 255
    modes = ("normal", "overlay", top)
    layers = [Layer(one, mode=mode, opaque=i == 0) for i, (one, mode) in enumerate(zip(pictures, modes, strict=True))]
    alone = composite(layers, *size, threads=1)
    strip = slice(500, 540)
    expected = rounded(composite_reference(layers, *size, dtype=torch.float64, rows=(strip.start, strip.stop)))
    apart = difference(alone[strip], expected)
    assert np.quantile(apart, 0.9995) <= 1  # vivid light has steps
    for _ in range(3):
        assert (composite(layers, *size, threads=2) == alone).all()
