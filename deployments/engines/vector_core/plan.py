"""POST /vector/scenes and /vector/render: a drawing checked, kept as SVG, or drawn."""

from __future__ import annotations

from artifacts import Record, Registry
from artifacts.canonical import digest
from configs import presets as preset_table
from configs.settings import Settings
from deployments.drawing.markup import markup
from deployments.engines.vector_core.models import VectorRenderRequest, VectorScenesRequest
from deployments.errors import InvalidRequest, UnknownPreset
from deployments.operation import JSON, Context, Operation, Plan

BACKEND = "vector_core"
VERSION = "6"


def _plan(operation: str, kind: str, request: VectorScenesRequest | VectorRenderRequest, context: Context) -> Plan:
    try:
        preset = preset_table.preset(request.preset_id)
    except preset_table.UnknownPreset as error:
        raise UnknownPreset(str(error), field="preset_id") from None
    source = markup(request.scene) if request.scene else request.svg
    size: JSON = {"width": request.width, "height": request.height}
    parameters: JSON = {"svg": source, "field": "scene" if request.scene else "svg", **size}
    if kind == "vector_render":
        parameters |= {"preset_id": request.preset_id, "preset": preset.model_dump(mode="json")}
    layout = digest({"svg": source, **size})
    return Plan(operation, context.scope, kind, parameters | {"layout_hash": layout}, BACKEND, VERSION)


def _check_size(request: VectorScenesRequest | VectorRenderRequest, settings: Settings) -> None:
    scene = request.scene
    sides = [(request.width, request.height, "width")]
    if scene:
        sides.append((scene.width, scene.height, "scene.width"))
    for width, height, field in sides:
        if (width or 1) * (height or 1) > settings.max_image_pixels:
            raise InvalidRequest(f"over the cap of {settings.max_image_pixels} pixels", field=field)


def plan_scene(request: VectorScenesRequest, context: Context, registry: Registry, settings: Settings) -> Plan:
    """Raises UnknownPreset, InvalidRequest over a cap."""
    _check_size(request, settings)
    return _plan("vector_scenes", "vector_scene", request, context)


def plan_render(request: VectorRenderRequest, context: Context, registry: Registry, settings: Settings) -> Plan:
    """Raises UnknownPreset, InvalidRequest over a cap."""
    _check_size(request, settings)
    return _plan("vector_render", "vector_render", request, context)


def answer(plan: Plan, record: Record, registry: Registry) -> JSON:
    said: JSON = {name: record.meta[name] for name in ("format", "width", "height", "preset_id") if name in record.meta}
    return {"artifact_id": record.id, "uri": record.uri, **said, "meta": record.meta}


_SCENE = {
    "width": 200,
    "height": 100,
    "elements": [
        {"type": "rect", "x": 5, "y": 5, "width": 190, "height": 90, "radius": 12, "style": {"fill": "#14213d"}},
        {"type": "circle", "cx": 50, "cy": 50, "radius": 30, "style": {"fill": "#ffb703"}},
        {"type": "path", "d": "M100 70 L130 30 L160 70", "style": {"stroke": "#fff", "stroke_width": 6}},
    ],
}

OPERATIONS = (
    Operation(
        name="vector_scenes",
        request=VectorScenesRequest,
        plan=plan_scene,
        work="deployments.engines.vector_core.work:scene",
        deployment="Imaging",
        repeats=True,
        answer=answer,
        path="/vector/scenes",
        example={"scene": _SCENE},
    ),
    Operation(
        name="vector_render",
        request=VectorRenderRequest,
        plan=plan_render,
        work="deployments.engines.vector_core.work:render",
        deployment="Imaging",
        repeats=True,
        answer=answer,
        path="/vector/render",
        example={"scene": _SCENE, "width": 400},
    ),
)

__all__ = ["OPERATIONS", "answer", "plan_render", "plan_scene"]
