"""The frames of a render, in order: clips decoded, faces painted, scaled, pictures and captions laid over. In YUV."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from configs.fonts import FontMissing, font_path
from deployments.engines.video_render import frames
from deployments.engines.video_render.captions import Captions, on_clip
from deployments.engines.video_render.faces import Box, Painter, Tracks
from deployments.engines.video_render.frames import Clock, Shown
from deployments.engines.video_render.models import TrackChoice
from deployments.engines.video_render.pictures import Overlay, mask_of, overlays, still
from deployments.engines.video_render.sound import Soundtrack
from deployments.errors import BackendUnavailable, UndecodableMedia
from deployments.media.probe import open_media
from deployments.operation import JSON, Inputs, Plan, Tools
from kernels import anonymise, yuv
from kernels.anonymise import Cells
from kernels.tracks import Track
from kernels.yuv import Layer, Matrix

GROW = 1.15
"""A box that the proof found grows by this factor before it is covered."""


@dataclass(slots=True)
class Cover:
    """Boxes on the finished picture that are painted in one color: what the proof asks to be covered."""

    tracks: Sequence[Track]
    """Numbered by the render's frames, in its pixels."""
    _held: dict[int, Cells] = field(default_factory=dict)

    def on(self, number: int) -> bool:
        return any(track.first <= number <= track.last for track in self.tracks)

    def paint(self, frame: VideoFrame, number: int) -> None:
        """Paints over the frame's own memory; the color of a track is taken once and held."""
        own = frames.planes(frame)
        for key, track in enumerate(self.tracks):
            if not track.first <= number <= track.last:
                continue
            x, y, w, h = (float(value) for value in track.boxes[number - track.first])
            face = anonymise.circumscribe(x, y, max(w, 1.0), max(h, 1.0), GROW)
            if key not in self._held:
                self._held[key] = anonymise.quantise(anonymise.reduce(own, face, (1, 1)))
            anonymise.paint(own, face, self._held[key], "solid")


class Clip:
    """One clip, decoded and made into pictures of the canvas."""

    def __init__(self, row: JSON, canvas: tuple[int, int], color: Matrix, inputs: Inputs, painted: bool) -> None:
        """`painted` False: faces stay as they are, and what would be painted is still known."""
        self.row = row
        self._canvas, self._color, self._painted = canvas, color, painted
        self._source = inputs[row["source_id"]]
        meta = self._source.meta
        self._size = (int(meta["height"]), int(meta["width"]))
        matte = None if row["mask_artifact_id"] is None else mask_of(inputs[row["mask_artifact_id"]])
        hidden = matte is not None or row["opacity"] < 1
        self._size = self._size if matte is None else (matte.shape[0], matte.shape[1])
        self._curtain: Layer | None = yuv.curtain(matte, self._size, row["opacity"]) if hidden else None
        self._inputs = inputs
        self._last: tuple[VideoFrame, VideoFrame] | None = None  # a decoded frame and what it became
        self._matrix = color
        self.time_base = Fraction(1, 1000)
        self.painter: Painter | None = None
        self.complete = False
        """Whether every frame that is wanted was read."""
        self.lasts = Fraction(0)
        """Seconds that the last frame decoded is shown."""

    def shown(self, threads: int, sound: Soundtrack | None) -> Iterator[Shown]:
        """Its frames from its start. Packets of its sound go to `sound`."""
        if self.row["kind"] == "image":
            rgba = still(self._source)
            yield Shown(_as_frame(rgba, self._color), 0, Fraction(0))
            return
        with open_media(self._source.path(), self._source.media_type) as container:
            yield from self._decoded(container, threads, sound)

    def _decoded(self, container: InputContainer, threads: int, sound: Soundtrack | None) -> Iterator[Shown]:
        if not container.streams.video:
            raise UndecodableMedia("the file has no video stream")
        source: Any = container.streams.video[0]
        source.thread_type = "AUTO"
        source.codec_context.thread_count = threads
        self._matrix = frames.matrix(source.codec_context)
        clock = Clock.of(container, source)
        self.time_base = clock.time_base
        self._open_painter(Fraction(container.start_time or 0, av.time_base))
        heard = sound.enter(container, self.row) if sound else None
        row = self.row
        if row["in_ms"]:
            container.seek(clock.start + int(Fraction(row["in_ms"], 1000) / clock.time_base), stream=source)
        streams = [source] if heard is None else [source, heard[0]]
        decoded = frames.decoded(container, streams, heard[1].feed if heard else None)
        pairs = ((frame, clock.pts(frame)) for frame in decoded)
        try:
            yield from frames.between(pairs, clock, row["in_ms"], row["out_ms"])
            self.lasts = clock.lasts * clock.time_base
            self.complete = True
        finally:
            if heard and self.complete:  # the sound of the last frames lies behind them in the file
                heard[1].rest(container)

    def _open_painter(self, start: Fraction) -> None:
        blur = self.row["face_blur"]
        if blur is None or self.painter is not None:
            return
        limit = None if blur["mask_artifact_id"] is None else mask_of(self._inputs[blur["mask_artifact_id"]])
        chosen = None if blur["tracks"] is None else TrackChoice.model_validate(blur["tracks"])
        body = self._inputs[blur["tracks_id"]].json()
        tracks = Tracks(body, blur["min_face_px"], chosen, blur["spans"], start)
        if tracks.size not in (None, self._size[::-1]):
            raise UndecodableMedia(f"the face tracks are for {tracks.size} pixels, the video has {self._size[::-1]}")
        self.painter = Painter(tracks, blur["preset"], blur["style"], None if limit is None else yuv.subsample(limit))

    def base(self, shown: Shown) -> VideoFrame:
        """Its picture on the canvas: faces painted, matted, upright, scaled. The same one for the same frame."""
        if self._last is None or self._last[0] is not shown.frame:
            self._last = shown.frame, self._made(shown)
        return self._last[1]

    def _made(self, shown: Shown) -> VideoFrame:
        frame = frames.as_yuv420(shown.frame)
        if self._matrix != self._color:
            frame = frames.in_matrix(frame, self._matrix, self._color)
        faces = self.painter.faces(shown.pts, self.time_base) if self.painter and self._painted else []
        if faces or self._curtain:
            frame = frames.writable(frame)
            own = frames.planes(frame)
            if faces and self.painter:
                self.painter.paint(own, faces)
            if self._curtain:
                yuv.blend(own, self._curtain)
        x, y, width, height = self.row["place"]
        upright = frames.even(frames.upright(frame, frames.turns(shown.frame)))
        return frames.placed(upright, self._canvas, (x, y, width, height))

    def tracked(self, shown: Shown) -> list[int]:
        """The tracks painted in a frame."""
        return [track for track, _ in self.painter.faces(shown.pts, self.time_base)] if self.painter else []

    def left_open(self, shown: Shown) -> NDArray[np.float64]:
        """[n, 4] on the canvas: the faces that the caller wants left as they are."""
        boxes = self.painter.left_open(shown.pts, self.time_base) if self.painter else []
        return np.array([self._on_canvas(box, shown.frame) for box in boxes], np.float64).reshape(-1, 4)

    def _on_canvas(self, box: Box, frame: VideoFrame) -> Box:
        x, y, w, h = box
        width, height = frame.width, frame.height
        turns = frames.turns(frame)
        x, y, w, h = {
            0: (x, y, w, h),
            1: (y, width - x - w, h, w),
            2: (width - x - w, height - y - h, w, h),
            3: (height - y - h, x, h, w),
        }[turns]
        if turns % 2:
            width, height = height, width
        left, top, across, down = self.row["place"]
        sx, sy = across / (width & ~1 or width), down / (height & ~1 or height)
        return left + x * sx, top + y * sy, w * sx, h * sy


@dataclass(slots=True)
class Picture:
    """One frame of the render, made when it is asked for."""

    number: int
    at: Fraction
    """Seconds."""
    clip: Clip | None
    """None: black."""
    shown: Shown | None
    scene: Scene

    def frame(self) -> VideoFrame:
        return self.scene.made(self)

    def left_open(self) -> NDArray[np.float64]:
        """[n, 4] The faces in it that the caller wants left as they are."""
        return self.clip.left_open(self.shown) if self.clip and self.shown else np.zeros((0, 4))


class Scene:
    """A plan's frames. Made anew for each pass, for what is held of a face belongs to one pass."""

    def __init__(
        self,
        plan: Plan,
        inputs: Inputs,
        tools: Tools,
        color: Matrix,
        *,
        painted: bool = True,
        cover: Sequence[Cover] = (),
    ) -> None:
        parameters = plan.parameters
        self._plan, self._tools, self._cover = plan, tools, cover
        self._picture = parameters["picture"]
        self.canvas: tuple[int, int] = (self._picture["canvas"][0], self._picture["canvas"][1])
        self.clips = [Clip(row, self.canvas, color, inputs, painted) for row in parameters["clips"]]
        self._overlays: list[Overlay] = overlays(parameters["overlays"], inputs, self.canvas, color)
        self._captions = _captions(parameters, inputs, self.canvas, color)
        self._black: VideoFrame | None = None
        self.repeats = self._picture["rate"] is not None
        """At a constant rate a frame may be shown again."""

    @property
    def painted(self) -> int:
        """Faces painted so far, each counted in each frame."""
        return sum(clip.painter.painted for clip in self.clips if clip.painter)

    def pictures(self, sound: Soundtrack | None = None) -> Iterator[Picture]:
        threads = self._tools.settings.threads
        if self._picture["rate"] is None:
            (clip,) = self.clips
            for number, shown in enumerate(clip.shown(threads, sound)):
                yield Picture(number, shown.at, clip, shown, self)
            return
        rate = Fraction(*self._picture["rate"])
        number = 0
        for clip in self.clips:
            start, lasts = Fraction(clip.row["start_ms"], 1000), Fraction(clip.row["duration_ms"], 1000)
            first, end = math.ceil(start * rate), math.ceil((start + lasts) * rate)
            yield from self._empty(number, first, rate)
            number = max(number, first)
            times = (tick / rate - start for tick in range(number, end))
            source = clip.shown(threads, sound)
            for shown in frames.on_screen(source, times):
                yield Picture(number, number / rate, clip, shown, self)
                number += 1
            clip.complete = True
            source.close()  # type: ignore[attr-defined]
        yield from self._empty(number, math.ceil(Fraction(self._picture["duration_ms"], 1000) * rate), rate)

    def made(self, picture: Picture) -> VideoFrame:
        """The base with what lies over it."""
        base = picture.clip.base(picture.shown) if picture.clip and picture.shown else self._nothing()
        over = [item.layer for item in self._overlays if item.on(picture.at)]
        covers = [cover for cover in self._cover if cover.on(picture.number)]
        caption = self._captions.at(float(picture.at * 1000)) if self._captions else None
        if not (over or covers or caption):
            return base
        frame = frames.duplicate(base) if self.repeats else frames.writable(base)
        for layer in over:
            yuv.blend(frames.planes(frame), layer)
        for cover in covers:
            cover.paint(frame, picture.number)
        if caption:
            yuv.blend(frames.planes(frame), caption)
        return frame

    def _empty(self, first: int, end: int, rate: Fraction) -> Iterator[Picture]:
        for number in range(first, end):
            yield Picture(number, number / rate, None, None, self)

    def _nothing(self) -> VideoFrame:
        self._black = self._black or frames.black(self.canvas)
        return self._black


def _as_frame(rgba: NDArray[np.uint8], color: Matrix) -> VideoFrame:
    """A picture over black as a frame."""
    frame = frames.black((rgba.shape[1], rgba.shape[0]))
    yuv.blend(frames.planes(frame), yuv.layer(rgba, 0, 0, color))
    return frame


def cues_of(parameters: JSON, transcripts: Mapping[str, str], inputs: Inputs) -> list[JSON]:
    """The cues of every clip's transcript, timed from the file's start."""
    cues: list[JSON] = []
    for row in parameters["clips"]:
        id = transcripts.get(row["source_id"])
        if id is None:
            continue
        end = row["in_ms"] + row["duration_ms"] if row["out_ms"] is not None else None
        for cue in on_clip(inputs[id].json()["cues"], row["in_ms"], end):
            moved = {key: cue[key] + row["start_ms"] for key in ("start_ms", "end_ms")}
            cues.append(cue | moved)
    return sorted(cues, key=lambda cue: cue["start_ms"])


def _captions(parameters: JSON, inputs: Inputs, canvas: tuple[int, int], color: Matrix) -> Captions | None:
    burn = parameters["captions"]
    if burn is None:
        return None
    try:
        font = font_path(burn["style"]["font"])
    except FontMissing as error:
        raise BackendUnavailable(str(error)) from error
    return Captions(cues_of(parameters, burn["transcripts"], inputs), burn["style"], font, canvas, color)


__all__ = ["Clip", "Cover", "Picture", "Scene", "cues_of"]
