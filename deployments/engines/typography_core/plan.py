"""POST /typography/render: the font, its axes, the preset; the answer with its metrics."""

from __future__ import annotations

from artifacts import Record, Registry
from artifacts.canonical import digest
from configs import presets as preset_table
from configs.fonts import UnknownAxis, UnknownFont, font
from configs.settings import Settings
from deployments.drawing.fallback import NO_GLYPH, others, without_glyph
from deployments.engines.typography_core.models import TypographyRenderRequest
from deployments.errors import InvalidRequest, UnknownPreset
from deployments.operation import JSON, Context, Operation, Plan, Warning

BACKEND = "typography_core"
VERSION = "7"


def plan_render(request: TypographyRenderRequest, context: Context, registry: Registry, settings: Settings) -> Plan:
    """Raises UnknownPreset, InvalidRequest for an unknown font or axis and for a box over the cap."""
    try:
        preset = preset_table.preset(request.preset_id)
    except preset_table.UnknownPreset as error:
        raise UnknownPreset(str(error), field="preset_id") from None
    try:
        row = font(request.font)
    except UnknownFont as error:
        raise InvalidRequest(str(error), field="font") from None
    box = request.box
    if box and box.width * (box.height or 1) > settings.max_image_pixels:
        raise InvalidRequest(f"over the cap of {settings.max_image_pixels} pixels", field="box.width")
    body = request.model_dump(mode="json", exclude={"tenant_id", "env", "user_id", "preset_id"}, exclude_none=True)
    body["font"] = row.name
    warnings = []
    for axis, given in request.variation_settings.items():
        path = f"variation_settings.{axis}"
        try:
            low, high = row.range_of(axis)
        except UnknownAxis as error:
            raise InvalidRequest(str(error), field=path) from None
        used = min(high, max(low, given))
        if used != given:
            warnings.append(Warning(f"{path} is clamped to {used:g}", path, given, used))
        body["variation_settings"][axis] = used
    said = {"scene": body, "font_sha256": row.sha256}
    if names := others(request.text, row.name):
        said["fallback_sha256"] = {name: font(name).sha256 for name in names}
    if unknown := without_glyph(request.text):
        warnings.append(Warning(NO_GLYPH.format(unknown), "text", unknown, ""))
    parameters = said | {"preset_id": request.preset_id, "preset": preset.model_dump(mode="json")}
    return Plan(
        operation="typography_render",
        scope=context.scope,
        kind="text_render",
        parameters=parameters | {"layout_hash": digest(said)},
        backend=BACKEND,
        backend_version=VERSION,
        warnings=tuple(warnings),
    )


def answer(plan: Plan, record: Record, registry: Registry) -> JSON:
    said = {name: record.meta[name] for name in ("format", "width", "height", "preset_id", "metrics")}
    return {"artifact_id": record.id, "uri": record.uri, **said, "meta": record.meta}


OPERATION = Operation(
    name="typography_render",
    request=TypographyRenderRequest,
    plan=plan_render,
    work="deployments.engines.typography_core.work:render",
    deployment="Imaging",
    repeats=True,
    answer=answer,
    path="/typography/render",
    example={
        "text": "Set in lines, broken at the width of a box.",
        "size": 36,
        "color": "#14213d",
        "box": {"width": 320},
        "align": "center",
        "shadow": {"offset": [2, 3], "blur": 3},
    },
)

__all__ = ["OPERATION", "answer", "plan_render"]
