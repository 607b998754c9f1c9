"""Recolourings that are tables: what each channel becomes by its own value alone, or by the colour's luminosity alone.

A recolouring is a function of encoded colours [..., 3], 0..1, and says by a method `table` what the compiled compositor
looks up instead of calling it; one that cannot has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Op = Literal["look_up", "look_up_steps", "look_up_light"]
"""Between two places linear; the nearest place's, as tables of 8 bits do; the nearest of the luminosity."""


@dataclass(frozen=True, slots=True)
class Table:
    """What the values 0..1 become."""

    values: np.ndarray
    """float32 [3, n]: R, G and B at n places from 0 to 1."""
    op: Op = "look_up"

    def __post_init__(self) -> None:
        if self.values.dtype != np.float32 or self.values.ndim != 2 or len(self.values) != 3:
            raise ValueError(f"a table is float32 [3, n]; got {self.values.dtype} {self.values.shape}")
        if self.values.shape[1] < 2 or not self.values.flags.c_contiguous:
            raise ValueError(f"a table has at least 2 places, side by side; got {self.values.shape}")


def table_of(recolor: Any) -> Table | None:
    """The table of a recolouring, where it has one."""
    make = getattr(recolor, "table", None)
    return None if make is None else make()


__all__ = ["Op", "Table", "table_of"]
