"""POST /image/render and /image/masks: which pictures go in, what exactly is asked for, under which key."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from artifacts import Asset, Record, Registry
from artifacts.canonical import digest
from configs import presets as preset_table
from configs.fonts import UnknownFont, font
from configs.settings import Settings
from deployments.engines.image_core.models import Composition, ImageMasksRequest, ImageRenderRequest, Selection
from deployments.errors import InvalidRequest, UnknownPreset
from deployments.operation import JSON, Context, Input, Operation, Plan, Warning

BACKEND = "image_core"
RENDER_VERSION = "1"
"""Raised whenever the bytes of an equal render change."""
MASK_VERSION = "1"
WIDEST_FEATHER = 250.0
"""Pixels; larger ones are clamped."""


@dataclass
class _Found:
    """What a request names in the registry, gathered on the way."""

    context: Context
    registry: Registry
    inputs: dict[tuple[str, str], Input] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)
    """Content hash by id."""
    first_asset: str | None = None
    warnings: list[Warning] = field(default_factory=list)

    def add(self, item: Asset | Record, role: str) -> None:
        self.inputs.setdefault((item.id, role), Input(item.id, role))
        self.sha256[item.id] = item.sha256
        if isinstance(item, Asset):
            self.first_asset = self.first_asset or item.id

    def picture(self, body: JSON, role: str, path: str) -> Asset | Record:
        """The picture that `asset_id` or `artifact_id` of a layer or selection names."""
        name = "asset_id" if body.get("asset_id") else "artifact_id"
        item: Asset | Record = (
            self.registry.asset(self.context.scope, body[name])
            if name == "asset_id"
            else self.registry.artifact(self.context.scope, body[name])
        )
        if not item.media_type.startswith("image/"):
            raise InvalidRequest(f"{path}.{name} is {item.media_type}; give a picture", field=f"{path}.{name}")
        self.add(item, role)
        return item


def plan_render(request: ImageRenderRequest, context: Context, registry: Registry, settings: Settings) -> Plan:
    """Raises NotFound, UnknownPreset, and InvalidRequest for what no validation of shapes can see: caps, sizes of
    masks, unknown fonts, pictures that are none."""
    composition, found = request.composition, _Found(context, registry)
    _check_size(composition.width, composition.height, "composition.", settings)
    if len(composition.layers) > settings.max_layers:
        raise InvalidRequest(
            f"{len(composition.layers)} layers; at most {settings.max_layers} are drawn", field="composition.layers"
        )
    body = _resolved(composition, found)
    output = _output(request, found, settings)
    composition_hash = digest(_by_content(body, found.sha256))
    pipeline = {"composition": composition_hash, "output": output, "backend_version": RENDER_VERSION}
    return Plan(
        operation="image_render",
        scope=context.scope,
        kind="image_render",
        parameters={
            "composition": body,
            "composition_hash": composition_hash,
            "pipeline_hash": digest(pipeline),
            "output": output,
        },
        backend=BACKEND,
        backend_version=RENDER_VERSION,
        inputs=tuple(found.inputs.values()),
        parent_asset_id=_parent(request.parent_asset_id, found),
        warnings=tuple(found.warnings),
    )


def plan_mask(request: ImageMasksRequest, context: Context, registry: Registry, settings: Settings) -> Plan:
    """Raises NotFound and InvalidRequest."""
    found = _Found(context, registry)
    _check_size(request.width, request.height, "", settings)
    selection = _selection(request.selection, request.width, request.height, found, "selection")
    return Plan(
        operation="image_masks",
        scope=context.scope,
        kind="mask",
        parameters={
            "width": request.width,
            "height": request.height,
            "selection": selection,
            "selection_hash": digest(_by_content(selection, found.sha256)),
        },
        backend=BACKEND,
        backend_version=MASK_VERSION,
        inputs=tuple(found.inputs.values()),
        parent_asset_id=_parent(request.parent_asset_id, found),
        warnings=tuple(found.warnings),
    )


def _check_size(width: int, height: int, path: str, settings: Settings) -> None:
    if width * height > settings.max_image_pixels:
        raise InvalidRequest(
            f"{width}x{height} is over the cap of {settings.max_image_pixels} pixels", field=f"{path}width"
        )


def _resolved(composition: Composition, found: _Found) -> JSON:
    """The normalised composition; what it names is looked up and checked."""
    body = composition.normalized()
    for i, (layer, given) in enumerate(zip(body["layers"], composition.layers, strict=True)):
        path = f"composition.layers[{i}]"
        if layer["type"] == "raster":
            found.picture(layer, "layer", path)
        if layer["type"] == "text":
            layer |= _font(layer.get("text_font"), f"{path}.text_font")
        if given.mask is not None:
            layer["mask"] = _selection(given.mask, composition.width, composition.height, found, f"{path}.mask")
        if given.mask_artifact_id is not None:
            _mask(given.mask_artifact_id, composition, found, f"{path}.mask_artifact_id")
    return body


def _font(name: str | None, path: str) -> JSON:
    try:
        row = font(name)
    except UnknownFont as error:
        raise InvalidRequest(str(error), field=path) from None
    return {"text_font": row.name, "font_sha256": row.sha256}


def _mask(id: str, composition: Composition, found: _Found, path: str) -> None:
    record = found.registry.artifact(found.context.scope, id)
    if record.kind != "mask":
        raise InvalidRequest(f"{path} is of kind {record.kind}; give a mask", field=path)
    _same_size(record, composition.width, composition.height, path)
    found.add(record, "mask")


def _selection(selection: Selection, width: int, height: int, found: _Found, path: str) -> JSON:
    """The normalised selection, clamped; a picture that it takes has the mask's size."""
    body = selection.normalized()
    if body["feather_radius"] > WIDEST_FEATHER:
        said = f"{path}.feather_radius is clamped to {WIDEST_FEATHER:g}"
        found.warnings.append(Warning(said, f"{path}.feather_radius", body["feather_radius"], WIDEST_FEATHER))
        body["feather_radius"] = WIDEST_FEATHER
    if body["type"] in ("luminance", "alpha"):
        name = "asset_id" if "asset_id" in body else "artifact_id"
        _same_size(found.picture(body, "selection", path), width, height, f"{path}.{name}")
    return body


def _same_size(item: Asset | Record, width: int, height: int, path: str) -> None:
    """As far as the record tells; the work looks again at the pixels."""
    size = (item.meta.get("width"), item.meta.get("height"))
    if item.meta.get("orientation", 1) >= 5:  # EXIF: shown lying on its side
        size = size[::-1]
    if None not in size and size != (width, height):
        raise InvalidRequest(
            f"{path} is {size[0]}x{size[1]}; it must have the size of the canvas, {width}x{height}", field=path
        )


def _output(request: ImageRenderRequest, found: _Found, settings: Settings) -> JSON:
    """The preset with the request's overrides, and where the composition lies in the output."""
    try:
        preset = preset_table.preset(request.preset_id)
    except preset_table.UnknownPreset as error:
        raise UnknownPreset(str(error), field="preset_id") from None
    format = request.format or preset.format
    quality = preset.quality
    if request.quality is not None:
        quality = min(100, max(1, request.quality))
        if quality != request.quality:
            said = f"quality is clamped to {quality}"
            found.warnings.append(Warning(said, "quality", request.quality, quality))
    width, height = request.composition.width, request.composition.height
    layout = preset.layout(width, height)
    if layout.enlarged:
        said = f"the preset enlarges {width}x{height} to {layout.content_width}x{layout.content_height}"
        found.warnings.append(Warning(said, "preset_id", f"{width}x{height}", f"{layout.width}x{layout.height}"))
    _check_size(layout.width, layout.height, "composition.", settings)
    _check_size(layout.content_width, layout.content_height, "composition.", settings)
    largest = preset_table.LARGEST_SIDE[format]
    if max(layout.width, layout.height) > largest:
        raise InvalidRequest(
            f"{format} holds at most {largest} pixels a side, and this is {layout.width}x{layout.height}; take PNG",
            field="format" if request.format else "preset_id",
        )
    return {
        "preset_id": request.preset_id,
        "format": format,
        "quality": None if format == "PNG" else quality,
        "dpi": preset.dpi,
        "width": layout.width,
        "height": layout.height,
        "content": [layout.x, layout.y, layout.content_width, layout.content_height],
    }


def _by_content(body: JSON, sha256: dict[str, str]) -> JSON:
    """A copy in which content hashes stand for ids: equal pictures hash equally whatever they are called."""
    body = copy.deepcopy(body)
    for part in _parts(body):
        for name in ("asset_id", "artifact_id", "mask_artifact_id"):
            if name in part:
                part[name.replace("_id", "_sha256")] = sha256[part.pop(name)]
    return body


def _parts(body: Any) -> Iterator[JSON]:
    if isinstance(body, dict):
        yield body
    for value in body.values() if isinstance(body, dict) else body if isinstance(body, list) else ():
        yield from _parts(value)


def _parent(given: str | None, found: _Found) -> str | None:
    if given is None:
        return found.first_asset
    return found.registry.asset(found.context.scope, given).id


def answer_render(plan: Plan, record: Record, registry: Registry) -> JSON:
    meta = record.meta
    said = {name: meta[name] for name in ("format", "width", "height", "preset_id")}
    return {"artifact_id": record.id, "uri": record.uri, **said, "filename": filename(plan), "meta": meta}


def answer_mask(plan: Plan, record: Record, registry: Registry) -> JSON:
    size = {name: record.meta[name] for name in ("width", "height")}
    return {"artifact_id": record.id, "uri": record.uri, **size, "meta": record.meta}


EXTENSIONS = {"PNG": "png", "WEBP": "webp", "JPEG": "jpg"}


def filename(plan: Plan) -> str:
    """What a render is called when it is saved."""
    output = plan.parameters["output"]
    size = f"{output['width']}x{output['height']}"
    return f"{plan.parameters['composition_hash'][:12]}_{output['preset_id']}_{size}.{EXTENSIONS[output['format']]}"


_POLYGON = {"type": "polygon", "points": [[80, 40], [560, 60], [500, 320], [120, 300]], "feather_radius": 12}

OPERATIONS = (
    Operation(
        name="image_render",
        request=ImageRenderRequest,
        plan=plan_render,
        work="deployments.engines.image_core.work:render",
        deployment="Imaging",
        answer=answer_render,
        path="/image/render",
        example={
            "composition": {
                "width": 640,
                "height": 360,
                "background_color": "#fff",
                "layers": [
                    {"color": "#336699", "mask": _POLYGON},
                    {"text": "Hello", "text_size": 64, "text_color": "#fff", "x": 220, "y": 130},
                ],
            },
            "preset_id": "web_small",
        },
    ),
    Operation(
        name="image_masks",
        request=ImageMasksRequest,
        plan=plan_mask,
        work="deployments.engines.image_core.work:mask",
        deployment="Imaging",
        answer=answer_mask,
        path="/image/masks",
        example={"width": 640, "height": 360, "selection": _POLYGON},
    ),
)

__all__ = ["OPERATIONS", "answer_mask", "answer_render", "filename", "plan_mask", "plan_render"]
