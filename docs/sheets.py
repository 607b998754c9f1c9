"""`python -m docs.sheets`: the pictures of docs/pictures.md, drawn by the code that they show; a test compares."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from configs.fonts import font_path
from deployments.engines.image_core import effects, selections
from deployments.engines.image_core.adjustments import Adjustment
from deployments.engines.image_core.parts import Effect, Filter
from deployments.engines.image_core.place import Box, Placed
from deployments.engines.image_core.shapes import Selection
from docs.order import SCENE, order
from kernels.adjust import adjust
from kernels.adjustment_layers import recolor, recolored
from kernels.blend import DISSOLVE, MODES
from kernels.composite import Layer
from kernels.composite_tree import Node, composite_tree
from kernels.filters import FILTERS, filtered

JSON = dict[str, Any]
FOLDER = Path(__file__).resolve().parent / "pictures"
SIDE, LETTERS, ACROSS = 104, 18, 7
FRAME = "#c8c8c8"
Tiles = Iterator[tuple[str, np.ndarray]]


def scene(side: int = SIDE) -> np.ndarray:
    """uint8 [side, side, 4]: hues across, light to dark down, a grey ramp, and hard shapes."""
    x, y = np.meshgrid((np.arange(side) + 0.5) / side, (np.arange(side) + 0.5) / side)
    wave = np.stack([np.cos(2 * np.pi * (x - shift)) for shift in (0, 1 / 3, 2 / 3)], -1) * 0.5 + 0.5
    light = 1 - y[..., None]
    picture = np.where(light > 0.5, 1 - (1 - wave) * 2 * (1 - light), wave * 2 * light)
    picture[y > 0.86] = x[y > 0.86][:, None]
    ring = np.abs(np.hypot(x - 0.68, y - 0.36) - 0.16) < 0.03
    picture[ring] = 1
    picture[(np.abs(x - 0.24) < 0.1) & (np.abs(y - 0.56) < 0.1)] = (0.08, 0.1, 0.25)
    return np.dstack([np.rint(picture * 255).astype(np.uint8), np.full((side, side), 255, np.uint8)])


def figure() -> np.ndarray:
    """uint8 [SIDE, SIDE, 4]: a disc and a bar on nothing."""
    x, y = np.meshgrid(np.arange(SIDE) + 0.5, np.arange(SIDE) + 0.5)
    disc = np.clip(26.5 - np.hypot(x - 44, y - 46), 0, 1)
    bar = (np.abs(x - 62) < 22) & (np.abs(y - 66) < 8)
    out = np.empty((SIDE, SIDE, 4), np.uint8)
    out[..., :3] = (255, 183, 3)
    out[..., 3] = np.rint(np.maximum(disc, bar) * 255)
    return out


def _stacked(*layers: Layer) -> np.ndarray:
    return composite_tree([Node(layer) for layer in layers], SIDE, SIDE)


def _modes() -> Tiles:
    """A ramp from blue to orange, upright, over the scene."""
    ramp = np.linspace(0, 1, SIDE)[:, None, None]
    color = np.rint((1 - ramp) * (40, 90, 220) + ramp * (250, 150, 40)).astype(np.uint8)
    source = np.dstack([np.broadcast_to(color, (SIDE, SIDE, 3)), np.full((SIDE, SIDE), 255, np.uint8)])
    yield "what lies below", scene()
    for name in MODES:
        opacity = 0.5 if name == DISSOLVE else 1.0  # whole, it is normal
        yield name, _stacked(Layer(scene()), Layer(np.ascontiguousarray(source), opacity=opacity, mode=name))


ADJUSTED: tuple[JSON, ...] = (
    {"kind": "invert"},
    {"kind": "posterize", "levels": 4},
    {"kind": "threshold", "threshold": 128},
    {"kind": "levels", "rgb": {"in_black": 40, "in_white": 200}},
    {"kind": "curves", "rgb": [[0, 0], [64, 32], [192, 224], [255, 255]]},
    {"kind": "exposure", "exposure": 1},
    {"kind": "brightness_contrast", "brightness": 60},
    {"kind": "brightness_contrast", "contrast": 70},
    {"kind": "hue_saturation", "hue": 90},
    {"kind": "hue_saturation", "colorize": True, "hue": 30, "saturation": 50},
    {"kind": "vibrance", "vibrance": -80},
    {"kind": "black_white"},
    {"kind": "photo_filter", "density": 60},
)


def _adjustments() -> Tiles:
    yield "the scene", scene()
    for given in ADJUSTED:
        normal = Adjustment.model_validate(given).normalized()
        named = next((name for name in ("brightness", "contrast", "colorize") if name in given), given["kind"])
        yield named, recolored(scene(), recolor(normal["kind"], normal))


SLIDERS: Mapping[str, float] = {
    "exposure": 1.0,
    "brightness": 1.4,
    "contrast": 1.8,
    "saturation": 0.3,
    "vibrance": -0.8,
    "hue": 90.0,
    "temperature": 0.8,
    "tint": 0.6,
    "gamma": 1.8,
    "sharpness": 3.0,
}


def _sliders() -> Tiles:
    for name, value in SLIDERS.items():
        yield f"{name} {value:g}", adjust(scene(), {name: value})


FILTERED: Mapping[str, JSON] = {
    "blur": {"radius": 4},
    "box": {"radius": 4},
    "motion": {"radius": 9, "angle": 30},
    "median": {"radius": 4},
    "sharpen": {"amount": 3},
    "pixelate": {"radius": 5},
}


def _filters() -> Tiles:
    for name in FILTERS:
        given = Filter.model_validate({"type": name} | FILTERED.get(name, {})).normalized()
        pixels, grown = filtered(name, scene(), given)
        yield name, np.ascontiguousarray(pixels[grown : grown + SIDE, grown : grown + SIDE])


WITH_EFFECTS: Mapping[str, JSON] = {
    "drop_shadow": {"type": "drop_shadow"},
    "inner_shadow": {"type": "inner_shadow"},
    "stroke outside": {"type": "stroke", "color": "#14213d"},
    "stroke center": {"type": "stroke", "color": "#14213d", "position": "center"},
    "stroke inside": {"type": "stroke", "color": "#14213d", "position": "inside"},
    "color_overlay": {"type": "color_overlay", "color": "#d62828", "opacity": 0.6},
    "gradient_overlay": {
        "type": "gradient_overlay",
        "gradient": {"stops": [[0, "#3a86ff"], [1, "#ff006e"]], "angle": 45},
    },
}


def _effects() -> Tiles:
    placed = Placed(figure(), 0, 0, False)
    white = np.full((SIDE, SIDE, 4), 255, np.uint8)
    for name, given in WITH_EFFECTS.items():
        effect = Effect.model_validate(given).normalized()
        shape = effects.shape_of(placed, None, Box(17, 19, 68, 56), (SIDE, SIDE), effects.margin([effect]))
        drawn = effects.drawn_effects([effect], shape, 1.0)
        nodes = [Node(Layer(white)), *(Node(layer) for layer in drawn.under)]
        yield name, composite_tree([*nodes, Node(Layer(figure()), inside=tuple(drawn.within))], SIDE, SIDE)


STAR = [[52, 8], [78, 92], [10, 40], [94, 40], [26, 92]]
SELECTED: dict[str, JSON] = {
    "polygon nonzero": {"type": "polygon", "points": STAR},
    "polygon evenodd": {"type": "polygon", "points": STAR, "fill_rule": "evenodd"},
    "ellipse": {"type": "ellipse", "x": 12, "y": 26, "width": 80, "height": 52, "rotation": 20},
    "rect, feather 6": {"type": "rect", "x": 24, "y": 24, "width": 56, "height": 56, "feather_radius": 6},
    "polygon, grow 6": {"type": "polygon", "points": STAR, "grow": 6},
    "brush": {
        "type": "brush",
        "strokes": [{"points": [[14, 80], [40, 20], [64, 80], [90, 20]], "width": 18, "hardness": 0.3}],
    },
    "ellipse, inverted": {"type": "ellipse", "x": 22, "y": 22, "width": 60, "height": 60, "inverted": True},
    "brush, refined": {
        "type": "brush",
        "strokes": [{"points": [[72, 38]], "width": 56, "hardness": 0.2}],
        "refine": {"asset_id": SCENE, "radius": 8, "smoothness": 0.001},
    },
    "luminance": {"type": "luminance", "asset_id": SCENE},
    "color_range": {"type": "color_range", "asset_id": SCENE, "color": "#2060ff", "tolerance": 110},
}
ROUND = {"type": "ellipse", "x": 32, "y": 20, "width": 64, "height": 64}
SQUARE = {"type": "rect", "x": 10, "y": 34, "width": 56, "height": 56}


def _selections() -> Tiles:
    combined = {
        f"combine, {op}": {"type": "combine", "op": op, "items": [ROUND, SQUARE]}
        for op in ("add", "subtract", "intersect", "xor")
    }
    for name, given in (SELECTED | combined).items():
        normal = Selection.model_validate(given).normalized()
        plane = selections.coverage(normal, SIDE, SIDE, lambda selection, path: scene(), "selection")
        yield name, np.dstack([plane, plane, plane, np.full_like(plane, 255)])


SHEETS: Mapping[str, Callable[[], Tiles]] = {
    "modes.png": _modes,
    "adjustments.png": _adjustments,
    "sliders.png": _sliders,
    "filters.png": _filters,
    "effects.png": _effects,
    "selections.png": _selections,
    "order.png": lambda: order(scene()),
}


def sheet(name: str) -> np.ndarray:
    """uint8 [h, w, 3]: the tiles of a sheet, each over its name."""
    return page(list(SHEETS[name]()), ACROSS)


def page(tiles: Sequence[tuple[str, np.ndarray]], across: int) -> np.ndarray:
    """uint8 [h, w, 3]: tiles of one size, each over its name, so many in a row."""
    height, width = tiles[0][1].shape[:2]
    rows = -(-len(tiles) // across)
    made = Image.new("RGB", (min(len(tiles), across) * (width + 6) + 6, rows * (height + LETTERS + 6) + 6), "white")
    draw = ImageDraw.Draw(made)
    font = ImageFont.truetype(str(font_path("Open Sans")), 11, layout_engine=ImageFont.Layout.BASIC)
    for i, (title, pixels) in enumerate(tiles):
        x, y = 6 + i % across * (width + 6), 6 + i // across * (height + LETTERS + 6)
        tile = Image.fromarray(pixels)
        draw.rectangle((x - 1, y - 1, x + width, y + height), outline=FRAME)
        made.paste(tile, (x, y), tile if tile.mode == "RGBA" else None)
        draw.text((x, y + height + 1), title, fill="#202020", font=font)
    return np.asarray(made)


if __name__ == "__main__":
    for name in SHEETS:
        Image.fromarray(sheet(name)).save(FOLDER / name, optimize=True)
    print(f"drew {', '.join(SHEETS)}")
    sys.exit(0)

__all__ = ["FOLDER", "SHEETS", "page", "scene", "sheet"]
