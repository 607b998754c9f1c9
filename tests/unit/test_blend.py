"""The blend modes' reference formulas against published vectors, and the table's order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from kernels.blend import ALIASES, LUMA, MODES, NUMBERS, canonical, source_over

THIS_ISSUE = ["normal", "multiply", "screen", "overlay", "darken", "lighten", "linear_dodge"]


@pytest.fixture(scope="module")
def vectors(shared_data: Path) -> dict[str, list[list[list[float]]]]:
    modes = json.loads((shared_data / "image" / "blend_vectors.json").read_text())["modes"]
    return {name: row["rows"] for name, row in modes.items()}


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-9)], ids=str)
@pytest.mark.parametrize("mode", MODES)
def test_the_reference_gives_the_published_values(
    vectors: dict[str, list[list[list[float]]]], mode: str, dtype: torch.dtype, tolerance: float
) -> None:
    backdrop, source, expected = torch.tensor(vectors[mode], dtype=torch.float64).unbind(1)
    got = source_over(backdrop.to(dtype), source.to(dtype), mode).double()
    torch.testing.assert_close(got, expected, rtol=0, atol=tolerance)


def test_the_table_has_every_mode_of_the_vectors_and_normal_is_the_first(
    vectors: dict[str, list[list[list[float]]]],
) -> None:
    assert set(MODES) == set(vectors)
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
