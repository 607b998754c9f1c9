"""Selections to coverage: each one's shape, then grown, feathered, inverted, on a plane that is wider than the canvas
by what those look at."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import cv2
import numpy as np

from deployments.errors import InvalidRequest
from kernels import mask
from kernels.blur import gaussian
from kernels.brush import stroke_coverage
from kernels.grow import grown
from kernels.guided import guided

JSON = dict[str, Any]
Picture = Callable[[JSON, str], np.ndarray]
"""(selection, its JSON path) -> the picture that it names, uint8 [h, w, 4]."""


def _box(selection: JSON) -> tuple[float, float, float, float, float]:
    x, y, width, height, rotation = (selection[name] for name in ("x", "y", "width", "height", "rotation"))
    return x, y, width, height, rotation


OUTLINES: Mapping[str, Callable[[JSON], np.ndarray]] = {
    "polygon": lambda selection: np.array(selection["points"], np.float64),
    "lasso": lambda selection: np.array(selection["points"], np.float64),
    "rect": lambda selection: mask.rectangle_points(*_box(selection)),
    "ellipse": lambda selection: mask.ellipse_points(*_box(selection)),
}
CHANNELS: Mapping[str, Callable[[np.ndarray, JSON], np.ndarray]] = {
    "luminance": lambda pixels, _: mask.luminance(pixels),
    "alpha": lambda pixels, _: mask.alpha(pixels),
    "color_range": lambda pixels, selection: mask.color_range(pixels, selection["color"], selection["tolerance"]),
}
OPERATIONS: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "add": np.maximum,
    "subtract": lambda a, b: np.minimum(a, 1 - b),
    "intersect": np.minimum,
    "xor": lambda a, b: np.abs(a - b),
}
"""The first item with the second, the result with the third, and so on. On crisp edges that coincide each is exact."""


def coverage(selection: JSON, width: int, height: int, picture: Picture, path: str) -> np.ndarray:
    """A normalised selection as uint8 [height, width], 255 = selected. Raises InvalidRequest for a picture of another
    size. What lies beyond a picture's edge is its edge; a shape goes on beyond the canvas."""
    kind, worked = selection["type"], any(selection.get(name) for name in ("feather_radius", "grow", "refine"))
    if kind in OUTLINES and not worked:
        rule = selection.get("fill_rule", "nonzero")
        points = OUTLINES[kind](selection)
        return mask.polygon_levels(points, width, height, fill_rule=rule, inverted=selection["inverted"])
    return mask.to_bytes(_Planes(width, height, picture).of(selection, 0, path))


@dataclass(frozen=True, slots=True)
class _Planes:
    width: int
    height: int
    picture: Picture

    def of(self, selection: JSON, margin: int, path: str) -> np.ndarray:
        """float32, 0..1, of the canvas and `margin` pixels around it."""
        feather, grow = selection["feather_radius"], selection["grow"]
        wider = math.ceil(4 * feather) + math.ceil(abs(grow)) + 2 if feather or grow else 0
        plane = grown(self._shape(selection, margin + wider, path), grow)
        if feather:
            plane = gaussian(plane, feather, edge="replicate")
        if wider:
            plane = np.ascontiguousarray(plane[wider:-wider, wider:-wider])
        if "refine" in selection:
            plane = self._refined(plane, selection["refine"], margin, f"{path}.refine")
        return 1 - plane if selection["inverted"] else plane

    def _refined(self, plane: np.ndarray, refine: JSON, margin: int, path: str) -> np.ndarray:
        """Beyond the picture's edge its outermost colours go on."""
        guide: np.ndarray = self._sized(refine, path)[..., :3].astype(np.float32) / 255
        if margin:
            guide = cv2.copyMakeBorder(guide, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
        return guided(plane, guide, round(refine["radius"]), refine["smoothness"])

    def _shape(self, selection: JSON, margin: int, path: str) -> np.ndarray:
        kind, size = selection["type"], (self.width + 2 * margin, self.height + 2 * margin)
        if kind in OUTLINES:
            points = OUTLINES[kind](selection) + margin
            return mask.polygon_coverage(points, *size, fill_rule=selection.get("fill_rule", "nonzero"))
        if kind == "brush":
            return self._painted(selection["strokes"], margin, size)
        if kind == "combine":
            planes = (self.of(item, margin, f"{path}.items[{i}]") for i, item in enumerate(selection["items"]))
            return reduce(OPERATIONS[selection["op"]], planes)  # two planes at a time, however many items
        pixels = self._sized(selection, path)
        plane = CHANNELS[kind](pixels, selection)
        return cv2.copyMakeBorder(plane, margin, margin, margin, margin, cv2.BORDER_REPLICATE) if margin else plane

    def _sized(self, selection: JSON, path: str) -> np.ndarray:
        """The picture that a selection names, which has the canvas's size."""
        pixels = self.picture(selection, path)
        if pixels.shape[:2] != (self.height, self.width):
            field = f"{path}.{'asset_id' if 'asset_id' in selection else 'artifact_id'}"
            raise InvalidRequest(
                f"{field} is {pixels.shape[1]}x{pixels.shape[0]}; "
                f"it must have the size of the mask, {self.width}x{self.height}",
                field=field,
            )
        return pixels

    def _painted(self, strokes: list[JSON], margin: int, size: tuple[int, int]) -> np.ndarray:
        """One stroke over the other, as paint: opacities add up where strokes cross."""
        bare = np.ones(size[::-1], np.float32)
        for stroke in strokes:
            points = np.array(stroke["points"], np.float64) + margin
            cover = stroke_coverage(points, *size, diameter=stroke["width"], hardness=stroke["hardness"])
            bare *= 1 - cover * np.float32(stroke["opacity"])
        return 1 - bare


__all__ = ["coverage"]
