"""The render: every frame composed and encoded in segments, those searched for faces and repaired, then one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av

from artifacts.canonical import digest
from deployments.engines.video_render.covers import Cover
from deployments.engines.video_render.film import Film
from deployments.engines.video_render.join import copy, join
from deployments.engines.video_render.notes import Notes
from deployments.engines.video_render.plan import DEPENDS_ON
from deployments.engines.video_render.proof import REPORT, Proof, prove
from deployments.engines.video_render.sound import Sound
from deployments.errors import UndecodableMedia
from deployments.operation import JSON, Inputs, Output, Plan, Source, Tools

MEDIA_TYPES = {"mp4": "video/mp4", "mov": "video/quicktime"}
COPY = "copy"


async def render(plan: Plan, inputs: Inputs, tools: Tools) -> Output:
    """A sequence's file. Raises UndecodableMedia, BackendUnavailable, ResidualFaces, Stopped."""
    if plan.parameters["copied"]:
        notes = Notes("bt709")
        source = inputs[plan.parameters["clips"][0]["source_id"]]
        made = await tools.thread(_copied, plan, inputs, tools, source, notes)
        if made is not None:
            return _output(plan, inputs, tools, notes, None, made, COPY)
    film = await tools.thread(Film, plan, inputs, tools)
    notes = await tools.thread(film.shoot)
    proof: Proof | None = None
    if plan.parameters["proof"] is not None:

        async def repair(covers: Sequence[Cover], numbers: Sequence[int]) -> None:
            await tools.thread(film.again, notes, covers, numbers)

        proof = await prove(plan, tools, notes, film, repair)
    made = await tools.thread(join, plan, inputs, tools, notes)
    return _output(plan, inputs, tools, notes, proof, made, plan.parameters["profile"]["codec"])


def _copied(plan: Plan, inputs: Inputs, tools: Tools, source: Source, notes: Notes) -> tuple[Path, Sound] | None:
    try:
        return copy(plan, inputs, tools, source, notes)
    except av.FFmpegError as error:
        raise UndecodableMedia(f"the video cannot be rendered: {type(error).__name__}") from error


def _output(
    plan: Plan, inputs: Inputs, tools: Tools, notes: Notes, proof: Proof | None, made: tuple[Path, Sound], encoder: str
) -> Output:
    path, sound = made
    meta = _meta(plan, inputs, tools, notes, proof) | {"encoder": encoder, "audio": sound.how} | sound.said
    sides = (proof.report(plan, notes),) if proof else ()
    kind = MEDIA_TYPES[plan.parameters["profile"]["container"]]
    return Output(kind, path, meta, sides, start_ms=0, end_ms=meta["duration_ms"])


def _meta(plan: Plan, inputs: Inputs, tools: Tools, notes: Notes, proof: Proof | None) -> JSON:
    picture, profile = plan.parameters["picture"], plan.parameters["profile"]
    meta = {
        "profile": profile["name"],
        "duration_ms": round(notes.end * 1000),
        "width": picture["canvas"][0],
        "height": picture["canvas"][1],
        "fps": picture["fps"] or round(float(len(notes.pts) / notes.end), 6),
        "frames": len(notes.pts),
        "plan_hash": digest(plan.parameters),
        "cache_key": plan.cache_key,
        "backend_version": plan.backend_version,
        "device": "cpu",
        "faces_painted": notes.painted,
        "dependencies": [_dependency(inputs[item.id]) for item in plan.inputs if item.role in DEPENDS_ON],
    }
    if profile["requested"] != profile["codec"]:
        meta["encoder_requested"] = profile["requested"]
    if proof:
        said = {"report_artifact_id": tools.side_id("anonymise_report", REPORT), "residual_faces": len(proof.residual)}
        meta |= said | {"proof": plan.parameters["proof"]["mode"]}
    return meta


def _dependency(source: Source) -> JSON:
    kept = ("backend_version", "cache_key", "stub")
    said: JSON = {key: value for key, value in source.meta.items() if key in kept}
    return {"kind": source.kind, "artifact_id": source.id} | said


__all__ = ["render"]
