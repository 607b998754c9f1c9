"""The polynomials of the sRGB transfer, in float32, against the formulas in float64."""

from __future__ import annotations

import numba
import numpy as np
import pytest
import torch

from kernels import color
from kernels.light import encoded_of, light_of

BYTES = np.arange(256) / 255
GRID = np.linspace(0, 1, 1_000_001)
TOLD = 1.5e-5
"""Of what the module's docstring says of light, as encoded again; of encoded values half."""


@numba.njit
def lights(values: np.ndarray) -> np.ndarray:
    return np.array([light_of(value) for value in values])


@numba.njit
def encodings(values: np.ndarray) -> np.ndarray:
    return np.array([encoded_of(value) for value in values])


def exact(of: object, values: np.ndarray) -> np.ndarray:
    return of(torch.from_numpy(values)).numpy()  # type: ignore[operator]


@pytest.mark.parametrize("values", [BYTES, GRID], ids=["bytes", "grid"])
def test_light_is_that_of_the_formula_as_seen_when_encoded_again(values: np.ndarray) -> None:
    got = lights(values.astype(np.float32))
    assert got.dtype == np.float32
    assert got.min() == got[0] == 0
    assert got.max() <= 1
    again = exact(color.to_srgb, got.astype(np.float64))
    assert np.abs(again - values).max() <= TOLD


@pytest.mark.parametrize("values", [exact(color.to_linear, BYTES), GRID, GRID / 300], ids=["bytes", "grid", "dark"])
def test_encoded_values_are_those_of_the_formula(values: np.ndarray) -> None:
    got = encodings(values.astype(np.float32))
    assert got.dtype == np.float32
    assert got.min() == got[0] == 0
    assert got.max() <= 1
    assert np.abs(got - exact(color.to_srgb, values)).max() <= TOLD / 2


def test_every_byte_comes_back_as_itself() -> None:
    there = encodings(lights(BYTES.astype(np.float32)))
    assert np.array_equal(np.floor(there * 255 + 0.5), np.arange(256))
