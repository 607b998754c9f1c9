"""POST /video/render: a sequence made into a file."""

from __future__ import annotations

from typing import Any

from artifacts import Asset, Record, Registry, Scope
from artifacts.errors import NotFound
from configs.fonts import UnknownFont, font
from configs.profiles import profiles
from configs.settings import Settings
from deployments.engines.video_render.models import BurnIn, RenderRequest
from deployments.engines.video_render.timeline import Resolved, resolve
from deployments.errors import InvalidRequest, MissingDependency, UnknownPreset, WrongAsset
from deployments.operation import JSON, Context, Input, Operation, Plan, Warning
from deployments.timeline import sequences

BACKEND_VERSION = "1"
INLINE = "sequence_aaaaaaaa"
"""The id that a sequence without a document goes by; it never leaves the plan."""
DEPENDS_ON = ("summary", "captions")
"""Roles of the inputs that another operation made and that the picture depends on."""
NOT_PROVED = "the render was not searched for faces that may remain"


def plan(request: RenderRequest, context: Context, registry: Registry, settings: Settings) -> Plan:
    """Raises NotFound, UnknownPreset, InvalidRequest for what is not served, WrongAsset, and MissingDependency."""
    scope = context.scope
    body = _body(request, registry, scope)
    name = request.render_profile or body["render_profile"]
    if name not in profiles():
        raise UnknownPreset(
            f"there is no render profile {name!r}; there are {', '.join(profiles())}", field="render_profile"
        )
    profile = profiles()[name]
    found = resolve(registry, scope, body, profile)
    captions = _captions(request.burn_in_captions, found, registry, scope)
    warnings = () if found.video["face_blur"] is None else (Warning(NOT_PROVED, field="proof", used="off"),)
    return Plan(
        operation="video_render",
        scope=scope,
        kind="render",
        parameters={
            "profile": {"name": name, **profile.parameters()},
            "video": found.video,
            "overlays": found.overlays,
            "captions": captions,
        },
        backend=profile.codec,
        backend_version=BACKEND_VERSION,
        inputs=tuple(found.inputs),
        parent_asset_id=found.asset.id,
        warnings=warnings,
    )


def preview(plan: Plan, registry: Registry) -> JSON:
    """`plan_preview` and `dependency_notices`, for a plan that may or may not have been rendered."""
    parameters = plan.parameters
    video, profile = parameters["video"], parameters["profile"]
    blur = video["face_blur"]
    return {
        "plan_preview": {
            "render_profile": profile["name"],
            "width": video["canvas"][0],
            "height": video["canvas"][1],
            "fps": video["fps"],
            "duration_ms": video["duration_ms"],
            "encoder": profile["codec"],
            "overlays": len(parameters["overlays"]),
            "face_blur": None if blur is None else {key: blur[key] for key in ("summary_id", "preset", "style")},
            "captions_artifact_id": parameters["captions"] and parameters["captions"]["artifact_id"],
        },
        "dependency_notices": [_notice(plan, item, registry) for item in plan.inputs if item.role in DEPENDS_ON],
    }


def answer(plan: Plan, record: Record, registry: Registry) -> JSON:
    """The ids and the profile, beside what `preview` shows."""
    return {
        "artifact_id": record.id,
        "asset_id": plan.parent_asset_id,
        "uri": record.uri,
        "render_profile": plan.parameters["profile"]["name"],
        **preview(plan, registry),
    }


def _body(request: RenderRequest, registry: Registry, scope: Scope) -> JSON:
    if request.sequence_id is not None:
        try:
            return sequences.get(registry, scope, request.sequence_id).body
        except NotFound as error:
            raise NotFound(error.message, "sequence_id") from None
    assert request.sequence is not None
    return sequences.build(registry, scope, INLINE, request.sequence)


def _captions(burn: BurnIn | None, found: Resolved, registry: Registry, scope: Scope) -> JSON | None:
    if burn is None:
        return None
    transcript = _transcript(burn, found.asset, registry, scope)
    found.need(transcript.id, "captions")
    try:
        row = font(burn.style.font)
    except UnknownFont as error:
        raise InvalidRequest(str(error), field="burn_in_captions.style.font") from None
    style = burn.style.model_dump() | {"font": row.name, "font_sha256": row.sha256}
    return {"artifact_id": transcript.id, "style": style}


def _transcript(burn: BurnIn, asset: Asset, registry: Registry, scope: Scope) -> Record:
    field = "burn_in_captions.artifact_id"
    if burn.artifact_id is None:
        latest = registry.latest(scope, asset.id, "asr_transcript")
        if latest is None:
            raise MissingDependency(
                f'asset {asset.id} has no captions; make them with POST /video/captions/generate {{"asset_id": '
                f'"{asset.id}"}}',
                field="burn_in_captions",
            )
        return latest
    try:
        record = registry.artifact(scope, burn.artifact_id)
    except NotFound as error:
        raise NotFound(error.message, field) from None
    if record.kind != "asr_transcript":
        raise InvalidRequest(f"{field} is a {record.kind}; give an asr_transcript", field=field)
    if record.parent_asset_id != asset.id:
        raise WrongAsset(f"{field} is of asset {record.parent_asset_id}, and the clip shows {asset.id}", field=field)
    return record


def _notice(plan: Plan, item: Input, registry: Registry) -> JSON:
    """What the render rests on, and whether something about it should be known."""
    record = registry.artifact(plan.scope, item.id)
    meta: dict[str, Any] = record.meta
    level, message = "info", f"made from the {record.kind} {record.id}"
    newest = registry.latest(plan.scope, plan.parent_asset_id or "", record.kind)
    if meta.get("stub"):
        level = "warning"
        message = f"the {record.kind} {record.id} was made by a stub: {meta.get('stub_reason', 'no reason was kept')}"
    elif newest is not None and newest.id != record.id:
        message += f"; a later one is {newest.id}"
    return {
        "kind": record.kind,
        "artifact_id": record.id,
        "backend_version": meta.get("backend_version"),
        "cache_key": meta.get("cache_key"),
        "asset_id": record.parent_asset_id,
        "level": level,
        "message": message,
    }


OPERATION = Operation(
    name="video_render",
    request=RenderRequest,
    path="/video/render",
    plan=plan,
    answer=answer,
    deployment="Video",
    work="deployments.engines.video_render.work:render",
    preview=preview,
    long=True,
    unit="frames",
    example={
        "sequence": {"tracks": [{"kind": "video", "clips": [{"asset_id": "asset_aaaaaaaa"}]}]},
        "render_profile": "source",
    },
)

__all__ = ["BACKEND_VERSION", "OPERATION", "answer", "plan", "preview"]
