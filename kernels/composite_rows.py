"""The table of steps as the compiled walk reads it: a row of int64 a step, what its columns are called, and how an
address becomes what lies there."""

# numba's decorators are untyped, and pointers have no Python type
# mypy: disable-error-code="untyped-decorator, no-untyped-def"
from __future__ import annotations

from typing import NamedTuple

import numba
from numba import types

from kernels.compiled import INLINE, pointer_to


class Row(NamedTuple):
    """Of the table of steps, int64. What is not told here is told at `kernels.composite_steps.Step`."""

    level: int
    source: int
    alphas: int
    ground: int
    end: int
    x: int
    y: int
    width: int
    height: int
    state: int
    """What the step makes of its level's state: BLENDED and what follows it below."""
    loop: int
    """The address of what it does."""
    on_opaque: int = 0
    """Of a blend of pixels, the address of its loop for an opaque level."""
    needed: int = 0
    """Whether there is nothing to do where the source is empty."""
    bare: int = 0
    """Whether it blends a layer whose alphas are its own times the opacity."""
    solid: int = 0
    """Whether alphas are 1 where those that it takes are."""
    hides: int = 0
    """Whether nothing below is seen."""
    made: int = 0
    """Whether its alphas are made before its loop."""
    filler: int = 0
    """The address of what makes them, or 0 for those of pixels."""
    scatterer: int = 0
    """The address of what makes them those of mode dissolve, or 0."""
    pixel: int = 0
    """The address of its layer's first pixel."""
    stride: int = 0
    """From row to row, in pixels."""
    seed: int = 0
    mask: int = 0
    """Its address, or 0."""
    mask_stride: int = 0
    values: int = 0
    """Their address, or 0."""
    in_fractions: int = 0
    """The address of its loop in fractions, where it and all steps after it have one, or 0."""
    as_it_is: int = 0
    """Whether that loop takes its alphas from its pixels."""


LEVEL, SOURCE, ALPHAS, GROUND, END, X, Y, WIDTH, HEIGHT, STATE, LOOP, ON_OPAQUE = range(12)
NEEDED, BARE, SOLID, HIDES, MADE, FILLER, SCATTERER, PIXEL, STRIDE, SEED, MASK, MASK_STRIDE = range(12, 24)
VALUES, IN_FRACTIONS, AS_IT_IS = 24, 25, 26
ROW = 8 * len(Row._fields)
"""Bytes."""
BLENDED, AS_SOURCE, MADE_OPAQUE, KEPT, MET, ADDED_TO = range(6)
"""MET: opaque where both the level and the source are. ADDED_TO: general, whatever the source is."""

as_pixels = pointer_to(types.uint32)
as_floats = pointer_to(types.float32)
as_bytes = pointer_to(types.uint8)
as_fractions = pointer_to(types.uint16)
as_row = pointer_to(types.int64)


@numba.njit(**INLINE)
def row_of(row, x, y):
    """The address of a layer's pixel at x, y of the canvas."""
    return row[PIXEL] + 4 * ((y - row[Y]) * row[STRIDE] + x - row[X])


__all__ = [
    "ADDED_TO",
    "ALPHAS",
    "AS_IT_IS",
    "AS_SOURCE",
    "BARE",
    "BLENDED",
    "END",
    "FILLER",
    "GROUND",
    "HEIGHT",
    "HIDES",
    "IN_FRACTIONS",
    "KEPT",
    "LEVEL",
    "LOOP",
    "MADE",
    "MADE_OPAQUE",
    "MASK",
    "MASK_STRIDE",
    "MET",
    "NEEDED",
    "ON_OPAQUE",
    "PIXEL",
    "ROW",
    "SCATTERER",
    "SEED",
    "SOLID",
    "SOURCE",
    "STATE",
    "STRIDE",
    "VALUES",
    "WIDTH",
    "Row",
    "X",
    "Y",
    "as_bytes",
    "as_floats",
    "as_fractions",
    "as_pixels",
    "as_row",
    "row_of",
]
