"""What compositing a tree needs beside source-over: mixes, fill opacity, knockout. Plain tensor code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from kernels.blend import MODES, cat_last

PASS_THROUGH = "pass_through"  # noqa: S105
"""The mode of a group that is not isolated."""
TINY = 1e-12


def _hard_mix_filled(b: Tensor, s: Tensor, fill: float) -> Tensor:
    return ((b - fill * (1 - s)) / max(1 - fill, 1e-9)).clamp(0, 1)


SPECIAL_FILLS: Mapping[str, Callable[[Tensor, Tensor, float], Tensor]] = MappingProxyType(
    {
        "color_dodge": lambda b, s, f: MODES["color_dodge"].reference(b, s * f),
        "linear_dodge": lambda b, s, f: MODES["linear_dodge"].reference(b, s * f),
        "difference": lambda b, s, f: MODES["difference"].reference(b, s * f),
        "color_burn": lambda b, s, f: MODES["color_burn"].reference(b, 1 - f * (1 - s)),
        "linear_burn": lambda b, s, f: MODES["linear_burn"].reference(b, 1 - f * (1 - s)),
        "linear_light": lambda b, s, f: b + f * (2 * s - 1),
        "vivid_light": lambda b, s, f: MODES["vivid_light"].reference(b, 0.5 + f * (s - 0.5)),
        "hard_mix": _hard_mix_filled,
    }
)
"""Modes in which fill opacity is part of the formula: (backdrop, source, fill) -> B."""


def between(before: Tensor, after: Tensor, strength: Tensor) -> Tensor:
    """Premultiplied mix of two pictures [h, w, 4]."""
    a, b = (1 - strength) * before[..., 3:], strength * after[..., 3:]
    alpha = a + b
    colors = (a * before[..., :3] + b * after[..., :3]) / alpha.clamp(min=TINY)
    return cat_last(torch.where(alpha > 0, colors, 0), alpha.expand_as(before[..., 3:]))


def filled(backdrop: Tensor, source: Tensor, mode: str, fill: float) -> Tensor:
    """Source-over where fill enters the formula."""
    cb, ab, cs, a = backdrop[..., :3], backdrop[..., 3:], source[..., :3], source[..., 3:]
    blended = SPECIAL_FILLS[mode](cb, cs, fill).clamp(0, 1)
    alpha = ab + a * fill * (1 - ab)
    colors = ((1 - a) * ab * cb + a * ((1 - ab) * fill * cs + ab * blended)) / alpha.clamp(min=TINY)
    return cat_last(torch.where(alpha > 0, colors, 0), alpha)


def knocked_out(canvas: Tensor, ground: Tensor, source: Tensor, shape: Tensor, mode: str) -> Tensor:
    """A source whose shape takes what lies under it away, down to `ground`, on which it is then blended.

    canvas, ground, source: [h, w, 4] straight; `shape` [h, w, 1] is what it takes away, the source's own alpha (at most
    the shape's) what it paints there.
    """
    cb, ab, cs, a = ground[..., :3], ground[..., 3:], source[..., :3], source[..., 3:]
    blended = MODES[mode].reference(cb, cs).clamp(0, 1)
    alpha = (1 - shape) * canvas[..., 3:] + (shape - a) * ab + a
    kept = (1 - shape) * canvas[..., 3:] * canvas[..., :3] + (shape - a) * ab * cb
    colors = (kept + a * ((1 - ab) * cs + ab * blended)) / alpha.clamp(min=TINY)
    return cat_last(torch.where(alpha > 0, colors, 0), alpha)


__all__ = ["PASS_THROUGH", "SPECIAL_FILLS", "TINY", "between", "filled", "knocked_out"]
