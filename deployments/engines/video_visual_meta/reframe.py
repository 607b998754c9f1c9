"""POST /video/visual-meta/reframe-suggestion: where to crop for another aspect ratio. Makes no artifact.

One crop a shot, the largest of that shape, its middle at the median of the primary subject's centers and moved into
the frame; in the middle of the frame where no subject is seen. It does not move within a shot.
"""

from __future__ import annotations

from statistics import median

from artifacts import Record, Registry, Scope
from artifacts.errors import NotFound
from configs.settings import Settings
from deployments.engines.video_visual_meta.lookup import clip_of, latest, summary_of, within
from deployments.engines.video_visual_meta.models import ReframeRequest
from deployments.engines.video_visual_meta.plan import KIND, video
from deployments.errors import InvalidRequest
from deployments.operation import JSON, Context, Input, Need, Operation, Plan, Warning

BACKEND = "median_crop"
BACKEND_VERSION = "1"


def plan(request: ReframeRequest, context: Context, registry: Registry, settings: Settings) -> Plan:
    """The visual meta that is given, else the asset's latest, else made first. Raises NotFound, InvalidRequest."""
    scope = context.scope
    stretch: list[int | None] = [0, None]
    record: Record | None
    if request.visual_meta_artifact_id is not None:
        record = _given(registry, scope, request.visual_meta_artifact_id)
        asset_id = record.parent_asset_id
    else:
        asset_id = request.asset_id
        if request.clip_id is not None:
            try:
                clip = clip_of(registry, scope, request.clip_id)
            except NotFound as error:
                raise NotFound(error.message, "clip_id") from None
            asset_id, stretch = clip["asset_id"], [clip["in_ms"], clip.get("out_ms")]
        assert asset_id is not None
        video(registry, scope, asset_id, "asset_id" if request.clip_id is None else "clip_id")
        record = latest(registry, scope, asset_id)
    made_first = Warning(f"there was no visual meta of {asset_id}, so POST /video/visual-meta/analyze was done first")
    return Plan(
        operation="video_reframe_suggestion",
        scope=scope,
        kind="",
        parameters={"asset_id": asset_id, "aspect_ratio": request.aspect_ratio, "stretch": stretch},
        backend=BACKEND,
        backend_version=BACKEND_VERSION,
        inputs=(Input(record.id, KIND),) if record else (),
        needs=() if record else (Need(KIND, "video_visual_meta", {"asset_id": asset_id}),),
        parent_asset_id=asset_id,
        warnings=() if record else (made_first,),
    )


def _given(registry: Registry, scope: Scope, id: str) -> Record:
    try:
        record = registry.artifact(scope, id)
    except NotFound as error:
        raise NotFound(error.message, "visual_meta_artifact_id") from None
    if record.kind != KIND:
        raise InvalidRequest(
            f"visual_meta_artifact_id is a {record.kind}; give a {KIND}", field="visual_meta_artifact_id"
        )
    return record


def act(plan: Plan, registry: Registry, settings: Settings) -> tuple[JSON, bool]:
    """The answer's own fields; nothing is changed."""
    record = registry.artifact(plan.scope, plan.inputs[0].id)
    start, end = plan.parameters["stretch"]
    summary = within(summary_of(registry, plan.scope, record), start, end)
    size = (record.meta["width"], record.meta["height"])
    wide, high = (int(side) for side in plan.parameters["aspect_ratio"].split(":"))
    if record.meta.get("rotation", 0) % 180:  # shown lying on its side: the crop is in the decoded frame
        wide, high = high, wide
    crop = crop_size(size, wide, high)
    answer = {
        "visual_meta_artifact_id": record.id,
        "asset_id": record.parent_asset_id,
        "aspect_ratio": plan.parameters["aspect_ratio"],
        "width": size[0],
        "height": size[1],
        "method": BACKEND,
        "suggestions": [suggestion(shot, summary["frames"], size, crop) for shot in summary["shots"]],
    }
    return answer, False


def crop_size(size: tuple[int, int], wide: int, high: int) -> tuple[int, int]:
    """The largest even width and height of the ratio wide:high inside `size` (never under 2 pixels)."""
    width, height = size
    if width * high > height * wide:
        width = height * wide // high
    else:
        height = width * high // wide
    return max(2, min(width, size[0]) // 2 * 2), max(2, min(height, size[1]) // 2 * 2)


def suggestion(shot: JSON, frames: list[JSON], size: tuple[int, int], crop: tuple[int, int]) -> JSON:
    """One shot's crop, [x, y, w, h] in pixels of the decoded frame; `inside`: in which share of the samples with a
    subject its center lies in the crop."""
    seen = [
        (frame["primary_subject_center_x"] * size[0], frame["primary_subject_center_y"] * size[1])
        for frame in frames
        if shot["start_ms"] <= frame["timestamp_ms"] < shot["end_ms"] and frame["primary_subject_center_x"] is not None
    ]
    centers = [list(axis) for axis in zip(*seen, strict=True)] or [[size[0] / 2], [size[1] / 2]]
    at = [
        min(max(0, round(median(values) - side / 2)), whole - side)
        for values, side, whole in zip(centers, crop, size, strict=True)
    ]
    inside = [
        all(low <= value <= low + side for value, low, side in zip(point, at, crop, strict=True)) for point in seen
    ]
    return {
        "start_ms": shot["start_ms"],
        "end_ms": shot["end_ms"],
        "crop": [*at, *crop],
        "reason": "subject" if seen else "center",
        "samples": len(seen),
        "inside": round(sum(inside) / len(inside), 4) if inside else None,
    }


OPERATION = Operation(
    name="video_reframe_suggestion",
    request=ReframeRequest,
    plan=plan,
    act=act,
    path="/video/visual-meta/reframe-suggestion",
    example={"asset_id": "asset_aaaaaaaa", "aspect_ratio": "9:16"},
)

__all__ = ["OPERATION", "act", "crop_size", "plan", "suggestion"]
