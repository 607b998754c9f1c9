"""A composition, normalised and clamped; what it names, looked up and checked."""

from __future__ import annotations

from configs.fonts import UnknownAxis, UnknownFont, font
from configs.settings import Settings
from deployments.drawing.fallback import NO_GLYPH, others, without_glyph
from deployments.engines.image_core.clamp import clamp
from deployments.engines.image_core.found import Found, check_size, same_size
from deployments.engines.image_core.models import Composition, Layer
from deployments.engines.image_core.resolve_selection import resolved_selection
from deployments.errors import InvalidRequest
from deployments.operation import JSON, Warning

DEEPEST_GROUP = 8


def check(composition: Composition, settings: Settings) -> None:
    """Caps. Raises InvalidRequest."""
    check_size(composition.width, composition.height, "composition.", settings)
    layers, depth = _count(composition.layers)
    if layers > settings.max_layers:
        raise InvalidRequest(f"{layers} layers; at most {settings.max_layers} are drawn", field="composition.layers")
    if depth > DEEPEST_GROUP:
        raise InvalidRequest(f"groups nest {depth} deep; at most {DEEPEST_GROUP}", field="composition.layers")


def resolved(composition: Composition, found: Found) -> JSON:
    """The normalised composition; what it names is looked up and checked."""
    body = composition.normalized()
    _layers(body["layers"], composition.layers, composition, found, "composition.layers")
    return body


def _layers(bodies: list[JSON], given: list[Layer], composition: Composition, found: Found, path: str) -> None:
    for i, (body, layer) in enumerate(zip(bodies, given, strict=True)):
        here = f"{path}[{i}]"
        if body["type"] == "raster":
            found.picture(body, "layer", here)
        if body["type"] == "text":
            _typeset(body, found, here)
        if layer.mask is not None:
            body["mask"] = resolved_selection(layer.mask, composition.width, composition.height, found, f"{here}.mask")
        if layer.mask_artifact_id is not None:
            _mask(layer.mask_artifact_id, composition, found, f"{here}.mask_artifact_id")
        clamp(body, layer, found, here)
        if layer.layers is not None:
            _layers(body["layers"], layer.layers, composition, found, f"{here}.layers")


def _count(layers: list[Layer], depth: int = 1) -> tuple[int, int]:
    """How many layers there are, groups and what is in them, and how deep they are nested."""
    inner = [_count(layer.layers, depth + 1) for layer in layers if layer.layers]
    return len(layers) + sum(count for count, _ in inner), max([depth, *(deepest for _, deepest in inner)])


def _typeset(body: JSON, found: Found, path: str) -> None:
    """A text layer's font by its name in the table, its axes within the font's ranges."""
    try:
        row = font(body.get("text_font"))
    except UnknownFont as error:
        raise InvalidRequest(str(error), field=f"{path}.text_font") from None
    body |= {"text_font": row.name, "font_sha256": row.sha256}
    if names := others(body["text"], row.name):
        body["fallback_sha256"] = {name: font(name).sha256 for name in names}
    if unknown := without_glyph(body["text"]):
        found.warnings.append(Warning(NO_GLYPH.format(unknown), f"{path}.text", unknown, ""))
    settings = body.get("text_variation_settings", {})
    for axis, value in settings.items():
        field = f"{path}.text_variation_settings.{axis}"
        try:
            settings[axis] = found.clamped(field, value, *row.range_of(axis))
        except UnknownAxis as error:
            raise InvalidRequest(str(error), field=field) from None


def _mask(id: str, composition: Composition, found: Found, path: str) -> None:
    record = found.registry.artifact(found.context.scope, id)
    if record.kind != "mask":
        raise InvalidRequest(f"{path} is of kind {record.kind}; give a mask", field=path)
    same_size(record, composition.width, composition.height, path)
    found.add(record, "mask")


__all__ = ["check", "resolved"]
