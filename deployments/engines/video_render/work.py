"""The render: decode, paint faces, scale, lay pictures and captions over, encode. One frame at a time, in YUV."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer, OutputContainer
from av.video.frame import VideoFrame

from artifacts.canonical import digest
from configs.fonts import FontMissing, font_path
from deployments.engines.video_render import frames
from deployments.engines.video_render.captions import Captions, on_clip
from deployments.engines.video_render.faces import Painter, Tracks
from deployments.engines.video_render.frames import Clock, Shown
from deployments.engines.video_render.pictures import Overlay, mask_of, overlays
from deployments.engines.video_render.plan import DEPENDS_ON
from deployments.engines.video_render.sound import Sound, sound_of
from deployments.errors import BackendUnavailable, UndecodableMedia
from deployments.media.probe import open_media
from deployments.operation import JSON, Inputs, Output, Plan, Source, Stopped, Tools
from kernels import yuv
from kernels.yuv import Layer, Matrix

MEDIA_TYPE = "video/mp4"
MUXER = {"movflags": "+faststart", "fflags": "+bitexact"}
"""The index in front; no name of the writing library and no time of writing in the file."""
ENCODER = {"a53cc": "0"}
"""Closed captions of the source do not travel inside the frames."""


@dataclass(slots=True)
class Stage:
    """What is done to each frame of a clip."""

    plan: Plan
    painter: Painter | None
    curtain: Layer | None
    """Black where the clip's matte or opacity hides it, in source pixels."""
    overlays: list[Overlay]
    captions: Captions | None
    time_base: Fraction
    """Of the source's pts."""

    def base(self, shown: Shown) -> VideoFrame:
        """The clip's own picture on the canvas: faces painted, matted, upright, scaled."""
        video = self.plan.parameters["video"]
        frame = frames.as_yuv420(shown.frame)
        faces = self.painter.faces(shown.pts, self.time_base) if self.painter else []
        if faces or self.curtain:
            frame = frames.writable(frame)
            own = frames.planes(frame)
            if faces and self.painter:
                self.painter.paint(own, faces)
            if self.curtain:
                yuv.blend(own, self.curtain)
        canvas = (video["canvas"][0], video["canvas"][1])
        x, y, width, height = video["place"]
        return frames.placed(frames.even(frames.upright(frame)), canvas, (x, y, width, height))

    def finish(self, frame: VideoFrame, at: Fraction, keep: bool) -> VideoFrame:
        """The base with what lies over it at a time; `keep`: the base itself is needed again."""
        over = [item.layer for item in self.overlays if item.on(at)]
        caption = self.captions.at(float(at * 1000)) if self.captions else None
        if caption:
            over.append(caption)
        if over:
            frame = frames.duplicate(frame) if keep else frames.writable(frame)
            own = frames.planes(frame)
            for picture in over:
                yuv.blend(own, picture)
        return frame


@dataclass(slots=True)
class Done:
    """What was written."""

    frames: int = 0
    end: Fraction = Fraction(0)
    """Seconds."""


def render(plan: Plan, inputs: Inputs, tools: Tools) -> Output:
    """A sequence's file. Raises UndecodableMedia, BackendUnavailable, Stopped."""
    source = inputs[plan.parameters["video"]["asset_id"]]
    target = tools.scratch / "render.mp4"
    try:
        with open_media(source.path(), source.media_type) as container:
            if not container.streams.video:
                raise UndecodableMedia("the file has no video stream")
            with av.open(str(target), "w", format="mp4", options=MUXER) as out:
                stage, done, sound = _render(plan, inputs, tools, container, out)
    except (av.FFmpegError, EOFError) as error:
        raise UndecodableMedia(f"the video cannot be rendered: {type(error).__name__}") from error
    meta = _meta(plan, inputs, stage, done, sound)
    return Output(MEDIA_TYPE, target, meta, start_ms=0, end_ms=meta["duration_ms"])


def _render(
    plan: Plan, inputs: Inputs, tools: Tools, container: InputContainer, out: OutputContainer
) -> tuple[Stage, Done, Sound | None]:
    video, profile = plan.parameters["video"], plan.parameters["profile"]
    span = (video["in_ms"], video["out_ms"])
    source: Any = container.streams.video[0]
    source.thread_type = "AUTO"
    source.codec_context.thread_count = tools.settings.threads
    clock = Clock.of(container, source)
    color = frames.matrix(source.codec_context)
    encoder = _encoder(out, profile, video, source, color)
    audio: Any = next((stream for stream in container.streams.audio if stream.codec_context), None)
    start = Fraction(container.start_time or 0, av.time_base)
    sound = None if audio is None else sound_of(out, audio, start, span, profile["audio"])
    stage = _stage(plan, inputs, clock.time_base, color)
    if span[0]:
        container.seek(clock.start + int(Fraction(span[0], 1000) / clock.time_base), stream=source)
    streams = [source] if sound is None else [source, audio]
    decoded = frames.decoded(container, streams, sound.feed if sound else None)
    shown = frames.between(((frame, clock.pts(frame)) for frame in decoded), clock, *span)
    if profile["fps"]:
        shown = frames.at_rate(shown, profile["fps"], Fraction(video["duration_ms"], 1000))
    expected = round(video["duration_ms"] / 1000 * float(video["fps"] or source.average_rate or 25))
    done = _encode(stage, encoder, shown, out, tools, expected)
    if not done.frames:
        raise UndecodableMedia("the video has no frame that can be decoded")
    done.end += Fraction(1, profile["fps"]) if profile["fps"] else clock.lasts * clock.time_base
    if sound:
        if span[1] is not None:  # the sound of the last frames lies behind them in the file
            sound.rest(container, audio)
        sound.finish()
    return stage, done, sound


def _encoder(out: OutputContainer, profile: JSON, video: JSON, source: Any, color: Matrix) -> Any:
    """The video stream of the file, with the source's color meaning. Raises BackendUnavailable."""
    rate = profile["fps"] or source.average_rate or source.guessed_rate or 25
    try:
        stream: Any = out.add_stream(profile["codec"], rate=rate, options=ENCODER | profile["options"])
    except (av.FFmpegError, ValueError) as error:
        raise BackendUnavailable(f"the encoder {profile['codec']} is not in this build of FFmpeg") from error
    context = stream.codec_context
    stream.width, stream.height = video["canvas"]
    stream.pix_fmt = frames.PIXELS
    context.time_base = Fraction(1, profile["fps"]) if profile["fps"] else source.time_base
    context.thread_type = "FRAME"  # FFmpeg's default cuts each frame into slices, which costs quality and speed
    given = source.codec_context
    context.color_range, context.colorspace = frames.MPEG_RANGE, frames.SPACES[color]
    context.color_primaries, context.color_trc = given.color_primaries, given.color_trc
    if profile["width"] is None and source.sample_aspect_ratio:
        context.sample_aspect_ratio = source.sample_aspect_ratio
    return stream


def _stage(plan: Plan, inputs: Inputs, time_base: Fraction, color: Matrix) -> Stage:
    parameters = plan.parameters
    video, blur = parameters["video"], parameters["video"]["face_blur"]
    source = inputs[video["asset_id"]]
    size = (int(source.meta["height"]), int(source.meta["width"]))
    canvas = (video["canvas"][0], video["canvas"][1])
    painter = None
    if blur is not None:
        limit = None if blur["mask_artifact_id"] is None else mask_of(inputs[blur["mask_artifact_id"]])
        tracks = Tracks(inputs[blur["tracks_id"]].json(), blur["min_face_px"])
        if tracks.size not in (None, size[::-1]):
            raise UndecodableMedia(f"the face tracks are for {tracks.size} pixels, the video has {size[::-1]}")
        painter = Painter(tracks, blur["preset"], blur["style"], None if limit is None else yuv.subsample(limit))
    matte = None if video["mask_artifact_id"] is None else mask_of(inputs[video["mask_artifact_id"]])
    hidden = matte is not None or video["opacity"] < 1
    return Stage(
        plan=plan,
        painter=painter,
        curtain=yuv.curtain(matte, size, video["opacity"]) if hidden else None,
        overlays=overlays(parameters["overlays"], inputs, canvas, color),
        captions=_captions(parameters["captions"], video, inputs, canvas, color),
        time_base=time_base,
    )


def _captions(
    burn: JSON | None, video: JSON, inputs: Inputs, canvas: tuple[int, int], color: Matrix
) -> Captions | None:
    if burn is None:
        return None
    try:
        font = font_path(burn["style"]["font"])
    except FontMissing as error:
        raise BackendUnavailable(str(error)) from error
    cues = on_clip(inputs[burn["artifact_id"]].json()["cues"], video["in_ms"], video["out_ms"])
    return Captions(cues, burn["style"], font, canvas, color)


def _encode(stage: Stage, encoder: Any, shown: Iterator[Shown], out: OutputContainer, tools: Tools, total: int) -> Done:
    done = Done()
    base: tuple[VideoFrame, VideoFrame] | None = None  # a decoded frame and what it became
    time_base = encoder.codec_context.time_base
    repeats = bool(stage.plan.parameters["profile"]["fps"])  # at a constant rate a frame may be shown again
    last = -1
    for item in shown:
        if tools.stop.is_set():
            raise Stopped
        if base is None or base[0] is not item.frame:
            base = item.frame, stage.base(item)
        last = max(last + 1, round(item.at / time_base))
        frame = stage.finish(base[1], item.at, repeats)
        out.mux(encoder.encode(frames.for_encoder(frame, last, time_base)))
        done.frames, done.end = done.frames + 1, last * time_base
        tools.progress(done.frames, max(total, done.frames))
    out.mux(encoder.encode(None))
    return done


def _meta(plan: Plan, inputs: Inputs, stage: Stage, done: Done, sound: Sound | None) -> JSON:
    video, profile = plan.parameters["video"], plan.parameters["profile"]
    return {
        "profile": profile["name"],
        "duration_ms": round(done.end * 1000),
        "width": video["canvas"][0],
        "height": video["canvas"][1],
        "fps": video["fps"] or round(float(done.frames / done.end), 6),
        "frames": done.frames,
        "plan_hash": digest(plan.parameters),
        "cache_key": plan.cache_key,
        "backend_version": plan.backend_version,
        "encoder": profile["codec"],
        "device": "cpu",
        "audio": "none" if sound is None else sound.how,
        "faces_painted": stage.painter.painted if stage.painter else 0,
        "dependencies": [_dependency(inputs[item.id]) for item in plan.inputs if item.role in DEPENDS_ON],
    }


def _dependency(source: Source) -> JSON:
    kept = ("backend_version", "cache_key", "stub")
    said: JSON = {key: value for key, value in source.meta.items() if key in kept}
    return {"kind": source.kind, "artifact_id": source.id} | said


__all__ = ["render"]
