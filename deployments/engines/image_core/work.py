"""Rendering compositions and making masks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from artifacts.canonical import canonical
from configs.settings import Settings
from deployments.drawing import nvjpeg
from deployments.drawing.encode import COLOR_PROFILE, MEDIA_TYPES, encode, encode_mask
from deployments.engines.image_core.painting import Painted, Painter, painter
from deployments.engines.image_core.painting import warm as warm_painter
from deployments.engines.image_core.place import Box, Frame, place_color
from deployments.engines.image_core.plan import pipeline_hash
from deployments.engines.image_core.selections import coverage
from deployments.engines.image_core.sources import Pictures, rgba
from deployments.engines.image_core.stack import Stack
from deployments.operation import Inputs, Output, Plan, Side, Tools, Warning
from kernels import blur, brush, composite, png, resample
from kernels import mask as mask_kernels
from kernels.compiled import alone
from kernels.composite_tree import Node

JSON = dict[str, Any]
WHITE = (255, 255, 255)


def render(plan: Plan, inputs: Inputs, tools: Tools, by: Painter | None = None) -> Output:
    """An `image_render`, and beside it its `image_composition`, painted `by` what DEVICE names unless told otherwise.
    Raises UndecodableMedia, InvalidRequest, Stopped."""
    composition, output = plan.parameters["composition"], plan.parameters["output"]
    painted = _painted(composition, inputs, tools, by)
    background = rgba(composition["background_color"])
    common = {
        "layers_count": len(composition["layers"]),
        "composition_hash": plan.parameters["composition_hash"],
    }
    side_meta = common | {"width": composition["width"], "height": composition["height"]}
    scene = canonical(composition)
    side = Side("composition", "image_composition", "application/json", scene, side_meta, role="composition")
    tools.ahead(side)
    data = encode(
        _laid_out(painted.pixels, output, background, tools.settings.threads),
        output["format"],
        quality=output["quality"],
        dpi=output["dpi"],
        background=background[:3] if background[3] else WHITE,
        threads=tools.settings.threads,
        encoder=output.get("encoder"),
    )
    meta = common | {
        "width": output["width"],
        "height": output["height"],
        "pipeline_hash": plan.parameters["pipeline_hash"],
        "preset_id": output["preset_id"],
        "format": output["format"],
        "color_profile": COLOR_PROFILE,
        "dpi": output["dpi"],
        **painted.meta,
        **({"encoder": output["encoder"]} if "encoder" in output else {}),
    }
    return Output(MEDIA_TYPES[output["format"]], data, meta, (side,))


def settle(plan: Plan, weights: object, settings: Settings) -> Plan:
    """The plan with JPEG's own encoder where the one that it names is not here."""
    output = plan.parameters["output"]
    if "encoder" not in output or nvjpeg.coder() is not None:
        return plan
    own = {name: value for name, value in output.items() if name != "encoder"}
    hashed = pipeline_hash(plan.parameters["composition_hash"], own)
    warning = Warning("nvjpeg takes CUDA and torchvision, which are not here; the JPEG is Pillow's")
    changed = plan.parameters | {"output": own, "pipeline_hash": hashed}
    return replace(plan, parameters=changed, warnings=(*plan.warnings, warning))


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


def template(plan: Plan, inputs: Inputs, tools: Tools) -> Output:
    """An `image_template`: its composition and slots as they were given, as JSON."""
    composition = plan.parameters["composition"]
    meta = {
        "name": plan.parameters["name"],
        "width": composition["width"],
        "height": composition["height"],
        "layers_count": len(composition["layers"]),
        "slots": sorted(plan.parameters["slots"]),
    }
    return Output("application/json", canonical(plan.parameters), meta)


def compose(composition: JSON, inputs: Inputs, tools: Tools) -> np.ndarray:
    """A normalised composition as uint8 [height, width, 4], straight RGBA."""
    return _painted(composition, inputs, tools, None).pixels


def _painted(composition: JSON, inputs: Inputs, tools: Tools, by: Painter | None) -> Painted:
    size = (composition["width"], composition["height"])
    background = rgba(composition["background_color"])
    nodes: list[Node] = []
    if background[3]:
        whole = Box(0, 0, *size)
        placed = place_color(background, Frame(whole, whole, (0, 0), 0), size)
        assert placed
        nodes.append(Node(composite.Layer(placed.pixels, opaque=placed.opaque), ground=True))
    nodes += Stack(size, Pictures(inputs, tools), tools).nodes(composition["layers"], "composition.layers")
    by = by or painter(tools.settings.device)
    return by.paint(nodes, *size, threads=tools.settings.threads, linear=composition["color_space"] == "linear")


def _laid_out(pixels: np.ndarray, output: JSON, background: tuple[int, int, int, int], threads: int) -> np.ndarray:
    """The picture scaled into its output and padded with the background."""
    x, y, width, height = output["content"]
    scaled = resample.resize(pixels, width, height, threads=threads)
    if (x, y, width, height) == (0, 0, output["width"], output["height"]):
        return scaled
    out = np.empty((output["height"], output["width"], 4), np.uint8)
    out[:] = background if background[3] else 0
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + width, output["width"]), min(y + height, output["height"])
    out[top:bottom, left:right] = scaled[top - y : bottom - y, left - x : right - x]
    return out


def warm(settings: Settings) -> None:
    """Compiles the kernels ahead; the first time on a machine this takes most of a minute."""
    with alone("pictures"):
        warm_painter(settings.device)
        for kernel in (png, resample, mask_kernels, blur, brush):
            kernel.warm()


__all__ = ["compose", "mask", "render", "rgba", "settle", "template", "warm"]
