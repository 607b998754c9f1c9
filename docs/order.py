"""The tiles of docs/pictures/order.png: what each step of docs/pictures.md does to one layer."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from configs.settings import Settings
from deployments.engines.image_core import work
from deployments.engines.image_core.models import Composition
from deployments.operation import Tools

JSON = dict[str, Any]
SCENE = "asset_scenescene"
"""The id of the picture that is shown."""
STEPS: tuple[tuple[str, JSON], ...] = (
    ("1 source", {"asset_id": SCENE, "x": 8, "y": 8, "width": 88, "height": 88}),
    ("2 crop, fit", {"crop": [36, 8, 66, 66], "fit": "contain"}),
    ("3 adjustments", {"adjustments": {"saturation": 0.5, "contrast": 1.3}}),
    ("4 adjustment_stack", {"adjustment_stack": [{"kind": "posterize", "levels": 6}]}),
    ("5 filters", {"filters": [{"type": "pixelate", "radius": 3}]}),
    ("6 one resample", {"rotation": 20, "scale": 0.9, "x": 13, "y": 13}),
    ("7 mask", {"mask": {"type": "ellipse", "x": 14, "y": 20, "width": 76, "height": 64}}),
    ("8 clipped", {}),
    ("9 fill_opacity", {"fill_opacity": 0.55}),
    ("10 effects", {"effects": [{"type": "stroke", "color": "#14213d"}, {"type": "drop_shadow"}]}),
    ("11 opacity", {"opacity": 0.7}),
    ("12 blend", {"blend_mode": "multiply"}),
)
"""What each step adds to the layer of the step before."""
ATOP = {"gradient": {"stops": [[0.35, "#ff006e00"], [0.9, "#ff006e"]], "angle": 90}, "clip_to_below": True}
GROUND = {"gradient": {"stops": [[0, "#fefae0"], [1, "#a8dadc"]]}}


@dataclass(frozen=True)
class _Stored:
    """The one input of the steps."""

    pixels: np.ndarray
    media_type: str = "image/png"

    def read(self) -> bytes:
        file = io.BytesIO()
        Image.fromarray(self.pixels).save(file, "PNG")
        return file.getvalue()


def order(picture: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Names and tiles, uint8 [side, side, 4]: one layer that shows a picture of that size, a step more in each tile."""
    nothing: Any = None
    tools = Tools(
        scratch=nothing,
        stop=threading.Event(),
        progress=lambda done, total: None,
        detect=nothing,
        thread=nothing,
        side_id=nothing,
        weights=nothing,
        parts=nothing,
        settings=Settings(),
    )
    inputs: Any = {SCENE: _Stored(picture)}
    layer: JSON = {}
    clipped: list[JSON] = []
    for title, added in STEPS:
        layer = layer | added
        clipped = clipped if added else [ATOP]
        whole = {"width": picture.shape[1], "height": picture.shape[0], "layers": [GROUND, layer, *clipped]}
        yield title, work.compose(Composition.model_validate(whole).normalized(), inputs, tools)


__all__ = ["SCENE", "order"]
