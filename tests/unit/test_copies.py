"""Copies past the cache: equal bytes for any size, start and stride, and nothing beside them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.copies import copy_pixels

RANDOM = np.random.default_rng(3)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 70), st.integers(1, 5), st.integers(0, 33), st.integers(0, 9), st.integers(0, 67))
def test_any_window_is_copied_and_nothing_beside_it(width: int, height: int, x: int, y: int, start: int) -> None:
    source = RANDOM.integers(0, 256, (height + 9, width + 33, 4), np.uint8)
    memory = np.full(height * width * 4 + 200, 77, np.uint8)
    out = memory[start : start + height * width * 4].reshape(height, width, 4)
    window = source[y : y + height, x : x + width]
    copy_pixels(window, out)
    assert np.array_equal(out, window)
    out[:] = 77
    assert (memory == 77).all()


def test_a_row_that_stands_for_all_is_copied_to_each() -> None:
    row = RANDOM.integers(0, 256, (1, 100, 4), np.uint8)
    out = np.empty((50, 100, 4), np.uint8)
    copy_pixels(np.broadcast_to(row, out.shape), out)
    assert (out == row).all()


@pytest.mark.parametrize("out", [np.empty((3, 4, 4), np.uint8), np.empty((4, 8, 4), np.uint8)[:, ::2]])
def test_another_shape_and_a_scattered_target_are_refused(out: np.ndarray) -> None:
    with pytest.raises(ValueError, match="of their shape"):
        copy_pixels(np.zeros((4, 4, 4), np.uint8), out)
