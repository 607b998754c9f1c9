"""How the fast kernels are compiled: numba, cached on disk, without the interpreter's lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """`function` as machine code, compiled at the first call and cached; neither parallel nor fastmath, so that the
    result depends neither on threads nor on the width of the machine's vectors."""
    return cast(F, njit(cache=True, nogil=True)(function))


def whole_rows(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[H, W] -> [H, stride], the same memory as a C-contiguous array, which compiled loops read by vectors.

    The rows of a frame are padded, so the view [H, W] of a plane is not contiguous by itself. The columns past W are
    not to be touched: behind the last row they need not exist.
    """
    stride = plane.strides[0]
    if plane.strides[1] != 1 or stride < plane.shape[1]:
        raise ValueError(f"a plane's samples lie side by side; got strides {plane.strides} for {plane.shape}")
    return np.lib.stride_tricks.as_strided(plane, (plane.shape[0], stride), (stride, 1))


__all__ = ["compiled", "whole_rows"]
