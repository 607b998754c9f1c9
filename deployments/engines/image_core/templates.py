"""POST /image/templates and /image/render-from-template: a composition with named slots, and renders that fill them.

A template is an artifact, so it never changes under those who use it. Its composition is whole: what it shows in a slot
is what stands there when nothing else is given.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field, StringConstraints, ValidationError

from artifacts import Record, Registry
from configs.presets import DEFAULT
from configs.settings import Settings
from deployments.body import Body
from deployments.engines.image_core.found import Found
from deployments.engines.image_core.models import LAYER_TYPES, Composition, ImageRenderRequest, Layer, OutputFormat
from deployments.engines.image_core.plan import BACKEND, answer_render, plan_render
from deployments.engines.image_core.resolve import check, resolved
from deployments.engines.image_core.shapes import ArtifactId, AssetId, Shape
from deployments.errors import AppError, InvalidRequest, as_app_error
from deployments.operation import JSON, Context, Input, Operation, Plan

TEMPLATE_VERSION = "1"
MOST_SLOTS = 64
FIXED = ("id", "type", "layers")
"""Fields of a layer that no slot fills."""
OF_COMPOSITION = ("width", "height", "background_color", "color_space")

SlotName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]


class Slot(Shape):
    """What a variable fills: one field of one layer, or of the composition itself."""

    layer: str | None = Field(None, max_length=256, description="The layer's id; left out: the composition.")
    field: str = Field(
        max_length=64, description="text, color, asset_id, visible, x, …: any field but id, type, layers."
    )
    required: bool = Field(False, strict=True, description="Whether a render has to give it.")
    description: str | None = Field(None, max_length=1000)


class ImageTemplateRequest(Body):
    """POST /image/templates."""

    name: str | None = Field(None, max_length=256)
    composition: Composition
    slots: dict[SlotName, Slot] = Field(default_factory=dict, max_length=MOST_SLOTS)
    parent_asset_id: AssetId | None = None


class ImageRenderFromTemplateRequest(Body):
    """POST /image/render-from-template."""

    template_id: ArtifactId
    variables: dict[SlotName, Any] = Field(
        default_factory=dict, max_length=MOST_SLOTS, description="Values by the slots' names."
    )
    preset_id: str = Field(DEFAULT, max_length=64)
    format: OutputFormat | None = Field(None, description="Instead of the preset's.")
    quality: int | None = Field(None, strict=True, description="1 to 100, instead of the preset's.")
    parent_asset_id: AssetId | None = None


def plan_template(request: ImageTemplateRequest, context: Context, registry: Registry, settings: Settings) -> Plan:
    """Raises what a render of the composition raises, and InvalidRequest for a slot that fits nothing in it."""
    found = Found(context, registry)
    check(request.composition, settings)
    resolved(request.composition, found)
    for name, slot in request.slots.items():
        _path(request.composition, name, slot)
    parent = found.first_asset
    if request.parent_asset_id is not None:
        parent = registry.asset(context.scope, request.parent_asset_id).id
    return Plan(
        operation="image_templates",
        scope=context.scope,
        kind="image_template",
        parameters={
            "name": request.name,
            "composition": request.composition.model_dump(mode="json", exclude_unset=True),
            "slots": {name: slot.model_dump(mode="json") for name, slot in sorted(request.slots.items())},
        },
        backend=BACKEND,
        backend_version=TEMPLATE_VERSION,
        inputs=tuple(found.inputs.values()),
        parent_asset_id=parent,
        warnings=tuple(found.warnings),
    )


def plan_from_template(
    request: ImageRenderFromTemplateRequest, context: Context, registry: Registry, settings: Settings
) -> Plan:
    """A render's plan, the template among its inputs. Raises NotFound and what a render raises; what is wrong with a
    filled field is told of its variable."""
    template = _read(request.template_id, context, registry)
    body = template.composition.model_dump(mode="json", exclude_unset=True)
    paths: dict[str, str] = {}
    for name, value in request.variables.items():
        if name not in template.slots:
            known = ", ".join(template.slots) or "none"
            raise InvalidRequest(f"the template has no slot {name}; its slots: {known}", field=f"variables.{name}")
        steps = _path(template.composition, name, template.slots[name])
        _set(body, steps, copy.deepcopy(value))
        paths[_written(steps)] = name
    for name, slot in template.slots.items():
        if slot.required and name not in request.variables:
            raise InvalidRequest(f"the template needs a value for {name}", field=f"variables.{name}")
    output = request.model_dump(mode="json", include={"preset_id", "format", "quality", "parent_asset_id"})
    whole = {"composition": body} | output
    try:
        plan = plan_render(ImageRenderRequest.model_validate(whole), context, registry, settings)
    except (ValidationError, InvalidRequest) as error:
        raise _of_variable(as_app_error(error, whole), paths) from None
    source = Input(request.template_id, "template")
    return replace(plan, operation="image_render_from_template", inputs=(*plan.inputs, source))


def _read(id: str, context: Context, registry: Registry) -> ImageTemplateRequest:
    record = registry.artifact(context.scope, id)
    if record.kind != "image_template":
        raise InvalidRequest(f"template_id is of kind {record.kind}; give an image_template", field="template_id")
    try:
        stored = json.loads(registry.read(context.scope, record))
        return ImageTemplateRequest.model_validate(
            {name: value for name, value in stored.items() if name in ("name", "composition", "slots")}
        )
    except (ValueError, AttributeError):  # it was registered by hand
        raise InvalidRequest("template_id holds no composition with slots", field="template_id") from None


def _path(composition: Composition, name: str, slot: Slot) -> list[str | int]:
    """The steps to the field that a slot fills. Raises InvalidRequest where there is none."""
    if slot.layer is None:
        if slot.field not in OF_COMPOSITION:
            raise InvalidRequest(
                f"slot {name}: a composition has no field {slot.field} to fill; name a layer, or one of "
                f"{', '.join(OF_COMPOSITION)}",
                field=f"slots.{name}.field",
            )
        return [slot.field]
    places = list(_places(composition.layers, slot.layer, []))
    if len(places) != 1:
        said = "no layer has" if not places else f"{len(places)} layers have"
        raise InvalidRequest(f"slot {name}: {said} the id {slot.layer}", field=f"slots.{name}.layer")
    steps, layer = places[0]
    foreign = {field for row in LAYER_TYPES.values() for field in row.fields} - set(LAYER_TYPES[layer.type].fields)
    if slot.field not in Layer.model_fields or slot.field in foreign or slot.field in FIXED:
        raise InvalidRequest(
            f"slot {name}: a layer of type {layer.type} has no field {slot.field} to fill", field=f"slots.{name}.field"
        )
    return [*steps, slot.field]


def _places(layers: list[Layer], id: str, steps: list[str | int]) -> list[tuple[list[str | int], Layer]]:
    found = []
    for i, layer in enumerate(layers):
        here = [*steps, "layers", i]
        found += [(here, layer)] if layer.id == id else []
        found += _places(layer.layers or [], id, here)
    return found


def _set(body: Any, steps: list[str | int], value: Any) -> None:
    for step in steps[:-1]:
        body = body[step]
    if steps[-1] in ("asset_id", "artifact_id"):  # either names the layer's picture: the given one takes its place
        body.pop("asset_id", None)
        body.pop("artifact_id", None)
    body[steps[-1]] = value


def _written(steps: list[str | int]) -> str:
    return "composition" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)


def _of_variable(error: AppError, paths: Mapping[str, str]) -> AppError:
    """The error, told of the variable whose value stands at its path."""
    field = str(error.details.get("field", ""))
    for path, name in paths.items():
        if field == path or field.startswith((f"{path}.", f"{path}[")):
            return InvalidRequest(
                error.message.replace(path, f"variables.{name}"), field=field.replace(path, f"variables.{name}")
            )
    return error


def answer_template(plan: Plan, record: Record, registry: Registry) -> JSON:
    size = {name: record.meta[name] for name in ("width", "height")}
    said = {"artifact_id": record.id, "template_id": record.id, "uri": record.uri, "name": plan.parameters["name"]}
    return said | size | {"slots": plan.parameters["slots"], "meta": record.meta}


_CARD = {
    "width": 640,
    "height": 360,
    "layers": [
        {"id": "ground", "color": "#14213d"},
        {"id": "title", "text": "Your title", "text_size": 56, "text_color": "#ffffff", "x": 40, "y": 140},
    ],
}

TEMPLATES = (
    Operation(
        name="image_templates",
        request=ImageTemplateRequest,
        plan=plan_template,
        work="deployments.engines.image_core.work:template",
        deployment="Imaging",
        repeats=True,
        answer=answer_template,
        path="/image/templates",
        example={
            "name": "card",
            "composition": _CARD,
            "slots": {
                "title": {"layer": "title", "field": "text", "required": True},
                "ground": {"layer": "ground", "field": "color"},
            },
        },
    ),
    Operation(
        name="image_render_from_template",
        request=ImageRenderFromTemplateRequest,
        plan=plan_from_template,
        work="deployments.engines.image_core.work:render",
        settle="deployments.engines.image_core.work:settle",
        deployment="Imaging",
        repeats=True,
        answer=answer_render,
        path="/image/render-from-template",
        example={"template_id": "template_aaaaaaaa", "variables": {"title": "Hello", "ground": "#336699"}},
    ),
)

__all__ = [
    "TEMPLATES",
    "ImageRenderFromTemplateRequest",
    "ImageTemplateRequest",
    "Slot",
    "plan_from_template",
    "plan_template",
]
