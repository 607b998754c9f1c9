"""Selections to coverage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from deployments.errors import InvalidRequest
from kernels import mask
from kernels.blur import gaussian

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
CHANNELS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {"luminance": mask.luminance, "alpha": mask.alpha}


def coverage(selection: JSON, width: int, height: int, picture: Picture, path: str) -> np.ndarray:
    """A normalised selection as uint8 [height, width], 255 = selected. Raises InvalidRequest for a picture of another
    size. What lies beyond a picture's edge is its edge; a shape goes on beyond the canvas."""
    kind, feather = selection["type"], selection["feather_radius"]
    if kind in OUTLINES:
        rule = selection.get("fill_rule", "nonzero")
        plane = mask.polygon_coverage(OUTLINES[kind](selection), width, height, fill_rule=rule, feather=feather)
    else:
        pixels = picture(selection, path)
        if pixels.shape[:2] != (height, width):
            field = f"{path}.{'asset_id' if 'asset_id' in selection else 'artifact_id'}"
            raise InvalidRequest(
                f"{field} is {pixels.shape[1]}x{pixels.shape[0]}; it must have the size of the mask, {width}x{height}",
                field=field,
            )
        plane = gaussian(CHANNELS[kind](pixels), feather, edge="replicate")
    return mask.to_bytes(1 - plane if selection["inverted"] else plane)


__all__ = ["coverage"]
