"""Checking and drawing SVG, the drawing in a child process with limits."""

from __future__ import annotations

from deployments.drawing import svg
from deployments.drawing.output import finished
from deployments.operation import Inputs, Output, Plan, Tools
from kernels.resample import resize


def scene(plan: Plan, inputs: Inputs, tools: Tools) -> Output:
    """A `vector_scene`: the SVG as it was checked. Raises InvalidRequest for one that must not be drawn."""
    given = plan.parameters
    width, height = svg.natural_size(given["svg"], tools.settings.max_image_pixels, given["field"])
    meta = {
        "width": max(1, round(given["width"] or width)),
        "height": max(1, round(given["height"] or height)),
        "layout_hash": given["layout_hash"],
    }
    return Output("image/svg+xml", given["svg"].encode(), meta)


def render(plan: Plan, inputs: Inputs, tools: Tools) -> Output:
    """A `vector_render`. With one of width and height the other follows; with both the drawing is stretched. Raises
    InvalidRequest."""
    given, cap = plan.parameters, tools.settings.max_image_pixels
    natural = svg.natural_size(given["svg"], cap, given["field"])
    ratios = [wanted / own for wanted, own in zip((given["width"], given["height"]), natural, strict=True) if wanted]
    zoom = max([*ratios, 1 / min(natural)]) if ratios else max(1.0, 1 / min(natural))
    pixels = svg.draw(given["svg"], zoom, cap, given["field"])
    factor = ratios[0] if ratios else 1.0
    width = given["width"] or max(1, round(natural[0] * factor))
    height = given["height"] or max(1, round(natural[1] * factor))
    if (width, height) != (pixels.shape[1], pixels.shape[0]):
        pixels = resize(pixels, width, height, threads=tools.settings.threads)
    media_type, data, meta = finished(pixels, given["preset_id"], given["preset"], cap, tools.settings.threads)
    return Output(media_type, data, meta | {"layout_hash": given["layout_hash"]})


__all__ = ["render", "scene"]
