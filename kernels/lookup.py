"""Recolourings as rows that the compiled compositor takes instead of calling them: tables and formulas.

A recolouring is a function of encoded colours [..., 3], 0..1, and says by a method `rows` what stands for it, one row
after the other; one that nothing stands for has none. A table says what each channel becomes by its own value alone, or
by the colour's luminosity alone; a formula looks at the whole colour (`kernels.composite_colors` has their loops).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

LookUp = Literal["look_up", "look_up_steps", "look_up_light"]
"""Between two places linear; the nearest place's, as tables of 8 bits do; the nearest of the luminosity."""
Named = Literal["hue_saturation", "hue_ranges", "colorize", "black_white", "photo_filter"]

EXACT, SMOOTH = 2, 16385
"""Places of a table between which what is looked up is a line, or near enough to one (they are 6e-5 apart)."""


@dataclass(frozen=True, slots=True)
class Table:
    """What the values 0..1 become."""

    values: np.ndarray
    """float32 [3, n]: R, G and B at n places from 0 to 1."""
    op: LookUp = "look_up"

    def __post_init__(self) -> None:
        if self.values.dtype != np.float32 or self.values.ndim != 2 or len(self.values) != 3:
            raise ValueError(f"a table is float32 [3, n]; got {self.values.dtype} {self.values.shape}")
        if self.values.shape[1] < 2 or not self.values.flags.c_contiguous:
            raise ValueError(f"a table has at least 2 places, side by side; got {self.values.shape}")


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula of the whole colour and its numbers."""

    op: Named
    values: np.ndarray
    """float32 [n], as the loop of that name tells."""


ColorRow = Table | Formula


def formula(op: Named, *numbers: float) -> Formula:
    """A formula's row of these numbers."""
    return Formula(op, np.array(numbers, np.float32))


def rows_of(recolor: Any) -> tuple[ColorRow, ...] | None:
    """What stands for a recolouring, where anything does."""
    make = getattr(recolor, "rows", None)
    return None if make is None else make()


__all__ = ["EXACT", "SMOOTH", "ColorRow", "Formula", "LookUp", "Named", "Table", "formula", "rows_of"]
