"""A tree of nodes as a linear table of steps, which the compiled compositor walks for every tile.

A step writes one *level*: a tile of float32 planes. Level 0 is the picture; an isolated group starts an empty level
above it, its layers are blended into that, and one more step blends that into the level below: a stack machine.

    group in multiply:  copy 1 <- nothing · blend 1 <- layer · blend 1 <- layer · blend 0 <- 1 by multiply
    passed through:     copy 1 <- 0 · blend 1 <- layer · … · mix 0 <- 1 by opacity and mask
    clipped layers:     lock 1 <- layer · blend 1 <- clip · … · blend 0 <- 1 within the layer's alpha
    effects inside:     copy 1 <- 0 · blend 1 <- layer, whole · blend 1 <- effect · … · mix 0 <- 1 by the layer's alpha
    knockout:           copy 1 <- ground · blend 1 <- layer · mix 0 <- ground by the layer's alpha · add 0 <- 1 - ground
    part of a picture:  copy 1 <- nothing · copy 2 <- 0 · blend 2 <- layer · cover 1 by its alpha · … · take_out 1 <- 2
    adjustment:         lock 1 <- 0 · look_up 2 <- 1 · blend 1 <- 2 by its mode · unlock 0 <- 1
    that is a formula:  lock 1 <- 0 · hue_saturation 2 <- 1 · blend 1 <- 2 by its mode · unlock 0 <- 1
    in linear light:    lock_light 1 <- layer · blend 0 <- 1 within the layer's alpha · … · encode of the picture

A part of a picture is a group that passes through and yet has clips, effects, a fill or a knockout: its layers see what
lies below, which is taken out again. Each line is the formula of `kernels.composite_tree`'s reference, in premultiplied
planes. Making the table is plain Python, some microseconds a node; nothing is compiled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import torch

from kernels import color
from kernels.blend import DISSOLVE, canonical
from kernels.composite_formulas import PASS_THROUGH, SPECIAL_FILLS
from kernels.lookup import SMOOTH, ColorRow, LookUp, Named, Table, rows_of

if TYPE_CHECKING:
    from kernels.composite import Layer
    from kernels.composite_tree import Node

LEVELS: Final = 64
"""How many levels a table may use; a tree that needs more is composited by the reference."""
ZEROS: Final = LEVELS
"""A level above all others that stays transparent: where nothing lies below."""
PIXELS: Final = -1
"""Instead of a level: the layer's own pixels."""
ONES: Final = -2
"""Instead of a level whose alphas are taken: alphas of 1."""

Op = (
    Literal["blend", "copy", "lock", "lock_light", "unlock", "mix", "add", "refill", "hard_mix", "cover", "take_out"]
    | Literal["encode"]
    | LookUp
    | Named
)
"""What a step does to its level:

    blend    source-over of pixels or of another level by a mode, with alphas of its own
    copy     of another level
    lock     the straight colours of pixels or of another level, opaque
    lock_light  the light of pixels' colours, opaque
    encode   the colours of a locked level, which are light, as encoded values
    unlock   takes the colours of a locked level, keeps its own alpha
    mix      moves towards another level by the alphas
    add      adds the difference of two levels
    refill   after a blend at full alpha, where there was no backdrop: takes out again what the fill leaves out
    hard_mix that of a locked level, filled, at full alpha
    cover    adds alphas to those of a shape, whose colours are nothing yet
    take_out the colours of a shape from the level in which it lies over its ground
    look_up  the colours of a locked level through a table, one channel at a time: what lies between places is linear,
             or the nearest place's (look_up_steps), or the nearest of the luminosity (look_up_light)

and by the names of `kernels.composite_colors`: the colours of a locked level, another one, through a formula.
"""

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 on the canvas."""

_NEUTRAL: Final = {
    "color_dodge": 0.0,
    "linear_dodge": 0.0,
    "difference": 0.0,
    "color_burn": 1.0,
    "linear_burn": 1.0,
    "linear_light": 0.5,
    "vivid_light": 0.5,
}
"""Of the modes whose formula the fill enters, the source that changes nothing: a fill moves the source towards it."""


class Unplanned(Exception):
    """The tree has something for which there is no step."""


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the table."""

    op: Op
    level: int
    """That it writes."""
    box: Box
    """Outside of it the step changes nothing."""
    source: int = PIXELS
    """A level, or PIXELS: what is read."""
    alphas: int = PIXELS
    """What is taken times opacity and mask: PIXELS' alpha, a level's, or ONES."""
    ground: int = ZEROS
    """Of add and take_out: the level that is taken off."""
    layer: Layer | None = None
    """Whose pixels are read."""
    mode: str = "normal"
    """Of a blend; in dissolve its alphas are scattered, and so are those of a mix."""
    opacity: float = 1.0
    """Of refill: 1 - fill; of hard_mix the fill."""
    mask: np.ndarray | None = None
    values: np.ndarray | None = None
    """float32: [3, n] of a table; [n] of a formula; of refill the neutral colour of its mode."""
    end: int = 0
    """The step to go on with where a tile lies outside the box, or where the source is empty."""


def _blend_layer(layer: Layer, level: int, end: int) -> Step:
    mode = canonical(layer.mode)
    return Step("blend", level, _box(layer), layer=layer, mode=mode, opacity=layer.opacity, mask=layer.mask, end=end)


def steps_of_stack(layers: Sequence[Layer]) -> list[Step]:
    """Layers bottom to top."""
    return [_blend_layer(layer, 0, i + 1) for i, layer in enumerate(layers)]


def steps_of_rows(layer: Layer, rows: Sequence[ColorRow]) -> list[Step]:
    """A layer's colours, opaque, through the rows: in level 0."""
    box, level = _box(layer), len(rows) % 2
    steps = [Step("lock", level, box, layer=layer, end=1)]
    for row in rows:
        level = 1 - level
        steps.append(Step(row.op, level, box, source=1 - level, values=row.values, end=len(steps) + 1))
    return steps


@cache
def _transfers() -> tuple[Table, Table]:
    """What encodes and decodes, about adjustments."""
    ramp = torch.linspace(0, 1, SMOOTH, dtype=torch.float64)
    encode, decode = (of(ramp).float().expand(3, -1).contiguous().numpy() for of in (color.to_srgb, color.to_linear))
    return Table(encode), Table(decode)


def steps_of_tree(nodes: Sequence[Node], width: int, height: int, *, linear: bool = False) -> list[Step]:
    """A tree over a transparent canvas, the picture in level 0. Unplanned where a tree has what steps do not cover."""
    plan = _Plan((0, 0, width, height), linear)
    ground = [node for node in nodes if node.ground]
    others = [node for node in nodes if not node.ground]
    if any(_knocks(node) for node in ground):
        raise Unplanned
    plan.run(ground, 0, ZEROS, ZEROS)
    if ground and any(_knocks(node) for node in others):  # the ground is kept below the picture
        plan.add("copy", 1, source=0)
        plan.run(others, 1, 0, 0)
        plan.add("copy", 0, source=1)
    else:
        plan.run(others, 0, ZEROS, ZEROS)
    if linear:
        plan.encode()
    return plan.steps


def _knocks(node: Node) -> bool:
    return node.knockout != "none" or any(_knocks(one) for one in (*node.children, *node.clips))


def _unseen(node: Node) -> bool:
    """Whether it changes nothing, whatever lies below."""
    owner = node if node.layer is None else node.layer
    if owner.opacity == 0 and node.knockout == "none":
        return True
    if node.layer is not None:
        return node.layer.pixels.size == 0
    return node.adjustment is None and all(_unseen(child) for child in node.children)


def _box(layer: Layer) -> Box:
    h, w = layer.pixels.shape[:2]
    return layer.x, layer.y, layer.x + w, layer.y + h


class _Plan:
    """Steps as they are appended."""

    def __init__(self, whole: Box, linear: bool) -> None:
        self.steps: list[Step] = []
        self._linear = linear
        self._whole = self._box = whole
        self._own: list[int] = []

    def add(self, op: Op, level: int, **more: Any) -> None:
        """One step of the node at hand."""
        if level >= LEVELS:
            raise Unplanned
        mask = more.get("mask")
        if mask is not None and not mask[:1].flags.c_contiguous:
            more["mask"] = np.ascontiguousarray(mask)
        self._own.append(len(self.steps))
        self.steps.append(Step(op, level, self._box, end=len(self.steps) + 1, **more))

    def encode(self) -> None:
        """The picture's light to encoded values."""
        self.add("lock", 1, source=0)
        self.add("encode", 2, source=1)
        self.add("unlock", 0, source=2)

    def run(self, nodes: Sequence[Node], level: int, ground: int, start: int, shape: int | None = None) -> None:
        """Blends nodes into `level`. Where a deep knockout among them ends, and where a shallow one does: levels, and
        so is `shape`, which gathers the alphas of what is painted, where somebody needs to know."""
        for node in nodes:
            if _unseen(node):
                continue
            outer = self._box, self._own
            self._box, self._own = self._box_of(node), []
            if node.adjustment is not None:
                self._adjust(node, level, shape)
            elif node.layer is None and node.mode == PASS_THROUGH and node.plain:
                self._pass_through(node, level, ground, start, shape)
            else:
                self._paint(node, level, ground, start, shape)
            for i in self._own:
                self.steps[i] = replace(self.steps[i], end=len(self.steps))
            self._box, self._own = outer

    def _box_of(self, node: Node) -> Box:
        """What a node can change."""
        if node.layer is not None:
            return _box(node.layer)
        if node.adjustment is not None:
            return self._whole
        left, top, right, bottom = zip(*(self._box_of(one) for one in node.children if not _unseen(one)), strict=True)
        return min(left), min(top), max(right), max(bottom)

    def _adjust(self, node: Node, level: int, shape: int | None) -> None:
        rows = rows_of(node.adjustment)
        if rows is None:
            raise Unplanned
        if self._linear:
            encode, decode = _transfers()
            rows = (encode, *rows, decode)
        self.add("lock", level + 1, source=level)
        changed = self._clip(node.clips, self._recolor(rows, level + 1))
        alphas, share = ONES if shape is None else shape, node.opacity * node.fill
        given = {"source": changed, "alphas": alphas, "mode": canonical(node.mode), "opacity": share}
        self.add("blend", level + 1, mask=node.mask, **given)
        self.add("unlock", level, source=level + 1)

    def _recolor(self, rows: Sequence[ColorRow], locked: int) -> int:
        """Takes the rows, from a locked level to one of the two above it and on to the other; gives the last one."""
        levels = [locked, *(locked + 1 + i % 2 for i in range(len(rows)))]
        for row, source, level in zip(rows, levels, levels[1:], strict=False):
            self.add(row.op, level, source=source, values=row.values)
        return levels[-1]

    def _pass_through(self, node: Node, level: int, ground: int, start: int, shape: int | None) -> None:
        """A group that is no more than its layers."""
        whole = node.opacity == 1 and node.mask is None and all(one.knockout != "shallow" for one in node.children)
        if whole and (shape is None or all(one.adjustment is None for one in node.children)):
            self.run(node.children, level, ground, start, shape)
            return
        inner, painted = (None, level + 1) if shape is None else (level + 1, level + 2)
        if inner is not None:
            self.add("copy", inner, source=ZEROS)
        self.add("copy", painted, source=level)
        self.run(node.children, painted, ground, level, inner)
        self.add("mix", level, source=painted, alphas=ONES, opacity=node.opacity, mask=node.mask)
        if shape is not None and inner is not None:
            self.add("cover", shape, source=inner, alphas=inner, opacity=node.opacity, mask=node.mask)

    def _group(self, node: Node, alphas: int, level: int, ground: int) -> str:
        """What a group by itself paints, to the level `alphas`; gives the mode in which it is blended."""
        self.add("copy", alphas, source=ZEROS)
        if node.mode != PASS_THROUGH:
            self.run(node.children, alphas, ZEROS, ZEROS)
            return node.mode
        self.add("copy", alphas + 1, source=level)
        self.run(node.children, alphas + 1, ground, level, alphas)
        self.add("take_out", alphas, source=alphas + 1, ground=level)
        return "normal"

    def _paint(self, node: Node, level: int, ground: int, start: int, shape: int | None) -> None:
        """A layer or a group, what is clipped to it, its fill, its effects, its knockout."""
        layer, top, alphas = node.layer, level + 1, PIXELS
        if layer is not None:
            owner: Node | Layer = layer
            mode = canonical(layer.mode)
        else:
            owner, alphas, top = node, top, top + 1
            mode = canonical(self._group(node, alphas, level, ground))
        special = layer is not None and node.fill < 1 and mode in SPECIAL_FILLS and node.knockout == "none"
        as_light = self._linear and layer is not None
        source = alphas
        if node.clips or special or as_light:
            self.add("lock_light" if as_light else "lock", top, source=source, layer=layer)
            source = self._clip(node.clips, top)
            top = source + 1
        given: dict[str, Any] = {"layer": layer, "mode": mode, "mask": owner.mask}
        shown, filled = owner.opacity, owner.opacity * node.fill
        painted = {"source": source, "alphas": alphas, "opacity": filled, **given}
        if node.knockout != "none":
            ends = start if node.knockout == "shallow" else ground
            self.add("copy", top, source=ends)
            self.add("blend", top, **painted)
            self.add("mix", level, source=ends, alphas=alphas, **given)
            self.add("add", level, source=top, ground=ends)
        elif special or node.inside:
            self.add("copy", top, source=level)
            if special:
                self._refill(node, mode, source, top, level)
            else:
                scattered = {"alphas": ONES, "opacity": node.fill, "mask": None}
                self.add("blend", top, **(painted if mode == DISSOLVE else painted | scattered))
            for effect in node.inside:
                self._effect(effect, top)
            self.add("mix", level, source=top, alphas=alphas, opacity=shown, **given)
            filled = shown if node.inside else filled
        else:
            self.add("blend", level, **painted)
        if shape is not None:
            self.add("cover", shape, source=max(alphas, shape), alphas=alphas, opacity=filled, **given)

    def _effect(self, effect: Layer, level: int) -> None:
        """An effect's pixels; its mask is that of what it belongs to."""
        step = replace(_blend_layer(effect, level, len(self.steps) + 1), mask=None)
        if self._linear:
            if level + 1 >= LEVELS:
                raise Unplanned
            self.steps.append(Step("lock_light", level + 1, step.box, layer=effect, end=step.end))
            step = replace(step, source=level + 1, end=step.end + 1)
        self.steps.append(step)

    def _clip(self, clips: Sequence[Node], locked: int) -> int:
        """Paints what is clipped over the locked colours; gives the level that has them then."""
        painted = locked
        if any(_knocks(clip) for clip in clips):
            painted += 1
            self.add("copy", painted, source=locked)
        self.run(clips, painted, locked, locked)
        return painted

    def _refill(self, node: Node, mode: str, source: int, top: int, level: int) -> None:
        """Blends by a mode whose formula the fill enters: all but hard mix are the mode itself of other colours."""
        if mode == "hard_mix":
            self.add("hard_mix", top, source=source, opacity=node.fill)
            return
        neutral, missing = np.float32(_NEUTRAL[mode]), 1 - node.fill
        towards = np.array([[missing * neutral, node.fill + missing * neutral]] * 3, np.float32)
        self.add("look_up", source, source=source, values=towards)
        self.add("blend", top, source=source, alphas=ONES, mode=mode)
        self.add("refill", top, source=level, opacity=missing, values=np.array([neutral]))


__all__ = [
    "LEVELS",
    "ONES",
    "PIXELS",
    "ZEROS",
    "Op",
    "Step",
    "Unplanned",
    "steps_of_rows",
    "steps_of_stack",
    "steps_of_tree",
]
