"""A selection, normalised and clamped; the pictures that it takes, looked up."""

from __future__ import annotations

from deployments.engines.image_core.found import Found, same_size
from deployments.engines.image_core.shapes import Selection
from deployments.errors import InvalidRequest
from deployments.operation import JSON

WIDEST_FEATHER = WIDEST_GROW = 250.0
"""Pixels; larger ones are clamped."""
FURTHEST_REACH = 1000.0
"""Pixels beyond the canvas that selections inside each other may look, all feathers and growths added."""
DEEPEST = 8
PICTURED = ("luminance", "alpha", "color_range")
"""Selections made of a picture."""


def resolved_selection(
    selection: Selection, width: int, height: int, found: Found, path: str, depth: int = 1, reach: float = 0.0
) -> JSON:
    """The normalised selection, clamped; a picture that it takes has the mask's size. `reach` is how far the
    selections around this one look beyond the canvas."""
    body = selection.normalized()
    body["feather_radius"] = found.clamped(f"{path}.feather_radius", body["feather_radius"], 0, WIDEST_FEATHER)
    body["grow"] = found.clamped(f"{path}.grow", body["grow"], -WIDEST_GROW, WIDEST_GROW)
    if depth > DEEPEST:
        raise InvalidRequest(f"{path} is nested deeper than {DEEPEST} selections", field=path)
    reach += body["feather_radius"] + abs(body["grow"])
    if reach > FURTHEST_REACH:
        said = f"{path}: feather_radius and grow of selections inside each other add up to {reach:g}"
        raise InvalidRequest(f"{said}; at most {FURTHEST_REACH:g}", field=f"{path}.feather_radius")
    if body["type"] in PICTURED:
        name = "asset_id" if "asset_id" in body else "artifact_id"
        same_size(found.picture(body, "selection", path), width, height, f"{path}.{name}")
    if selection.items:
        body["items"] = [
            resolved_selection(item, width, height, found, f"{path}.items[{i}]", depth + 1, reach)
            for i, item in enumerate(selection.items)
        ]
    return body


__all__ = ["resolved_selection"]
