"""Compositing a tree: groups, clipping, fill, adjustments, effects, knockout. What is flat goes to the fast stack.

A tree is a table of steps (`kernels.composite_steps`) that the compiled walk takes, and so is a stack in linear light.
What no step stands for, and all of it where numba is not installed, is composited by the reference in float32, in bands
of rows.

Equality policy. Both agree with `composite_tree_reference` in float64 within 1/255 except where `kernels.composite`
says that formulas jump, where an adjustment that works on 8 bits falls on either side of a step, and where darker or
lighter colour meets what an adjustment left as light as it was: that tie the reference breaks by its last bit. Bytes do
not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from kernels import color, pages
from kernels.blend import DISSOLVE, MODES, canonical, cat_last, dissolved, source_over
from kernels.composite import Layer, composite
from kernels.composite_formulas import PASS_THROUGH, SPECIAL_FILLS, TINY, between, filled, knocked_out
from kernels.composite_steps import Unplanned, steps_of_tree

try:
    from kernels import composite_numba as fast
except ImportError:  # numba is not installed: the reference does the work
    fast = None  # type: ignore[assignment]

_ROWS_AT_A_TIME = 256

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 on the canvas."""
Recolor = Callable[[Tensor], Tensor]
"""(encoded colours [..., 3] 0..1) -> the same shape."""


@dataclass(frozen=True, slots=True)
class Node:
    """A layer, a group of them or an adjustment of what lies below, and what is clipped to it."""

    layer: Layer | None = None
    """Its opacity, mode and mask are the node's own."""
    children: tuple[Node, ...] = ()
    """Of a group, bottom to top."""
    adjustment: Recolor | None = None
    """Instead of a layer or children: what it makes of the colours below; their alpha stays."""
    opacity: float = 1.0
    """Of a group or an adjustment."""
    mode: str = PASS_THROUGH
    """Of a group or an adjustment: a blend mode makes a group isolated."""
    mask: np.ndarray | None = None
    """Of a group or an adjustment: uint8 [H, W] of the canvas."""
    fill: float = 1.0
    """Opacity of the pixels alone; in eight modes it enters the formula."""
    clips: tuple[Node, ...] = ()
    """Painted atop this node's own pixels, inside its alpha."""
    inside: tuple[Layer, ...] = ()
    """Effects painted over this node's pixels within its shape; their alpha is a share of the shape."""
    knockout: Literal["none", "shallow", "deep"] = "none"
    """Whether it takes away what lies under it: to the backdrop of its group, or to the ground."""
    ground: bool = False
    """Of the bottom nodes: where a knockout ends."""

    @property
    def bare(self) -> bool:
        return not self.clips and not self.inside and self.knockout == "none"

    @property
    def plain(self) -> bool:
        return self.bare and self.fill == 1


def composite_tree(
    nodes: Sequence[Node], width: int, height: int, *, threads: int = 1, linear: bool = False
) -> np.ndarray:
    """The nodes, bottom to top, over a transparent canvas: uint8 [height, width, 4], straight RGBA."""
    flat = flattened(nodes)
    if flat is not None and (fast is None or not linear):
        return composite(flat, width, height, threads=threads, linear=linear)
    if fast is not None:
        _check(nodes, width, height)
        planned = nodes if flat is None else [Node(layer) for layer in flat]
        with suppress(Unplanned):
            return fast.composite_steps(steps_of_tree(planned, width, height, linear=linear), width, height, threads)
    out = pages.empty((height, width, 4))
    for first in range(0, height, _ROWS_AT_A_TIME):
        rows = (first, min(height, first + _ROWS_AT_A_TIME))
        part = composite_tree_reference(nodes, width, height, dtype=torch.float32, linear=linear, rows=rows)
        out[rows[0] : rows[1]] = (part.clamp(0, 1) * 255 + 0.5).to(torch.uint8).numpy()
    out[out[..., 3] == 0] = 0
    return out


def _check(nodes: Sequence[Node], width: int, height: int) -> None:
    for node in nodes:
        mask = node.mask if node.layer is None else node.layer.mask
        if mask is not None and mask.dtype != np.uint8:
            raise ValueError(f"a mask is uint8 [H, W]; got {mask.dtype} {mask.shape}")
        if mask is not None and mask.shape != (height, width):
            raise ValueError(f"a mask has the canvas's size {width}x{height}; got {mask.shape[::-1]}")
        _check((*node.children, *node.clips), width, height)


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
    whole = (0, first, width, end)
    _Painting(linear, canvas).run([node for node in nodes if node.ground], canvas, whole, None)
    _Painting(linear, canvas.clone()).run([node for node in nodes if not node.ground], canvas, whole, None)
    if linear:
        canvas[..., :3] = color.to_srgb(canvas[..., :3])
    return canvas


def flattened(nodes: Sequence[Node]) -> list[Layer] | None:
    """The tree as a plain stack where it is one: groups that change nothing by being groups, fills that are opacities.
    None where it is none."""
    stack: list[Layer] = []
    for node in nodes:
        if not node.bare or node.adjustment is not None:
            return None
        if node.layer is not None:
            if node.fill < 1 and node.layer.mode in SPECIAL_FILLS:
                return None
            stack.append(node.layer if node.fill == 1 else replace(node.layer, opacity=node.layer.opacity * node.fill))
            continue
        inner = flattened(node.children)
        ungrouped = None if inner is None else _ungrouped(node, inner)
        if ungrouped is None:
            return None
        stack += ungrouped
    return stack


def _ungrouped(group: Node, layers: list[Layer]) -> list[Layer] | None:
    """What a group of these layers paints, without the group: None where only a group does. Source-over is associative
    (Porter and Duff 1984), so layers that are all normal need none where they are painted whole; and a single normal
    one is its group's whole picture, whose mode, opacity and mask it takes."""
    if not group.plain:
        return None
    whole = group.opacity == 1 and group.mask is None
    if whole and (group.mode == PASS_THROUGH or {"normal", group.mode, *(one.mode for one in layers)} == {"normal"}):
        return layers
    if len(layers) != 1 or layers[0].mode != "normal":
        return None
    (only,) = layers
    if only.mask is not None and group.mask is not None:
        return None
    mode = "normal" if group.mode == PASS_THROUGH else group.mode
    mask = group.mask if only.mask is None else only.mask
    return [replace(only, mode=mode, opacity=only.opacity * group.opacity, mask=mask, seed=0)]


@dataclass(frozen=True, slots=True)
class _Painting:
    """One canvas that nodes are blended into: the whole picture's, or that of an isolated group."""

    linear: bool
    ground: Tensor
    """[h, w, 4]: the canvas where a deep knockout ends."""

    def run(self, nodes: Sequence[Node], canvas: Tensor, box: Box, shape: Tensor | None) -> None:
        """Blends nodes into `canvas` [h, w, 4], which is the part `box` of the whole. `shape` [h, w, 1] gathers the
        alpha of what a group painted, where somebody needs to know."""
        start = canvas.clone() if any(node.knockout == "shallow" for node in nodes) else canvas
        for node in nodes:
            self._paint(node, canvas, box, shape, start)

    def _paint(self, node: Node, canvas: Tensor, box: Box, shape: Tensor | None, start: Tensor) -> None:
        inner = box if node.layer is None else _touched(node.layer, box)
        if inner is None:
            return
        part = np.s_[inner[1] - box[1] : inner[3] - box[1], inner[0] - box[0] : inner[2] - box[0]]
        view, seen = canvas[part], None if shape is None else shape[part]
        strength = _strength(node, inner, canvas)
        if node.adjustment is not None:
            self._recolor(node, view, inner, strength if seen is None else strength * seen)
            return
        here = _Painting(self.linear, self.ground[part])
        if node.layer is None and node.mode == PASS_THROUGH and node.plain:
            painted, within = view.clone(), None if seen is None else torch.zeros_like(seen)
            here.run(node.children, painted, inner, within)
            view.copy_(between(view, painted, strength))
            if seen is not None and within is not None:
                seen += within * strength * (1 - seen)
            return
        source, mode = here._source(node, view, inner)
        here._clip(node.clips, source, inner)
        cover = source[..., 3:] * _mask(node, inner, canvas)
        own = source[..., 3:] * strength
        source[..., 3:] = painted = _scattered(own * node.fill, mode, node.layer, inner)
        if node.knockout != "none":
            ground = start[part] if node.knockout == "shallow" else here.ground
            taken = _scattered(cover, mode, node.layer, inner)
            view.copy_(knocked_out(view, ground, source, taken, mode))
        elif node.inside or (node.layer is not None and node.fill < 1 and mode in SPECIAL_FILLS):
            shown = _scattered(own, mode, node.layer, inner)
            source[..., 3:] = painted if mode == DISSOLVE else node.fill
            view.copy_(between(view, here._with_effects(node, view, source, mode, inner), shown))
            painted = shown if node.inside else painted
        else:
            view.copy_(source_over(view, source, mode))
        if seen is not None:
            seen += painted * (1 - seen)

    def _clip(self, clips: Sequence[Node], source: Tensor, box: Box) -> None:
        """Atop: the colours composite as on an opaque backdrop, the alpha stays."""
        if clips:
            locked = cat_last(source[..., :3], torch.ones_like(source[..., 3:]))
            _Painting(self.linear, locked.clone()).run(clips, locked, box, None)
            source[..., :3] = locked[..., :3]

    def _recolor(self, node: Node, view: Tensor, box: Box, strength: Tensor) -> None:
        assert node.adjustment
        before = view[..., :3]
        encoded = color.to_srgb(before) if self.linear else before
        after = node.adjustment(encoded.clamp(0, 1)).clamp(0, 1)
        after = cat_last(color.to_linear(after) if self.linear else after, torch.ones_like(view[..., 3:]))
        self._clip(node.clips, after, box)
        blended = MODES[canonical(node.mode)].reference(before, after[..., :3]).clamp(0, 1)
        share = (strength * node.fill).expand_as(view[..., 3:])
        view[..., :3] = before + _scattered(share, node.mode, None, box) * (blended - before)

    def _with_effects(self, node: Node, view: Tensor, source: Tensor, mode: str, box: Box) -> Tensor:
        """What the node's shape shows where it is whole: pixels at their fill (the source's alpha), then effects."""
        if node.layer is not None and node.fill < 1 and mode in SPECIAL_FILLS:
            full = filled(view, cat_last(source[..., :3], torch.ones_like(source[..., 3:])), mode, node.fill)
        else:
            full = source_over(view, source, mode)
        for effect in node.inside:
            touched = _touched(effect, box)
            if touched is None:
                continue
            part = np.s_[touched[1] - box[1] : touched[3] - box[1], touched[0] - box[0] : touched[2] - box[0]]
            pixels = self._pixels(effect, touched, view.dtype)
            pixels[..., 3:] = _scattered(pixels[..., 3:] * effect.opacity, effect.mode, effect, touched)
            full[part] = source_over(full[part], pixels, effect.mode)
        return full

    def _source(self, node: Node, backdrop: Tensor, box: Box) -> tuple[Tensor, str]:
        """What a node paints, straight [h, w, 4], and the mode in which it is blended."""
        if node.layer is not None:
            return self._pixels(node.layer, box, backdrop.dtype), canonical(node.layer.mode)
        if node.mode != PASS_THROUGH:
            isolated = torch.zeros_like(backdrop)
            _Painting(self.linear, torch.zeros_like(backdrop)).run(node.children, isolated, box, None)
            return isolated, canonical(node.mode)
        # a pass-through group that is more than its layers: these saw the backdrop, which is now taken out again
        painted, shape = backdrop.clone(), torch.zeros_like(backdrop[..., 3:])
        self.run(node.children, painted, box, shape)
        ours, theirs = painted[..., :3], backdrop[..., :3]
        share = backdrop[..., 3:] / shape.clamp(min=TINY) - backdrop[..., 3:]
        colors = torch.where(shape > 0, ours + (ours - theirs) * share, ours).clamp(0, 1)
        return cat_last(colors, shape), "normal"

    def _pixels(self, layer: Layer, box: Box, dtype: torch.dtype) -> Tensor:
        part = layer.pixels[box[1] - layer.y : box[3] - layer.y, box[0] - layer.x : box[2] - layer.x]
        pixels = torch.from_numpy(np.array(part)).to(dtype) / 255
        if self.linear:
            pixels[..., :3] = color.to_linear(pixels[..., :3])
        return pixels


def _scattered(alpha: Tensor, mode: str, layer: Layer | None, box: Box) -> Tensor:
    """What is left of the final alphas [h, w, 1] of a source: whole pixels in mode dissolve, else all."""
    return dissolved(alpha, box[0], box[1], 0 if layer is None else layer.seed) if mode == DISSOLVE else alpha


def _touched(layer: Layer, box: Box) -> Box | None:
    h, w = layer.pixels.shape[:2]
    x0, y0 = max(layer.x, box[0]), max(layer.y, box[1])
    x1, y1 = min(layer.x + w, box[2]), min(layer.y + h, box[3])
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def _strength(node: Node, box: Box, like: Tensor) -> Tensor:
    """Opacity times mask: [h, w, 1], or one value."""
    owner = node if node.layer is None else node.layer
    return _mask(node, box, like) * owner.opacity


def _mask(node: Node, box: Box, like: Tensor) -> Tensor:
    owner = node if node.layer is None else node.layer
    if owner.mask is None:
        return like.new_tensor(1.0)
    mask = np.array(owner.mask[box[1] : box[3], box[0] : box[2]])
    return torch.from_numpy(mask).to(like.dtype)[..., None] / 255


__all__ = ["PASS_THROUGH", "Node", "Recolor", "composite_tree", "composite_tree_reference", "flattened"]
