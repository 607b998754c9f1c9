"""Adjustments, filters and effects of a normalised layer, brought into their ranges with a warning for each change."""

from __future__ import annotations

from collections.abc import Mapping

from deployments.engines.image_core.adjustments import CHANNELS
from deployments.engines.image_core.found import Found
from deployments.engines.image_core.models import Layer
from deployments.operation import JSON
from kernels.ranges import EFFECT_RANGES, FILTER_RANGES, LAYER_RANGES, LEVELS_RANGES, OFFSETS, RANGES, Range


def clamp(body: JSON, layer: Layer, found: Found, path: str) -> None:
    """`body` is the layer, normalised; it is changed in place. Neutral sliders leave no trace."""
    if "adjustments" in body:
        _clamp_to(RANGES, body["adjustments"], found, f"{path}.adjustments")
        active = {name: value for name, value in body.pop("adjustments").items() if value != RANGES[name].neutral}
        if active:
            body["adjustments"] = active
    if "adjustment" in body:
        _adjustment(body["adjustment"], found, f"{path}.adjustment")
    for i, item in enumerate(body.get("adjustment_stack", ())):
        _adjustment(item, found, f"{path}.adjustment_stack[{i}]")
    for i, item in enumerate(body.get("filters", ())):
        older = f"{path}.filter_strength" if layer.filter_mode is not None else ""
        _clamp_to(FILTER_RANGES[item["type"]], item, found, f"{path}.filters[{i}]", older)
    for i, item in enumerate(body.get("effects", ())):
        _effect(item, found, f"{path}.effects[{i}]")


def _clamp_to(ranges: Mapping[str, Range], item: JSON, found: Found, path: str, field: str = "") -> None:
    """`field` is what the request calls it, where that is not the range's name."""
    for name, row in ranges.items():
        if name in item:
            item[name] = found.clamped(field or f"{path}.{name}", item[name], row.low, row.high)


def _adjustment(item: JSON, found: Found, path: str) -> None:
    _clamp_to(LAYER_RANGES[item["kind"]], item, found, path)
    for name in CHANNELS if item["kind"] == "levels" else ():
        if name in item:
            _clamp_to(LEVELS_RANGES, item[name], found, f"{path}.{name}")
    for i, row in enumerate(item.get("ranges", ())):
        _clamp_to(LAYER_RANGES["hue_saturation"], row, found, f"{path}.ranges[{i}]")


def _effect(item: JSON, found: Found, path: str) -> None:
    _clamp_to(EFFECT_RANGES, item, found, path)
    if "offset" in item:
        given = enumerate(item["offset"])
        item["offset"] = [found.clamped(f"{path}.offset[{i}]", one, OFFSETS.low, OFFSETS.high) for i, one in given]


__all__ = ["clamp"]
