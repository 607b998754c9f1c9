"""POST /video/render: a sequence made into a file."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from artifacts import Record, Registry, Scope
from artifacts.errors import NotFound
from configs.fonts import UnknownFont, font, fonts
from configs.profiles import profiles
from configs.settings import Settings
from deployments.engines.video_render.copied import copied
from deployments.engines.video_render.models import BurnIn, Ducking, RenderRequest, SoftCaptions
from deployments.engines.video_render.searcher import choice, listed, weights_id
from deployments.engines.video_render.timeline import Resolved, has_video, resolve
from deployments.engines.video_render.transcripts import transcripts_of
from deployments.errors import InvalidRequest, UnknownPreset
from deployments.operation import JSON, Context, Input, Operation, Plan, Warning
from deployments.timeline import sequences

BACKEND_VERSION = "10"
INLINE = "sequence_aaaaaaaa"
"""The id that a sequence without a document goes by; it never leaves the plan."""
DEPENDS_ON = ("summary", "captions")
"""Roles of the inputs that another operation made and that the picture depends on."""
NOT_PROVED = "the render was not searched for faces that may remain"
MAY_REMAIN = "the render is kept even where a face was found in it; its report says what was found"
R128_LUFS = -23.0
NO_VIDEO_PROFILE = "social_1080p_h264"
"""What `source` becomes where no clip moves."""


def plan(request: RenderRequest, context: Context, registry: Registry, settings: Settings) -> Plan:
    """Raises NotFound, UnknownPreset, InvalidRequest for what is not served, WrongAsset, and MissingDependency."""
    scope = context.scope
    body = _body(request, registry, scope)
    name = request.render_profile or body["render_profile"]
    if name == "source" and not has_video(registry, scope, body):
        name = NO_VIDEO_PROFILE
    if name not in profiles():
        raise UnknownPreset(
            f"there is no render profile {name!r}; there are {', '.join(profiles())}", field="render_profile"
        )
    profile = profiles()[name]
    found = resolve(registry, scope, body, profile, request.start_ms, request.end_ms)
    burnt, soft = request.burn_in_captions, _soft(request.soft_captions)
    captions = None
    if burnt is not None:
        captions = {
            "transcripts": transcripts_of(burnt.artifact_id, "burn_in_captions", found, registry, scope),
            "style": _style(burnt),
        }
    text = None if soft is None else transcripts_of(soft.artifact_id, "soft_captions", found, registry, scope)
    proof, warnings = _proof(request, body, found, registry, scope, settings)
    return Plan(
        operation="video_render",
        scope=scope,
        kind="render",
        parameters={
            "profile": {"name": name, **profile.parameters()},
            "picture": found.picture,
            "clips": found.clips,
            "transitions": found.transitions,
            "sounds": found.sounds,
            "mix": _mix(request),
            "copied": copied(name, found, registry, scope, bool(captions or proof)),
            "captions": captions,
            "soft_captions": text,
            "proof": proof,
        },
        backend=profile.codec,
        backend_version=BACKEND_VERSION,
        inputs=tuple(found.inputs),
        parent_asset_id=found.parent_asset_id,
        weights_id=weights_id(proof, settings) if proof else None,
        warnings=(*found.warnings, *warnings),
    )


def preview(plan: Plan, registry: Registry) -> JSON:
    """`plan_preview` and `dependency_notices`, for a plan that may or may not have been rendered."""
    parameters = plan.parameters
    picture, profile, proof = parameters["picture"], parameters["profile"], parameters["proof"]
    clips = parameters["clips"]
    overlays = sum(clip["overlay"] for clip in clips)
    blurs = [clip["face_blur"] for clip in clips if clip["face_blur"]]
    captions = parameters["captions"]
    return {
        "plan_preview": {
            "render_profile": profile["name"],
            "width": picture["canvas"][0],
            "height": picture["canvas"][1],
            "fps": picture["fps"],
            "duration_ms": picture["duration_ms"],
            "encoder": "copy" if parameters["copied"] else profile["codec"],
            "copied": parameters["copied"],
            "clips": len(clips) - overlays,
            "overlays": overlays,
            "transitions": len(parameters["transitions"]),
            "sounds": len(parameters["sounds"]),
            "face_blur": [{key: blur[key] for key in ("summary_id", "preset", "style")} for blur in blurs],
            "captions_artifact_ids": sorted((captions or {"transcripts": {}})["transcripts"].values()),
            "soft_captions_artifact_ids": sorted((parameters["soft_captions"] or {}).values()),
            "proof": proof and {key: proof[key] for key in ("mode", "detector", "independent", "allow_residual")},
        },
        "dependency_notices": [_notice(plan, item, registry) for item in plan.inputs if item.role in DEPENDS_ON],
    }


def answer(plan: Plan, record: Record, registry: Registry) -> JSON:
    """The ids and the profile, beside what `preview` shows."""
    said = {
        "artifact_id": record.id,
        "asset_id": plan.parent_asset_id,
        "uri": record.uri,
        "render_profile": plan.parameters["profile"]["name"],
        **preview(plan, registry),
    }
    report = record.meta.get("report_artifact_id")
    return said | ({"report_artifact_id": report} if report else {})


def _body(request: RenderRequest, registry: Registry, scope: Scope) -> JSON:
    if request.sequence is not None:
        return sequences.build(registry, scope, INLINE, request.sequence, "sequence.")
    id = request.sequence_id
    if request.project_id is not None:
        project = registry.documents.get(scope, "projects", request.project_id)
        if project is None:
            raise NotFound(field="project_id")
        ids = project.body["sequence_ids"]
        if len(ids) != 1:
            raise InvalidRequest(
                f"the project has {len(ids)} sequences; name one of them as sequence_id", field="project_id"
            )
        id = ids[0]
    try:
        return sequences.get(registry, scope, id or "").body
    except NotFound as error:
        raise NotFound(error.message, "sequence_id") from None


def _proof(
    request: RenderRequest, body: JSON, found: Resolved, registry: Registry, scope: Scope, settings: Settings
) -> tuple[JSON | None, list[Warning]]:
    """How the file is searched, and what the caller should know; None: it is not."""
    blurs = [clip["face_blur"] for clip in found.clips if clip["face_blur"]]
    hidden = bool(blurs) or "anonymised" in body
    mode = request.proof or ("sampled" if hidden else "off")
    if mode == "off":
        return None, [Warning(NOT_PROVED, field="proof", used="off")] if hidden else []
    made_by = {blur["model"] for blur in blurs}
    for id in body.get("anonymised", ()):
        with suppress(NotFound):
            made_by.add(registry.artifact(scope, id).meta["model_used"])
    chosen = choice(sorted(made_by), mode, listed(settings))
    assert chosen, "models.yaml lists a detector"
    proof = {"mode": mode, "allow_residual": request.allow_residual, "made_by": sorted(made_by), **chosen}
    return proof, [Warning(MAY_REMAIN, field="allow_residual", used=True)] if request.allow_residual else []


def _mix(request: RenderRequest) -> JSON:
    """What is done to the whole sound: `loudness` in LUFS or None, `ducking` or None."""
    ducking = Ducking() if request.ducking is True else request.ducking or None
    loudness = request.target_loudness_lufs
    if loudness is None and request.normalize_audio:
        loudness = R128_LUFS
    return {"loudness": loudness, "ducking": ducking and ducking.model_dump()}


def _soft(wanted: SoftCaptions | bool | None) -> SoftCaptions | None:
    if isinstance(wanted, bool):
        return SoftCaptions() if wanted else None
    return wanted


def _style(burn: BurnIn) -> JSON:
    try:
        row = font(burn.style.font)
    except UnknownFont as error:
        raise InvalidRequest(str(error), field="burn_in_captions.style.font") from None
    others = [other.sha256 for other in fonts().values()]  # cues may need letters that the font has not
    return burn.style.model_dump() | {"font": row.name, "font_sha256": row.sha256, "fallback_sha256": others}


def _notice(plan: Plan, item: Input, registry: Registry) -> JSON:
    """What the render rests on, and whether something about it should be known."""
    record = registry.artifact(plan.scope, item.id)
    meta: dict[str, Any] = record.meta
    level, message = "info", f"made from the {record.kind} {record.id}"
    newest = registry.latest(plan.scope, record.parent_asset_id or "", record.kind)
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
    settle="deployments.engines.video_render.settle:settle",
    parts="deployments.engines.video_render.cut:apart",
    preview=preview,
    long=True,
    unit="frames",
    example={
        "sequence": {"tracks": [{"kind": "video", "clips": [{"asset_id": "asset_aaaaaaaa"}]}]},
        "render_profile": "source",
    },
)

__all__ = ["BACKEND_VERSION", "OPERATION", "answer", "plan", "preview"]
