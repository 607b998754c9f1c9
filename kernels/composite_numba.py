"""The compiled compositor: stacks and trees of layers in one fused pass over tiles, uint8 in and out.

A stack or a tree becomes a list of steps (`kernels.composite_steps`, plain Python), the list rows of numbers and
addresses (here), and `kernels.composite_walk` takes them for every tile. Mode, opacity, box and nesting are data: no
composition compiles anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from kernels import composite_colors, composite_fixed, composite_floats, composite_levels, composite_loops, pages
from kernels import composite_rows as rows
from kernels import composite_walk as walk
from kernels.blend import DISSOLVE, canonical
from kernels.composite_colors import color_loop_of
from kernels.composite_fixed import loops_of_steps, shown_as_it_is
from kernels.composite_levels import filler_of, lock_of_pixels, op_of, scatterer
from kernels.composite_loops import loops_of, planes_loop_of
from kernels.composite_rows import Row
from kernels.composite_steps import ONES, PIXELS, Step, steps_of_rows, steps_of_stack
from kernels.copies import copy_pixels
from kernels.lookup import ColorRow
from kernels.threads import at_most

if TYPE_CHECKING:
    from kernels.composite import Layer

_STATES = {"copy": rows.AS_SOURCE, "unlock": rows.KEPT, "take_out": rows.KEPT, "cover": rows.ADDED_TO}
_STATES |= dict.fromkeys(("mix", "add", "refill", "hard_mix"), rows.MET)
"""Of the steps that do not make their level opaque: the state in which they leave it."""

WORTH_A_THREAD = 1 << 20
"""Pixels times steps, most of a millisecond. To wake a thread takes 0.1 ms, and milliseconds where cores are busy."""


def composite(layers: Sequence[Layer], width: int, height: int, threads: int) -> np.ndarray:
    """`kernels.composite.composite` on up to `threads` threads (see kernels.threads); the layers are checked."""
    hiding = max((i for i, layer in enumerate(layers) if _hides(layer, width, height)), default=0)
    seen = layers[hiding:]
    if len(seen) == 1 and _hides(seen[0], width, height):  # one thread: to wake a second takes as long as half a copy
        out = pages.empty((height, width, 4))
        copy_pixels(seen[0].pixels[-seen[0].y :, -seen[0].x :][:height, :width], out)
        return out
    return composite_steps(steps_of_stack(seen), width, height, threads)


def _hides(layer: Layer, width: int, height: int) -> bool:
    """Whether nothing of what lies below is seen anywhere on the canvas."""
    h, w = layer.pixels.shape[:2]
    whole = layer.x <= 0 and layer.y <= 0 and layer.x + w >= width and layer.y + h >= height
    return whole and layer.opaque and layer.opacity == 1 and layer.mask is None and canonical(layer.mode) == "normal"


def composite_steps(steps: Sequence[Step], width: int, height: int, threads: int) -> np.ndarray:
    """Level 0 after all steps: uint8 [height, width, 4], straight RGBA. Masks are of the canvas's size."""
    table = np.array([_row(step, loop) for step, loop in zip(steps, loops_of_steps(steps), strict=True)], np.int64)
    threads = min(threads, 1 + len(steps) * width * height // WORTH_A_THREAD)
    numbers = np.array([_number(step) for step in steps], np.float32)
    out = pages.empty((height, width, 4))
    sizes = (out.strides[0] // 4, width, height)
    taken = np.zeros(1, np.int64)
    addresses = (one.ctypes.data for one in (numbers, out))
    with at_most(threads) as most:
        band = walk.compiled_band().address
        walk.bands(band, table.ctypes.data, len(steps), *addresses, *sizes, taken.ctypes.data, most)
    return out


def recolored(layer: Layer, rows: Sequence[ColorRow], threads: int) -> np.ndarray:
    """The layer's own pixels, their colours through the rows, one after the other; alphas stay."""
    height, width = layer.pixels.shape[:2]
    out = composite_steps(steps_of_rows(layer, rows), width, height, threads)
    out[..., 3] = layer.pixels[..., 3]
    return out


recolored_floats = composite_floats.recolored
"""The same of float32 [h, w, 4] straight RGBA 0..1."""


def _number(step: Step) -> float:
    """What the walk hands to the step's loop: opacity, or how many places a table has."""
    return step.values.shape[1] if step.values is not None and step.values.ndim == 2 else step.opacity


def _row(step: Step, in_fractions: int) -> Row:
    x0, y0, x1, y1 = step.box
    more: dict[str, int] = {**(_blend(step) if step.op == "blend" else _work(step))}
    if step.layer is not None:
        pixels = step.layer.pixels
        more |= {"pixel": pixels.ctypes.data, "stride": pixels.strides[0] // 4, "seed": step.layer.seed}
    if step.mask is not None:
        more |= {"mask": step.mask.ctypes.data, "mask_stride": step.mask.strides[0]}
    if step.values is not None:
        more["values"] = step.values.ctypes.data
    more |= {"in_fractions": in_fractions, "as_it_is": shown_as_it_is(step)}
    return Row(step.level, step.source, step.alphas, step.ground, step.end, x0, y0, x1 - x0, y1 - y0, **more)


def _work(step: Step) -> dict[str, int]:
    row = {"state": _STATES.get(step.op, rows.MADE_OPAQUE)}
    if step.op in ("mix", "cover"):
        row |= _alphas(step.mode, step.alphas, step.mask is not None)
    if step.source == PIXELS:
        return row | {"loop": lock_of_pixels(step.op == "lock_light")}
    needed = step.op in ("lock", "take_out") or (step.op == "cover" and step.alphas >= 0)
    loop = color_loop_of(step.op) if step.op in composite_colors.NAMES else op_of(step.op)
    return row | {"needed": needed, "loop": loop}


def _blend(step: Step) -> Mapping[str, int]:
    shown = step.mask is not None, step.opacity == 1, step.layer is not None and step.layer.opaque
    return _row_of_blend(step.mode, step.level == 0, step.source == PIXELS, step.alphas, *shown)


@cache
def _row_of_blend(
    mode: str, picture: bool, of_pixels: bool, alphas: int, masked: bool, full: bool, opaque: bool
) -> Mapping[str, int]:
    bare = of_pixels and alphas == PIXELS and not masked and mode != DISSOLVE
    made = not bare or mode != "normal"
    solid = not masked and full and (opaque or alphas != PIXELS)
    row = _alphas(mode, alphas, masked) if made else {}
    row |= {"state": rows.BLENDED, "bare": bare, "solid": solid}
    row["hides"] = bare and solid and picture and mode == "normal"
    if not of_pixels:
        return row | {"needed": 1, "loop": planes_loop_of(mode)}
    row["on_opaque"], row["loop"] = loops_of(mode, made)
    return row


def _alphas(mode: str, alphas: int, masked: bool) -> dict[str, int]:
    row = {"made": 1, "scatterer": scatterer() if mode == DISSOLVE else 0}
    if alphas == PIXELS:
        return row
    return row | {"filler": filler_of("nothing" if alphas == ONES else "level", masked)}


def warm() -> None:
    """Compiles every loop, so that none is compiled when it is first needed."""
    composite_loops.compile_all()
    composite_levels.compile_all()
    composite_colors.compile_all()
    composite_fixed.compile_all()
    composite_floats.warm()
    composite([], 1, 1, 1)
    clear = np.zeros((1, 1, 4), np.uint8)
    copy_pixels(clear, clear.copy())


__all__ = ["composite", "composite_steps", "recolored", "recolored_floats", "warm"]
