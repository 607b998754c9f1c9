"""Compositing a tree: groups, clipping, fill. What is flat after all goes to the fast stack.

Equality policy. A tree is composited by plain tensor code in float32, in bands of rows; `composite_tree_reference` is
the same in float64. They agree within 1/255 except where `kernels.composite` says that formulas jump.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from kernels import color
from kernels.blend import MODES, canonical, cat_last, source_over
from kernels.composite import Layer, composite

PASS_THROUGH = "pass_through"  # noqa: S105
_ROWS_AT_A_TIME = 256
_TINY = 1e-12

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 on the canvas."""


@dataclass(frozen=True, slots=True)
class Node:
    """A layer, or a group of them, and what is clipped to it."""

    layer: Layer | None = None
    """Its opacity, mode and mask are the node's own."""
    children: tuple[Node, ...] = ()
    """Of a group, bottom to top."""
    opacity: float = 1.0
    """Of a group."""
    mode: str = PASS_THROUGH
    """Of a group: a blend mode makes it isolated."""
    mask: np.ndarray | None = None
    """Of a group: uint8 [H, W] of the canvas."""
    fill: float = 1.0
    """Opacity of the pixels alone; in eight modes it enters the formula."""
    clips: tuple[Node, ...] = ()
    """Painted atop this node's own pixels, inside its alpha."""

    @property
    def plain(self) -> bool:
        return not self.clips and self.fill == 1


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


def composite_tree(
    nodes: Sequence[Node], width: int, height: int, *, threads: int = 1, linear: bool = False
) -> np.ndarray:
    """The nodes, bottom to top, over a transparent canvas: uint8 [height, width, 4], straight RGBA."""
    flat = flattened(nodes)
    if flat is not None:
        return composite(flat, width, height, threads=threads, linear=linear)
    out = np.empty((height, width, 4), np.uint8)
    for first in range(0, height, _ROWS_AT_A_TIME):
        rows = (first, min(height, first + _ROWS_AT_A_TIME))
        part = composite_tree_reference(nodes, width, height, dtype=torch.float32, linear=linear, rows=rows)
        out[rows[0] : rows[1]] = (part.clamp(0, 1) * 255 + 0.5).to(torch.uint8).numpy()
    out[out[..., 3] == 0] = 0
    return out


def composite_tree_reference(
    nodes: Sequence[Node],
    width: int,
    height: int,
    *,
    dtype: torch.dtype = torch.float64,
    linear: bool = False,
    rows: tuple[int, int] | None = None,
) -> Tensor:
    """The same, plain: floating [rows, width, 4], straight RGBA 0..1, not rounded."""
    first, end = rows or (0, height)
    canvas = torch.zeros((end - first, width, 4), dtype=dtype)
    _run(nodes, canvas, (0, first, width, end), None, linear)
    if linear:
        canvas[..., :3] = color.to_srgb(canvas[..., :3])
    return canvas


def flattened(nodes: Sequence[Node]) -> list[Layer] | None:
    """The tree as a plain stack where it is one: groups that change nothing by being groups, fills that are opacities.
    None where it is none."""
    stack: list[Layer] = []
    for node in nodes:
        if node.clips:
            return None
        if node.layer is not None:
            if node.fill < 1 and node.layer.mode in SPECIAL_FILLS:
                return None
            stack.append(node.layer if node.fill == 1 else replace(node.layer, opacity=node.layer.opacity * node.fill))
            continue
        inner = flattened(node.children)
        if inner is None or not node.plain or node.mode != PASS_THROUGH or node.opacity < 1 or node.mask is not None:
            return None
        stack += inner
    return stack


def _run(nodes: Sequence[Node], canvas: Tensor, box: Box, shape: Tensor | None, linear: bool) -> None:
    for node in nodes:
        _paint(node, canvas, box, shape, linear)


def _paint(node: Node, canvas: Tensor, box: Box, shape: Tensor | None, linear: bool) -> None:
    """Blends a node into `canvas` [h, w, 4], which is the part `box` of the whole. `shape` [h, w, 1] gathers the alpha
    of what a group painted, where somebody needs to know."""
    inner = box if node.layer is None else _touched(node.layer, box)
    if inner is None:
        return
    part = np.s_[inner[1] - box[1] : inner[3] - box[1], inner[0] - box[0] : inner[2] - box[0]]
    view, seen = canvas[part], None if shape is None else shape[part]
    strength = _strength(node, inner, canvas)
    if node.layer is None and node.mode == PASS_THROUGH and node.plain:
        painted, within = view.clone(), None if seen is None else torch.zeros_like(seen)
        _run(node.children, painted, inner, within, linear)
        view.copy_(_between(view, painted, strength))
        if seen is not None and within is not None:
            seen += within * strength * (1 - seen)
        return
    source, mode = _source(node, view, inner, linear)
    for clip in node.clips:  # atop: the colours composite as on an opaque backdrop, the alpha stays
        locked = cat_last(source[..., :3], torch.ones_like(source[..., 3:]))
        _paint(clip, locked, inner, None, linear)
        source[..., :3] = locked[..., :3]
    if node.layer is not None and node.fill < 1 and mode in SPECIAL_FILLS:
        source[..., 3:] *= strength
        view.copy_(_filled(view, source, mode, node.fill))
    else:
        source[..., 3:] *= strength * node.fill
        view.copy_(source_over(view, source, mode))
    if seen is not None:
        seen += source[..., 3:] * (node.fill if mode in SPECIAL_FILLS else 1) * (1 - seen)


def _touched(layer: Layer, box: Box) -> Box | None:
    h, w = layer.pixels.shape[:2]
    x0, y0 = max(layer.x, box[0]), max(layer.y, box[1])
    x1, y1 = min(layer.x + w, box[2]), min(layer.y + h, box[3])
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def _strength(node: Node, box: Box, like: Tensor) -> Tensor:
    """Opacity times mask: [h, w, 1], or one value."""
    owner = node if node.layer is None else node.layer
    opacity = like.new_tensor(owner.opacity)
    if owner.mask is None:
        return opacity
    mask = np.array(owner.mask[box[1] : box[3], box[0] : box[2]])
    return torch.from_numpy(mask).to(like.dtype)[..., None] / 255 * opacity


def _source(node: Node, backdrop: Tensor, box: Box, linear: bool) -> tuple[Tensor, str]:
    """What a node paints, straight [h, w, 4], and the mode in which it is blended."""
    if node.layer is not None:
        layer = node.layer
        part = layer.pixels[box[1] - layer.y : box[3] - layer.y, box[0] - layer.x : box[2] - layer.x]
        pixels = torch.from_numpy(np.array(part)).to(backdrop.dtype) / 255
        if linear:
            pixels[..., :3] = color.to_linear(pixels[..., :3])
        return pixels, canonical(layer.mode)
    if node.mode != PASS_THROUGH:
        isolated = torch.zeros_like(backdrop)
        _run(node.children, isolated, box, None, linear)
        return isolated, canonical(node.mode)
    # a pass-through group that is clipped to or filled: its children saw the backdrop, which is now taken out again
    painted, shape = backdrop.clone(), torch.zeros_like(backdrop[..., 3:])
    _run(node.children, painted, box, shape, linear)
    ours, theirs = painted[..., :3], backdrop[..., :3]
    share = backdrop[..., 3:] / shape.clamp(min=_TINY) - backdrop[..., 3:]
    colors = torch.where(shape > 0, ours + (ours - theirs) * share, ours).clamp(0, 1)
    return cat_last(colors, shape), "normal"


def _between(before: Tensor, after: Tensor, strength: Tensor) -> Tensor:
    """Premultiplied mix of two pictures [h, w, 4]."""
    a, b = (1 - strength) * before[..., 3:], strength * after[..., 3:]
    alpha = a + b
    colors = (a * before[..., :3] + b * after[..., :3]) / alpha.clamp(min=_TINY)
    return cat_last(torch.where(alpha > 0, colors, 0), alpha.expand_as(before[..., 3:]))


def _filled(backdrop: Tensor, source: Tensor, mode: str, fill: float) -> Tensor:
    """Source-over where fill enters the formula."""
    cb, ab, cs, a = backdrop[..., :3], backdrop[..., 3:], source[..., :3], source[..., 3:]
    blended = SPECIAL_FILLS[mode](cb, cs, fill).clamp(0, 1)
    alpha = ab + a * fill * (1 - ab)
    colors = ((1 - a) * ab * cb + a * ((1 - ab) * fill * cs + ab * blended)) / alpha.clamp(min=_TINY)
    return cat_last(torch.where(alpha > 0, colors, 0), alpha)


__all__ = ["PASS_THROUGH", "SPECIAL_FILLS", "Node", "composite_tree", "composite_tree_reference", "flattened"]
