"""The render: every segment composed, encoded, searched for faces and kept, unless it was before; then one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av

from artifacts.canonical import digest
from configs.settings import Settings
from deployments.engines.video_render import worst
from deployments.engines.video_render.cut import KIND, cut
from deployments.engines.video_render.join import Strip, copy, join
from deployments.engines.video_render.plan import DEPENDS_ON
from deployments.engines.video_render.proof import REPORT, refusal, report, total
from deployments.engines.video_render.reel import MEDIA_TYPES, reel, segment
from deployments.engines.video_render.segments import Segment
from deployments.engines.video_render.sound import Sound
from deployments.errors import UndecodableMedia
from deployments.operation import JSON, Inputs, Output, Plan, Side, Source, Tools
from kernels import anonymise, motion, sound, stretch, tonemap, yuv
from kernels.compiled import alone

COPY = "copy"
Made = tuple[Path, Sound, Strip]


async def render(plan: Plan, inputs: Inputs, tools: Tools) -> Output:
    """A sequence's file, or one segment of it. Raises UndecodableMedia, BackendUnavailable, ResidualFaces, Stopped."""
    if plan.kind == KIND:
        return await segment(plan, inputs, tools)
    if plan.parameters["copied"]:
        source = inputs[plan.parameters["clips"][0]["source_id"]]
        copied: Made | None = await tools.thread(_copied, plan, inputs, tools, source)
        if copied is not None:
            return _output(plan, inputs, tools, copied, COPY, {"faces_painted": 0})
    plans = await tools.thread(cut, plan, inputs)
    segments, found = await reel(plans, inputs, tools)
    painted = sum(one.painted for one in segments)
    said: JSON = {"faces_painted": painted, "segments": len(segments), "segments_found": found}
    sides: tuple[Side, ...] = ()
    if plan.parameters["proof"] is not None:
        proof = _total(segments)
        refused = bool(proof["residual"]["count"] and not plan.parameters["proof"]["allow_residual"])
        shown = worst.rows(proof)
        pictures: list[Side] = await tools.thread(worst.pictures, shown, segments, tools.settings.threads, tools.stop)
        main = "anonymise_report" if refused else plan.kind  # whose sides the pictures are
        ids = [tools.side_id(picture.kind, picture.name, main) for picture in pictures]
        named = [row | {"picture_artifact_id": id} for row, id in zip(shown, ids, strict=True)]
        frames = sum(len(one.pts) for one in segments)
        side = report(plan, proof, frames, painted, plan.parameters["picture"]["duration_ms"], named)
        if refused:
            raise refusal(proof, side, pictures)
        sides = (side, *pictures)
        said |= {"report_artifact_id": tools.side_id("anonymise_report", REPORT)}
        said |= {"residual_faces": proof["residual"]["count"], "proof": plan.parameters["proof"]["mode"]}
    made: Made = await tools.thread(join, plan, inputs, tools, segments)
    return _output(plan, inputs, tools, made, plan.parameters["profile"]["codec"], said, sides)


def _copied(plan: Plan, inputs: Inputs, tools: Tools, source: Source) -> Made | None:
    try:
        return copy(plan, inputs, tools, source)
    except av.FFmpegError as error:
        raise UndecodableMedia(f"the video cannot be rendered: {type(error).__name__}") from error


def _total(segments: list[Segment]) -> JSON:
    proofs, first = [], 0
    for one in segments:
        assert one.proof is not None
        proofs.append((first, one.proof))
        first += len(one.pts)
    return total(proofs)


def _output(
    plan: Plan, inputs: Inputs, tools: Tools, made: Made, encoder: str, said: JSON, sides: Sequence[Side] = ()
) -> Output:
    path, sound, strip = made
    picture, profile = plan.parameters["picture"], plan.parameters["profile"]
    meta = {
        "profile": profile["name"],
        "duration_ms": round(strip.end * 1000),
        "width": picture["canvas"][0],
        "height": picture["canvas"][1],
        "fps": picture["fps"] or round(float(len(strip.pts) / strip.end), 6),
        "frames": len(strip.pts),
        "plan_hash": digest(plan.parameters),
        "cache_key": plan.cache_key,
        "backend_version": plan.backend_version,
        "device": "cpu",
        "dependencies": [_dependency(inputs[item.id]) for item in plan.inputs if item.role in DEPENDS_ON],
        "encoder": encoder,
        "audio": sound.how,
    }
    if profile["requested"] != profile["codec"]:
        meta["encoder_requested"] = profile["requested"]
    kind = MEDIA_TYPES[profile["container"]]
    return Output(kind, path, meta | said | sound.said, sides, start_ms=0, end_ms=meta["duration_ms"])


def _dependency(source: Source) -> JSON:
    kept = ("backend_version", "cache_key", "stub")
    said: JSON = {key: value for key, value in source.meta.items() if key in kept}
    return {"kind": source.kind, "artifact_id": source.id} | said


def warm(settings: Settings) -> None:
    """Compiles the kernels of all video ahead: some seconds the first time on a machine."""
    with alone("video"):
        for kernel in (anonymise, motion, sound, stretch, tonemap, yuv):
            kernel.warm()


__all__ = ["render", "warm"]
