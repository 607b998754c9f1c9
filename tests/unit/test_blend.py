"""The blend modes' reference formulas against published vectors, and the table's order."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from kernels.blend import ALIASES, DISSOLVE, LUMA, MODES, NUMBERS, canonical, dissolve_hash, dissolved, source_over

OWN = {
    DISSOLVE: [
        [[0.2, 0.5, 0.9, 1.0], [0.3, 0.5, 0.6, 1.0], [0.3, 0.5, 0.6, 1.0]],
        [[0.2, 0.5, 0.9, 0.0], [0.3, 0.5, 0.6, 0.5], [0.3, 0.5, 0.6, 0.5]],
    ],
}
"""Modes of which no published vectors are at hand: rows of [backdrop, source, what comes of them], straight R, G, B,
alpha of 0..1, worked out by hand from the formula."""
PUBLISHED = [mode for mode in MODES if mode not in OWN]
THIS_ISSUE = ["normal", "multiply", "screen", "overlay", "darken", "lighten", "linear_dodge"]


@pytest.fixture(scope="module")
def vectors(shared_data: Path) -> dict[str, list[list[list[float]]]]:
    modes = json.loads((shared_data / "image" / "blend_vectors.json").read_text())["modes"]
    return {name: row["rows"] for name, row in modes.items()}


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-9)], ids=str)
@pytest.mark.parametrize("mode", PUBLISHED)
def test_the_reference_gives_the_published_values(
    vectors: dict[str, list[list[list[float]]]], mode: str, dtype: torch.dtype, tolerance: float
) -> None:
    backdrop, source, expected = torch.tensor(vectors[mode], dtype=torch.float64).unbind(1)
    got = source_over(backdrop.to(dtype), source.to(dtype), mode).double()
    torch.testing.assert_close(got, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("mode", OWN)
def test_the_reference_gives_the_values_that_were_worked_out_by_hand(mode: str) -> None:
    backdrop, source, expected = torch.tensor(OWN[mode], dtype=torch.float64).unbind(1)
    torch.testing.assert_close(source_over(backdrop, source, mode), expected, rtol=0, atol=1e-9)


def test_the_table_has_every_mode_of_the_vectors_and_normal_is_the_first(
    vectors: dict[str, list[list[list[float]]]],
) -> None:
    assert set(PUBLISHED) == set(vectors)
    assert set(THIS_ISSUE) <= set(MODES)
    assert NUMBERS["normal"] == 0
    assert list(NUMBERS.values()) == list(range(len(MODES)))


def test_add_is_another_name_of_linear_dodge() -> None:
    assert canonical("add") == "linear_dodge"
    assert not set(ALIASES) & set(MODES)


def test_an_unknown_mode_is_refused_with_the_list() -> None:
    with pytest.raises(ValueError, match=r"no blend mode 'glow'.*multiply.*add"):
        canonical("glow")


@pytest.mark.parametrize("mode", [row.name for row in MODES.values() if row.separable])
def test_a_separable_mode_treats_each_channel_alone(mode: str) -> None:
    torch.manual_seed(0)
    b, s = torch.rand(2, 50, 3, dtype=torch.float64)
    whole = MODES[mode].reference(b, s)
    for channel in range(3):
        torch.testing.assert_close(whole[:, channel], MODES[mode].reference(b[:, channel], s[:, channel]))


def test_what_is_transparent_changes_nothing() -> None:
    torch.manual_seed(0)
    b, s = torch.rand(2, 50, 4, dtype=torch.float64)
    s[:, 3] = 0
    for mode in MODES:
        torch.testing.assert_close(source_over(b, s, mode), b)


def test_the_luma_weights_add_up_to_one() -> None:
    assert sum(LUMA) == pytest.approx(1)


def finalised(h: int) -> int:
    """The finaliser of MurmurHash3's 32-bit form, in Python's integers."""
    h = (h ^ (h >> 16)) * 0x85EBCA6B % 2**32
    h = (h ^ (h >> 13)) * 0xC2B2AE35 % 2**32
    return h ^ (h >> 16)


@pytest.mark.parametrize(("x", "y", "seed"), [(0, 0, 0), (1, 0, 0), (0, 1, 0), (1919, 1079, 7), (5, 9, 2**32 - 1)])
def test_the_pattern_of_dissolve_is_the_documented_hash(x: int, y: int, seed: int) -> None:
    wanted = finalised(finalised((x * 0x9E3779B1 + y * 0x85EBCA77 + seed * 0xC2B2AE3D) % 2**32)) >> 20
    assert dissolve_hash(*(np.uint64(v) for v in (x, y, seed))) == wanted


@pytest.mark.parametrize("alpha", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_dissolve_shows_as_many_pixels_as_the_alpha_says_and_the_seed_moves_them(alpha: float) -> None:
    plane = torch.full((200, 300, 1), alpha, dtype=torch.float64)
    shown, others = (dissolved(plane, 0, 0, seed) for seed in (1, 2))
    assert float(shown.mean()) == pytest.approx(alpha, abs=0.01)
    assert (alpha in (0.0, 1.0)) == bool((shown == others).all())
    torch.testing.assert_close(dissolved(plane[20:, 10:], 10, 20, 1), shown[20:, 10:])  # it hangs on the canvas
