"""A scene as SVG: numbers and colours that were checked, nothing of the caller's own text but path data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the shapes are an engine's; nothing of it is needed to write them
    from deployments.engines.vector_core.models import Element, Scene, Style, Transform

HEAD = '<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}">'

SHAPES: Mapping[str, Callable[[Element], dict[str, object]]] = {
    "rect": lambda e: {"x": e.x, "y": e.y, "width": e.width, "height": e.height, "rx": e.radius},
    "circle": lambda e: {"cx": e.cx, "cy": e.cy, "r": e.radius},
    "ellipse": lambda e: {"cx": e.cx, "cy": e.cy, "rx": e.rx, "ry": e.ry},
    "path": lambda e: {"d": e.d},
}


def markup(scene: Scene) -> str:
    """The whole drawing."""
    paper = ""
    if scene.background_color:
        paper = f'<rect width="100%" height="100%"{_attributes(_paint("fill", scene.background_color))}/>'
    parts = "".join(_element(element) for element in scene.elements)
    return f"{HEAD.format(w=scene.width, h=scene.height)}{paper}{parts}</svg>"


def _element(element: Element) -> str:
    common = _attributes(_style(element.style) | _transform(element.transform))
    if element.type == "group":
        return f"<g{common}>{''.join(_element(one) for one in element.elements or ())}</g>"
    return f"<{element.type}{_attributes(SHAPES[element.type](element))}{common}/>"


def _style(style: Style | None) -> dict[str, object]:
    if style is None:
        return {}
    said = _paint("fill", style.fill) | _paint("stroke", style.stroke)
    if style.stroke and not style.fill:
        said["fill"] = "none"
    if style.stroke:
        said |= {"stroke-width": style.stroke_width, "stroke-linecap": style.stroke_linecap}
        said |= {"stroke-linejoin": style.stroke_linejoin}
        if style.stroke_dasharray:
            said["stroke-dasharray"] = " ".join(f"{length:g}" for length in style.stroke_dasharray)
    return said | {"fill-rule": style.fill_rule, "opacity": style.opacity}


def _paint(name: str, color: str | None) -> dict[str, object]:
    """#rrggbbaa as colour and opacity, which every SVG reader knows."""
    return {name: color[:7], f"{name}-opacity": f"{int(color[7:], 16) / 255:.6f}"} if color else {}


def _transform(transform: Transform | None) -> dict[str, object]:
    if transform is None:
        return {}
    across, down = transform.scale if isinstance(transform.scale, list) else (transform.scale, transform.scale)
    x, y = transform.translate
    return {"transform": f"translate({x!r} {y!r}) rotate({transform.rotate!r}) scale({across!r} {down!r})"}


def _attributes(values: Mapping[str, object]) -> str:
    return "".join(f' {name}="{value}"' for name, value in values.items() if value is not None)


__all__ = ["markup"]
