"""Setting text: the picture through its preset, its metrics, and beside it its scene."""

from __future__ import annotations

from artifacts.canonical import canonical
from deployments.drawing import text
from deployments.drawing.output import finished
from deployments.operation import JSON, Inputs, Output, Plan, Side, Tools


def render(plan: Plan, inputs: Inputs, tools: Tools) -> Output:
    """A `text_render`, and beside it its scene. Raises InvalidRequest over the cap of pixels."""
    scene, cap, threads = plan.parameters["scene"], tools.settings.max_image_pixels, tools.settings.threads
    drawn = text.draw(scene, max_pixels=cap, threads=threads, field="text")
    media_type, data, meta = finished(
        drawn.pixels, plan.parameters["preset_id"], plan.parameters["preset"], cap, threads
    )
    layout = {"layout_hash": plan.parameters["layout_hash"]}
    meta |= layout | {"font": scene["font"], "font_sha256": plan.parameters["font_sha256"], "metrics": metrics(drawn)}
    meta["fallback_fonts"] = list(plan.parameters.get("fallback_sha256", ()))
    size = {"width": drawn.pixels.shape[1], "height": drawn.pixels.shape[0]}
    side = Side("scene", "vector_scene", "application/json", canonical(scene), layout | size, role="scene")
    return Output(media_type, data, meta, (side,))


def metrics(drawn: text.Drawn) -> JSON:
    """Where lines, baselines and ink lie, in pixels of the picture; `origin` is the layout's corner in it."""
    layout = drawn.layout
    return {
        "ascent": layout.ascent,
        "descent": layout.descent,
        "line_height": layout.step,
        "origin": [-drawn.x, -drawn.y],
        "layout": [layout.width, layout.height],
        "ink": drawn.ink,
        "lines": [
            {
                "text": line.text,
                "x": line.x - drawn.x,
                "baseline": layout.ascent - drawn.y + i * layout.step,
                "width": line.width,
            }
            for i, line in enumerate(layout.lines)
        ],
    }


__all__ = ["metrics", "render"]
