"""The render: every frame composed and encoded, then the file searched for faces that remain, and repaired."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer

from artifacts.canonical import digest
from deployments.engines.video_render import frames, texts
from deployments.engines.video_render.compose import Cover, Scene, cues_of
from deployments.engines.video_render.facts import STILLS, Facts, facts_of
from deployments.engines.video_render.notes import Notes
from deployments.engines.video_render.plan import DEPENDS_ON
from deployments.engines.video_render.proof import REPORT, Proof, prove
from deployments.engines.video_render.sound import Soundtrack
from deployments.errors import BackendUnavailable, UndecodableMedia
from deployments.operation import JSON, Inputs, Output, Plan, Source, Stopped, Tools

MEDIA_TYPE = "video/mp4"
MUXER = {"movflags": "+faststart", "fflags": "+bitexact"}
"""The index in front; no name of the writing library and no time of writing in the file."""
ENCODER = {"a53cc": "0"}
"""Closed captions of the source do not travel inside the frames."""


async def render(plan: Plan, inputs: Inputs, tools: Tools) -> Output:
    """A sequence's file. Raises UndecodableMedia, BackendUnavailable, ResidualFaces, Stopped."""

    async def encode(cover: Sequence[Cover]) -> Notes:
        notes: Notes = await tools.thread(_encode, plan, inputs, tools, cover)
        return notes

    notes = await encode(())
    proof: Proof | None = None
    if plan.parameters["proof"] is not None:
        notes, proof = await prove(plan, inputs, tools, notes, encode)
    meta = _meta(plan, inputs, tools, notes, proof)
    sides = (proof.report(plan, notes),) if proof else ()
    return Output(MEDIA_TYPE, notes.path, meta, sides, start_ms=0, end_ms=meta["duration_ms"])


def _encode(plan: Plan, inputs: Inputs, tools: Tools, cover: Sequence[Cover]) -> Notes:
    """One pass over the timeline, into a file of its own."""
    target = tools.scratch / "render.mp4"
    target.unlink(missing_ok=True)
    parameters = plan.parameters
    rows = parameters["clips"]
    try:
        moving = dict.fromkeys(row["source_id"] for row in rows if row["kind"] == "video")
        facts = {id: facts_of(inputs[id]) for id in moving}
        leader = next(iter(facts.values()), STILLS)
        with av.open(str(target), "w", format="mp4", options=MUXER) as out:
            encoder = _encoder(out, plan, leader)
            heard = {id: fact.heard for id, fact in facts.items() if fact.heard}
            sound = Soundtrack(out, rows, heard, parameters["profile"]["audio"])
            text = parameters["soft_captions"] and texts.track(out)
            scene = Scene(plan, inputs, tools, leader.matrix, cover=cover)
            notes = _written(plan, tools, scene, sound, encoder, out, target, leader)
            sound.finish()
            if text:
                texts.write(out, text, cues_of(parameters, parameters["soft_captions"], inputs), int(notes.end * 1000))
    except (av.FFmpegError, EOFError) as error:
        raise UndecodableMedia(f"the video cannot be rendered: {type(error).__name__}") from error
    return notes


def _encoder(out: OutputContainer, plan: Plan, leader: Facts) -> Any:
    """The video stream of the file, with the first clip's color meaning. Raises BackendUnavailable."""
    profile, picture = plan.parameters["profile"], plan.parameters["picture"]
    rate = Fraction(*picture["rate"]) if picture["rate"] else leader.rate
    try:
        stream: Any = out.add_stream(profile["codec"], rate=rate, options=ENCODER | profile["options"])
    except (av.FFmpegError, ValueError) as error:
        raise BackendUnavailable(f"the encoder {profile['codec']} is not in this build of FFmpeg") from error
    context = stream.codec_context
    stream.width, stream.height = picture["canvas"]
    stream.pix_fmt = frames.PIXELS
    context.time_base = 1 / rate if picture["rate"] else leader.time_base
    context.thread_type = "FRAME"  # FFmpeg's default cuts each frame into slices, which costs quality and speed
    context.color_range, context.colorspace = frames.MPEG_RANGE, frames.SPACES[leader.matrix]
    context.color_primaries, context.color_trc = leader.primaries, leader.transfer
    if profile["width"] is None and leader.aspect:
        context.sample_aspect_ratio = leader.aspect
    return stream


def _written(
    plan: Plan,
    tools: Tools,
    scene: Scene,
    sound: Soundtrack,
    encoder: Any,
    out: OutputContainer,
    target: Path,
    leader: Facts,
) -> Notes:
    """Every frame into the file."""
    picture = plan.parameters["picture"]
    time_base = encoder.codec_context.time_base
    notes = Notes(target, time_base, leader.matrix)
    expected = round(picture["duration_ms"] / 1000 * float(picture["fps"] or leader.rate))
    numbers = {id(clip): number for number, clip in enumerate(scene.clips)}
    last = -1
    for item in scene.pictures(sound):
        if tools.stop.is_set():
            raise Stopped
        last = max(last + 1, round(item.at / time_base))
        frame = item.frame()
        tracks = item.clip.tracked(item.shown) if item.clip and item.shown else []
        notes.frame(frame, last, numbers.get(id(item.clip), -1), tracks)
        out.mux(encoder.encode(frames.for_encoder(frame, last, time_base)))
        tools.progress(len(notes.pts), max(expected, len(notes.pts)))
    out.mux(encoder.encode(None))
    if not notes.pts:
        raise UndecodableMedia("the video has no frame that can be decoded")
    lasts = time_base if picture["rate"] else scene.clips[0].lasts
    notes.end = last * time_base + lasts
    notes.painted, notes.sound = scene.painted, sound.how
    return notes


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
        "encoder": profile["codec"],
        "device": "cpu",
        "audio": notes.sound,
        "faces_painted": notes.painted,
        "dependencies": [_dependency(inputs[item.id]) for item in plan.inputs if item.role in DEPENDS_ON],
    }
    if proof:
        said = {"report_artifact_id": tools.side_id("anonymise_report", REPORT), "residual_faces": len(proof.residual)}
        meta |= said | {"proof": plan.parameters["proof"]["mode"]}
    return meta


def _dependency(source: Source) -> JSON:
    kept = ("backend_version", "cache_key", "stub")
    said: JSON = {key: value for key, value in source.meta.items() if key in kept}
    return {"kind": source.kind, "artifact_id": source.id} | said


__all__ = ["render"]
