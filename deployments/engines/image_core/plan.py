"""POST /image/render and /image/masks: which pictures go in, what exactly is asked for, under which key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from artifacts import Asset, Record, Registry
from artifacts.canonical import digest
from configs import presets as preset_table
from configs.fonts import UnknownFont, font
from configs.settings import Settings
from deployments.engines.image_core.models import (
    Composition,
    ImageMasksRequest,
    ImagePreviewRequest,
    ImageRenderRequest,
    Layer,
    Selection,
)
from deployments.errors import InvalidRequest, UnknownPreset
from deployments.operation import JSON, Context, Input, Operation, Plan, Warning
from kernels.ranges import RANGES

BACKEND = "image_core"
RENDER_VERSION = "3"
"""Raised whenever the bytes of an equal render change."""
MASK_VERSION = "3"
WIDEST_FEATHER = WIDEST_GROW = WIDEST_BLUR = 250.0
"""Pixels; larger ones are clamped."""
STRONGEST_SHARPEN = 10.0
FURTHEST_REACH = 1000.0
"""Pixels beyond the canvas that selections inside each other may look, all feathers and growths added."""
DEEPEST_SELECTION = DEEPEST_GROUP = 8


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

    def clamped(self, field: str, given: float, low: float, high: float) -> float:
        """The value in its range, with a warning where it was not."""
        used = min(high, max(low, given))
        if used != given:
            self.warnings.append(Warning(f"{field} is clamped to {used:g}", field, given, used))
        return used

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
    _check(composition, settings)
    return _drawing("image_render", composition, _output(request, found, settings), request.parent_asset_id, found)


def plan_preview(request: ImagePreviewRequest, context: Context, registry: Registry, settings: Settings) -> Plan:
    """A render scaled to fit into a square of `max_side`, never enlarged. Raises what a render raises."""
    composition, found = request.composition, _Found(context, registry)
    _check(composition, settings)
    scale = min(1.0, request.max_side / max(composition.width, composition.height))
    width, height = (max(1, round(side * scale)) for side in (composition.width, composition.height))
    output = {
        "preset_id": "preview",
        "format": "PNG",
        "quality": None,
        "dpi": 72,
        "width": width,
        "height": height,
        "content": [0, 0, width, height],
    }
    return _drawing("image_preview", composition, output, None, found)


def _drawing(name: str, composition: Composition, output: JSON, parent: str | None, found: _Found) -> Plan:
    body = _resolved(composition, found)
    composition_hash = digest(_by_content(body, found.sha256))
    pipeline = {"composition": composition_hash, "output": output, "backend_version": RENDER_VERSION}
    return Plan(
        operation=name,
        scope=found.context.scope,
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
        parent_asset_id=_parent(parent, found),
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


def _check(composition: Composition, settings: Settings) -> None:
    _check_size(composition.width, composition.height, "composition.", settings)
    layers, depth = _count(composition.layers)
    if layers > settings.max_layers:
        raise InvalidRequest(f"{layers} layers; at most {settings.max_layers} are drawn", field="composition.layers")
    if depth > DEEPEST_GROUP:
        raise InvalidRequest(f"groups nest {depth} deep; at most {DEEPEST_GROUP}", field="composition.layers")


def _check_size(width: int, height: int, path: str, settings: Settings) -> None:
    if width * height > settings.max_image_pixels:
        raise InvalidRequest(
            f"{width}x{height} is over the cap of {settings.max_image_pixels} pixels", field=f"{path}width"
        )


def _resolved(composition: Composition, found: _Found) -> JSON:
    """The normalised composition; what it names is looked up and checked."""
    body = composition.normalized()
    _layers(body["layers"], composition.layers, composition, found, "composition.layers")
    return body


def _layers(bodies: list[JSON], given: list[Layer], composition: Composition, found: _Found, path: str) -> None:
    for i, (body, layer) in enumerate(zip(bodies, given, strict=True)):
        here = f"{path}[{i}]"
        if body["type"] == "raster":
            found.picture(body, "layer", here)
        if body["type"] == "text":
            body |= _font(body.get("text_font"), f"{here}.text_font")
        if layer.mask is not None:
            body["mask"] = _selection(layer.mask, composition.width, composition.height, found, f"{here}.mask")
        if layer.mask_artifact_id is not None:
            _mask(layer.mask_artifact_id, composition, found, f"{here}.mask_artifact_id")
        _clamp_colors(body, layer, found, here)
        if layer.layers is not None:
            _layers(body["layers"], layer.layers, composition, found, f"{here}.layers")


def _clamp_colors(body: JSON, layer: Layer, found: _Found, path: str) -> None:
    """Adjustments and filters brought into their ranges; neutral adjustments leave no trace."""
    adjustments = body.pop("adjustments", {})
    for name, row in RANGES.items():
        if name in adjustments:
            adjustments[name] = found.clamped(f"{path}.adjustments.{name}", adjustments[name], row.low, row.high)
    active = {name: value for name, value in adjustments.items() if value != RANGES[name].neutral}
    if active:
        body["adjustments"] = active
    for i, item in enumerate(body.get("filters", ())):
        older = layer.filter_mode is not None
        for name, most in (("radius", WIDEST_BLUR), ("amount", STRONGEST_SHARPEN)):
            if name in item:
                field = "filter_strength" if older else f"filters[{i}].{name}"
                item[name] = found.clamped(f"{path}.{field}", item[name], 0, most)


def _count(layers: list[Layer], depth: int = 1) -> tuple[int, int]:
    """How many layers there are, groups and what is in them, and how deep they are nested."""
    inner = [_count(layer.layers, depth + 1) for layer in layers if layer.layers]
    return len(layers) + sum(count for count, _ in inner), max([depth, *(deepest for _, deepest in inner)])


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


def _selection(
    selection: Selection, width: int, height: int, found: _Found, path: str, depth: int = 1, reach: float = 0.0
) -> JSON:
    """The normalised selection, clamped; a picture that it takes has the mask's size. `reach` is how far the
    selections around this one look beyond the canvas."""
    body = selection.normalized()
    body["feather_radius"] = found.clamped(f"{path}.feather_radius", body["feather_radius"], 0, WIDEST_FEATHER)
    body["grow"] = found.clamped(f"{path}.grow", body["grow"], -WIDEST_GROW, WIDEST_GROW)
    if depth > DEEPEST_SELECTION:
        raise InvalidRequest(f"{path} is nested deeper than {DEEPEST_SELECTION} selections", field=path)
    reach += body["feather_radius"] + abs(body["grow"])
    if reach > FURTHEST_REACH:
        said = f"{path}: feather_radius and grow of selections inside each other add up to {reach:g}"
        raise InvalidRequest(f"{said}; at most {FURTHEST_REACH:g}", field=f"{path}.feather_radius")
    if body["type"] in ("luminance", "alpha", "color_range"):
        name = "asset_id" if "asset_id" in body else "artifact_id"
        _same_size(found.picture(body, "selection", path), width, height, f"{path}.{name}")
    if selection.items:
        body["items"] = [
            _selection(item, width, height, found, f"{path}.items[{i}]", depth + 1, reach)
            for i, item in enumerate(selection.items)
        ]
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
        "quality": None if format in ("PNG", "TIFF") else quality,
        "dpi": preset.dpi,
        "width": layout.width,
        "height": layout.height,
        "content": [layout.x, layout.y, layout.content_width, layout.content_height],
    }


HASHED = {name: name.replace("_id", "_sha256") for name in ("asset_id", "artifact_id", "mask_artifact_id")}


def _by_content(body: JSON, sha256: dict[str, str]) -> JSON:
    """A copy in which content hashes stand for ids: equal pictures hash equally whatever they are called."""

    def copied(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                HASHED.get(name, name): sha256[item] if name in HASHED else copied(item) for name, item in value.items()
            }
        return [copied(item) for item in value] if isinstance(value, list) else value

    named: JSON = copied(body)
    return named


def _parent(given: str | None, found: _Found) -> str | None:
    if given is None:
        return found.first_asset
    return found.registry.asset(found.context.scope, given).id


def answer_render(plan: Plan, record: Record, registry: Registry) -> JSON:
    return rendered(plan.parameters, record)


def rendered(parameters: JSON, record: Record) -> JSON:
    """What is said of a render; `parameters` are its plan's."""
    meta = record.meta
    said = {name: meta[name] for name in ("format", "width", "height", "preset_id")}
    return {"artifact_id": record.id, "uri": record.uri, **said, "filename": filename(parameters), "meta": meta}


def answer_mask(plan: Plan, record: Record, registry: Registry) -> JSON:
    size = {name: record.meta[name] for name in ("width", "height")}
    return {"artifact_id": record.id, "uri": record.uri, **size, "meta": record.meta}


EXTENSIONS = {"PNG": "png", "WEBP": "webp", "JPEG": "jpg", "TIFF": "tif", "AVIF": "avif"}


def filename(parameters: JSON) -> str:
    """What a render is called when it is saved."""
    output = parameters["output"]
    size = f"{output['width']}x{output['height']}"
    return f"{parameters['composition_hash'][:12]}_{output['preset_id']}_{size}.{EXTENSIONS[output['format']]}"


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
    Operation(
        name="image_preview",
        request=ImagePreviewRequest,
        plan=plan_preview,
        work="deployments.engines.image_core.work:render",
        deployment="Imaging",
        answer=answer_render,
        content=True,
        path="/image/preview",
        example={"composition": {"width": 320, "height": 180, "layers": [{"color": "#336699"}]}, "max_side": 160},
    ),
)

__all__ = [
    "EXTENSIONS",
    "OPERATIONS",
    "answer_mask",
    "answer_render",
    "filename",
    "plan_mask",
    "plan_preview",
    "plan_render",
    "rendered",
]
