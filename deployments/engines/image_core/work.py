"""Rendering compositions and making masks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from artifacts.canonical import canonical
from configs.settings import Settings
from deployments.drawing.encode import COLOR_PROFILE, MEDIA_TYPES, encode, encode_mask
from deployments.engines.image_core import decode
from deployments.engines.image_core.layers import Pictures, drawn_layer, rgba
from deployments.engines.image_core.place import Box, Frame, as_layer, place_color
from deployments.engines.image_core.selections import coverage
from deployments.operation import Inputs, Output, Plan, Side, Stopped, Tools
from kernels import composite, composite_tree, png, resample
from kernels import mask as mask_kernels
from kernels.composite_tree import Node

JSON = dict[str, Any]
WHITE = (255, 255, 255)


def render(plan: Plan, inputs: Inputs, tools: Tools) -> Output:
    """An `image_render`, and beside it its `image_composition`. Raises UndecodableMedia, InvalidRequest, Stopped."""
    composition, output = plan.parameters["composition"], plan.parameters["output"]
    pixels = compose(composition, inputs, tools)
    background = rgba(composition["background_color"])
    data = encode(
        _laid_out(pixels, output, background),
        output["format"],
        quality=output["quality"],
        dpi=output["dpi"],
        background=background[:3] if background[3] else WHITE,
        threads=tools.settings.threads,
    )
    common = {
        "layers_count": len(composition["layers"]),
        "composition_hash": plan.parameters["composition_hash"],
    }
    meta = common | {
        "width": output["width"],
        "height": output["height"],
        "pipeline_hash": plan.parameters["pipeline_hash"],
        "preset_id": output["preset_id"],
        "format": output["format"],
        "color_profile": COLOR_PROFILE,
        "dpi": output["dpi"],
        "device": "cpu",
    }
    side_meta = common | {"width": composition["width"], "height": composition["height"]}
    scene = canonical(composition)
    side = Side("composition", "image_composition", "application/json", scene, side_meta, role="composition")
    return Output(MEDIA_TYPES[output["format"]], data, meta, (side,))


def mask(plan: Plan, inputs: Inputs, tools: Tools) -> Output:
    """A `mask`: PNG of one channel, 8 bits. Raises UndecodableMedia, InvalidRequest."""
    given = plan.parameters
    pictures = Pictures(inputs, tools)
    cover = coverage(given["selection"], given["width"], given["height"], pictures.of_selection, "selection")
    meta = {
        "width": given["width"],
        "height": given["height"],
        "feather": given["selection"]["feather_radius"],
        "selection_hash": given["selection_hash"],
        "selection": given["selection"],
        "device": "cpu",
    }
    return Output("image/png", encode_mask(cover, tools.settings.threads), meta)


def compose(composition: JSON, inputs: Inputs, tools: Tools) -> np.ndarray:
    """A normalised composition as uint8 [height, width, 4], straight RGBA."""
    size = (composition["width"], composition["height"])
    background = rgba(composition["background_color"])
    nodes: list[Node] = []
    if background[3]:
        whole = Box(0, 0, *size)
        placed = place_color(background, Frame(whole, whole, (0, 0), 0), size)
        assert placed
        nodes.append(Node(composite.Layer(placed.pixels, opaque=placed.opaque)))
    nodes += _Stack(size, Pictures(inputs, tools), tools).nodes(composition["layers"], "composition.layers")
    linear = composition["color_space"] == "linear"
    return composite_tree.composite_tree(nodes, *size, threads=tools.settings.threads, linear=linear)


class _Stack:
    """Normalised layers to the compositor's nodes."""

    def __init__(self, size: tuple[int, int], pictures: Pictures, tools: Tools) -> None:
        self._size = size
        self._pictures = pictures
        self._tools = tools

    def nodes(self, layers: list[JSON], path: str) -> list[Node]:
        """Bottom to top; what is clipped goes to the layer that it is clipped to, and vanishes with it."""
        nodes: list[Node] = []
        below: Node | None = None
        for i, layer in enumerate(layers):
            if self._tools.stop.is_set():
                raise Stopped
            self._tools.progress(i, len(layers))
            clipped = layer["clip_to_below"] and i > 0
            node = None if clipped and below is None else self._node(layer, f"{path}[{i}]")
            if not clipped:
                below = node
                nodes += [node] if node else []
            elif node and below:
                below = replace(below, clips=(*below.clips, node))
                nodes[-1] = below
        return nodes

    def _node(self, layer: JSON, path: str) -> Node | None:
        """None where nothing of it is seen."""
        if not layer["visible"] or layer["opacity"] == 0:
            return None
        if layer["type"] == "group":
            children = tuple(self.nodes(layer["layers"], f"{path}.layers"))
            mask = _mask(layer, self._size, self._pictures, path)
            return Node(None, children, layer["opacity"], layer["blend_mode"], mask, layer["fill_opacity"])
        if layer["scale"] == 0:
            return None
        placed = drawn_layer(layer, self._size, self._pictures, path)
        if placed is None:
            return None
        mask = _mask(layer, self._size, self._pictures, path)
        return Node(as_layer(placed, layer, mask), fill=layer["fill_opacity"])


def _mask(layer: JSON, size: tuple[int, int], pictures: Pictures, path: str) -> np.ndarray | None:
    """uint8 [H, W] of the canvas."""
    if "mask" in layer:
        return coverage(layer["mask"], *size, pictures.of_selection, f"{path}.mask")
    if "mask_artifact_id" in layer:
        source = pictures.inputs[layer["mask_artifact_id"]]
        return decode.mask(source, pictures.max_pixels, *size, f"{path}.mask_artifact_id")
    return None


def _laid_out(pixels: np.ndarray, output: JSON, background: tuple[int, int, int, int]) -> np.ndarray:
    """The picture scaled into its output and padded with the background."""
    x, y, width, height = output["content"]
    scaled = resample.resize(pixels, width, height)
    if (x, y, width, height) == (0, 0, output["width"], output["height"]):
        return scaled
    out = np.empty((output["height"], output["width"], 4), np.uint8)
    out[:] = background if background[3] else 0
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + width, output["width"]), min(y + height, output["height"])
    out[top:bottom, left:right] = scaled[top - y : bottom - y, left - x : right - x]
    return out


def warm(settings: Settings) -> None:
    """Compiles the kernels ahead; the first time on a machine this takes a minute."""
    composite.warm()
    mask_kernels.polygon_coverage(np.array([[0, 0], [1, 0], [0, 1]], np.float64), 1, 1)
    resample.warm()
    png.warm()


__all__ = ["compose", "mask", "render", "rgba", "warm"]
