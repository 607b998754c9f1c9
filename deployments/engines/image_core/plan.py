"""POST /image/render and /image/masks: which pictures go in, what exactly is asked for, under which key."""

from __future__ import annotations

from typing import Any

from artifacts import Record, Registry
from artifacts.canonical import digest
from configs.settings import Settings
from deployments.engines.image_core.found import Found, check_size
from deployments.engines.image_core.models import (
    Composition,
    ImageMasksRequest,
    ImagePreviewRequest,
    ImageRenderRequest,
)
from deployments.engines.image_core.output import filename, output_of
from deployments.engines.image_core.resolve import check, resolved
from deployments.engines.image_core.resolve_selection import resolved_selection
from deployments.operation import JSON, Context, Operation, Plan

BACKEND = "image_core"
RENDER_VERSION = "11"
"""Raised whenever the bytes of an equal render change."""
MASK_VERSION = "6"


def plan_render(request: ImageRenderRequest, context: Context, registry: Registry, settings: Settings) -> Plan:
    """Raises NotFound, UnknownPreset, and InvalidRequest for what no validation of shapes can see: caps, sizes of
    masks, unknown fonts, pictures that are none."""
    composition, found = request.composition, Found(context, registry)
    check(composition, settings)
    return _drawing("image_render", composition, output_of(request, found, settings), request.parent_asset_id, found)


def plan_preview(request: ImagePreviewRequest, context: Context, registry: Registry, settings: Settings) -> Plan:
    """A render scaled to fit into a square of `max_side`, never enlarged. Raises what a render raises."""
    composition, found = request.composition, Found(context, registry)
    check(composition, settings)
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


def _drawing(name: str, composition: Composition, output: JSON, parent: str | None, found: Found) -> Plan:
    body = resolved(composition, found)
    composition_hash = digest(_by_content(body, found.sha256))
    return Plan(
        operation=name,
        scope=found.context.scope,
        kind="image_render",
        parameters={
            "composition": body,
            "composition_hash": composition_hash,
            "pipeline_hash": pipeline_hash(composition_hash, output),
            "output": output,
        },
        backend=BACKEND,
        backend_version=RENDER_VERSION,
        inputs=tuple(found.inputs.values()),
        parent_asset_id=_parent(parent, found),
        warnings=tuple(found.warnings),
    )


def pipeline_hash(composition_hash: str, output: JSON) -> str:
    """Of everything that decides a render's bytes."""
    return digest({"composition": composition_hash, "output": output, "backend_version": RENDER_VERSION})


def plan_mask(request: ImageMasksRequest, context: Context, registry: Registry, settings: Settings) -> Plan:
    """Raises NotFound and InvalidRequest."""
    found = Found(context, registry)
    check_size(request.width, request.height, "", settings)
    selection = resolved_selection(request.selection, request.width, request.height, found, "selection")
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


def _parent(given: str | None, found: Found) -> str | None:
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


_POLYGON = {"type": "polygon", "points": [[80, 40], [560, 60], [500, 320], [120, 300]], "feather_radius": 12}

OPERATIONS = (
    Operation(
        name="image_render",
        request=ImageRenderRequest,
        plan=plan_render,
        work="deployments.engines.image_core.work:render",
        settle="deployments.engines.image_core.work:settle",
        deployment="Imaging",
        repeats=True,
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
        repeats=True,
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
        repeats=True,
        answer=answer_render,
        content=True,
        path="/image/preview",
        example={"composition": {"width": 320, "height": 180, "layers": [{"color": "#336699"}]}, "max_side": 160},
    ),
)

__all__ = [
    "OPERATIONS",
    "answer_mask",
    "answer_render",
    "pipeline_hash",
    "plan_mask",
    "plan_preview",
    "plan_render",
    "rendered",
]
