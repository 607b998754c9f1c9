"""Layers to the nodes that the compositor takes: drawn, masked, clipped, with their effects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from deployments.drawing import decode
from deployments.engines.image_core import effects
from deployments.engines.image_core.held import Held
from deployments.engines.image_core.layers import OnCanvas, drawn_layer
from deployments.engines.image_core.place import Box, Placed, as_layer
from deployments.engines.image_core.selections import coverage
from deployments.engines.image_core.sources import Pictures
from deployments.operation import Stopped, Tools
from kernels import composite_tree
from kernels.adjustment_layers import recolor
from kernels.composite_tree import Node

JSON = dict[str, Any]


class Stack:
    """Normalised layers to the compositor's nodes."""

    def __init__(self, size: tuple[int, int], pictures: Pictures, tools: Tools) -> None:
        self._size = size
        self._pictures = pictures
        self._tools = tools
        self._held = Held(tools.settings.max_layer_bytes)

    def nodes(self, layers: list[JSON], path: str) -> list[Node]:
        """Bottom to top; what is clipped goes to the layer that it is clipped to, and vanishes with it."""
        nodes: list[Node] = []
        below: Node | None = None
        for i, layer in enumerate(layers):
            if self._tools.stop.is_set():
                raise Stopped
            self._tools.progress(i, len(layers))
            clipped = layer["clip_to_below"] and i > 0
            drawn = [] if clipped and below is None else self._drawn(layer, f"{path}[{i}]")
            self._held.add(drawn, f"{path}[{i}]")
            if not clipped:
                below = drawn[-1] if drawn else None
                nodes += drawn
            elif drawn and below:
                below = replace(below, clips=(*below.clips, *drawn))
                nodes[-1] = below
        return nodes

    def _drawn(self, layer: JSON, path: str) -> list[Node]:
        """What of its effects lies under a layer, then the layer; nothing where nothing of it is seen."""
        if not layer["visible"] or layer["opacity"] == 0 or layer.get("scale") == 0:
            return []
        mask = self._mask(layer, path)
        common = {"fill": layer["fill_opacity"], "knockout": layer.get("knockout", "none")}
        if layer["type"] == "adjustment":
            change = recolor(layer["adjustment"]["kind"], layer["adjustment"])
            return [Node(None, (), change, layer["opacity"], layer["blend_mode"], mask, fill=layer["fill_opacity"])]
        given = layer.get("effects", [])
        if layer["type"] == "group":
            children = tuple(self.nodes(layer["layers"], f"{path}.layers"))
            node = Node(None, children, None, layer["opacity"], layer["blend_mode"], mask, **common)
            if not given:
                return [node]
            whole = Box(0, 0, *self._size)
            pixels = composite_tree.composite_tree(children, *self._size, threads=self._tools.settings.threads)
            shown = OnCanvas(Placed(pixels, 0, 0, False), whole)
        else:
            around = effects.margin(given)
            drawn = drawn_layer(layer, self._size, self._pictures, path, around)
            if drawn is None:
                return []
            shown = drawn
            node = Node(as_layer(shown.placed, layer, mask), **common)
        if not given:
            return [node]
        shape = effects.shape_of(shown.placed, mask, shown.bounds, self._size, effects.margin(given))
        made = effects.drawn_effects(given, shape, layer["opacity"])
        return [*(Node(one) for one in made.under), replace(node, inside=tuple(made.within))]

    def _mask(self, layer: JSON, path: str) -> np.ndarray | None:
        """uint8 [H, W] of the canvas, thinned by its density."""
        if "mask" in layer:
            mask = coverage(layer["mask"], *self._size, self._pictures.of_selection, f"{path}.mask")
        elif "mask_artifact_id" in layer:
            source = self._pictures.inputs[layer["mask_artifact_id"]]
            mask = decode.mask(source, self._pictures.max_pixels, *self._size, f"{path}.mask_artifact_id")
        else:
            return None
        density = layer.get("mask_density", 1)
        return mask if density == 1 else (mask * density + 255 * (1 - density) + 0.5).astype(np.uint8)


__all__ = ["Stack"]
