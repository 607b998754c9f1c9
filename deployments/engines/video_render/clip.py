"""One clip: decoded, faces painted, upright, cropped, scaled into its place; with its alpha where it has one."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from deployments.engines.video_render import frames, motion
from deployments.engines.video_render.clock import Reel, Shown, between
from deployments.engines.video_render.faces import Box, Painter, Track, Tracks
from deployments.engines.video_render.models import TrackChoice
from deployments.engines.video_render.pictures import mask_of
from deployments.engines.video_render.readers import Pair, Readers
from deployments.errors import UndecodableMedia
from deployments.operation import JSON, Inputs
from kernels import yuv
from kernels.anonymise import Cells
from kernels.yuv import Matrix, Plane


@dataclass(frozen=True, slots=True)
class Known:
    """What the segments of a render know of its clips' faces, and neither read nor take again."""

    tracks: dict[str, Tracks] = field(default_factory=dict)
    """By what a filter asks for."""
    cells: dict[tuple[str, ...], dict[int, Cells]] = field(default_factory=dict)
    """(source, tracks, preset, style) -> track -> the cells that hide it, of the frame in which the track begins:
    whichever part of the timeline is rendered, and by whom, they are the same."""


@dataclass(slots=True)
class Drawn:
    """A clip's picture, ready to be laid over another."""

    frame: VideoFrame
    """Not to be written to: it may be shown again."""
    alpha: Plane | None
    """[height, width] 255 = shown; None: all of it."""
    x: float
    y: float


class Clip:
    """A video on a lane. Opened when it is first wanted, closed after its end."""

    def __init__(
        self,
        row: JSON,
        canvas: tuple[int, int],
        color: Matrix,
        inputs: Inputs,
        readers: Readers,
        known: Known,
        painted: bool,
    ) -> None:
        """`known` outlives this pass. Not `painted`: faces stay as they are; which would be painted is told."""
        self.row = row
        self._canvas, self._color, self._readers = canvas, color, readers
        self._known, self._painted = known, painted
        meta = inputs[row["source_id"]].meta
        self._matte = None if row["mask_artifact_id"] is None else mask_of(inputs[row["mask_artifact_id"]])
        self._size = (int(meta["height"]), int(meta["width"])) if self._matte is None else self._matte.shape
        self._inputs = inputs
        self._made: tuple[VideoFrame, VideoFrame] | None = None  # a decoded frame and what it became
        self._scaled: tuple[VideoFrame, tuple[int, int], VideoFrame] | None = None
        self._alpha: tuple[tuple[int, int], Plane] | None = None
        self._matrix = color
        self._reel: Reel | None = None
        self._frames: Generator[Shown, None, None] | None = None
        self.time_base = Fraction(1, 1000)
        self._zero = Fraction(0)  # seconds of the source's own clock where the container starts
        self.painter: Painter | None = None
        self.start = Fraction(row["start_ms"], 1000)
        self.end = Fraction(row["start_ms"] + row["duration_ms"], 1000)
        self.ends = Fraction(0)
        """Seconds of the source after in_ms at which its last frame ends; once that was shown."""

    def at(self, time: Fraction) -> Shown | None:
        """The frame on screen at a time of the timeline; times rise."""
        local = (time - self.start) * Fraction(self.row["speed"])
        if self._reel is None:
            self._frames = self.shown(max(Fraction(0), local))
            self._reel = Reel(self._frames)
        return self._reel.at(local)

    def close(self) -> None:
        if self._frames is not None:
            self._frames.close()
        self._reel = self._frames = self._made = self._scaled = None

    def shown(self, since: Fraction = Fraction(0)) -> Generator[Shown, None, None]:
        """Its frames from `since` (seconds of the source after in_ms) on, at seconds of the source."""
        row = self.row
        begin = Fraction(row["in_ms"], 1000) + since
        reader = self._readers.take(row["source_id"], begin)
        try:
            clock, self._matrix, self.time_base = reader.clock, reader.matrix, reader.clock.time_base
            self._zero = clock.start * clock.time_base
            self._open_painter(reader.start)
            yield from between(self._noticed(reader.pairs(begin)), clock, row["in_ms"], row["out_ms"], since)
            self.ends = clock.ends - Fraction(row["in_ms"], 1000)
            if row["out_ms"] is not None:
                self.ends = min(self.ends, Fraction(row["out_ms"] - row["in_ms"], 1000))
        finally:
            self._readers.give(reader)

    def _noticed(self, pairs: Iterator[Pair]) -> Iterator[Pair]:
        """The same frames; where a track begins in one, its cells are taken there."""
        before: Fraction | None = None
        for frame, pts in pairs:
            at = pts * self.time_base
            if self.painter and self._painted:
                begun = self.painter.beginning(before, at)
                if begun:
                    self.painter.hold(frames.planes(self._plain(frame)), at, begun)
            before = at
            yield frame, pts

    def _open_painter(self, start: Fraction) -> None:
        blur = self.row["face_blur"]
        if blur is None or self.painter is not None:
            return
        limit = None if blur["mask_artifact_id"] is None else mask_of(self._inputs[blur["mask_artifact_id"]])
        tracks = self._tracks(blur, start)
        if tracks.size not in (None, self._size[::-1]):
            raise UndecodableMedia(f"the face tracks are for {tracks.size} pixels, the video has {self._size[::-1]}")
        mask = None if limit is None else yuv.subsample(limit)
        looks = (self.row["source_id"], blur["tracks_id"], blur["preset"], blur["style"])
        held = self._known.cells.setdefault(looks, {}) if self._painted else {}
        self.painter = Painter(tracks, blur["preset"], blur["style"], mask, held)

    def _tracks(self, blur: JSON, start: Fraction) -> Tracks:
        """Those that the filter chooses, read once for all segments of a render: they are of the whole source."""
        asked = json.dumps([blur[name] for name in ("tracks_id", "min_face_px", "tracks", "spans")] + [str(start)])
        if asked not in self._known.tracks:
            chosen = None if blur["tracks"] is None else TrackChoice.model_validate(blur["tracks"])
            body = self._inputs[blur["tracks_id"]].json()
            self._known.tracks[asked] = Tracks(body, blur["min_face_px"], chosen, blur["spans"], start)
        return self._known.tracks[asked]

    def _plain(self, frame: VideoFrame) -> VideoFrame:
        """8 bits, 4:2:0, in the file's matrix; the frame itself where it is that already."""
        plain, own = frames.as_yuv420(frame)
        given = own or self._matrix
        return plain if given == self._color else frames.in_matrix(plain, given, self._color)

    def _look_up(self, painter: Painter, tracks: list[Track]) -> None:
        """Takes the cells of tracks that began before this pass did, each from the frame in which it begins."""
        for track in sorted(tracks, key=lambda track: track.pts[0]):
            begins = painter.begins(track)
            reader = self._readers.take(self.row["source_id"], begins - self._zero)
            try:
                for frame, pts in reader.pairs(begins - self._zero):
                    if pts * self.time_base >= begins:
                        painter.hold(frames.planes(self._plain(frame)), pts * self.time_base, [track])
                        break
            finally:
                self._readers.give(reader)

    def drawn(self, shown: Shown, ms: float) -> Drawn:
        """Its picture at a time of the timeline."""
        x, y, width, height = motion.place(self.row, self._canvas, ms)
        if self._made is None or self._made[0] is not shown.frame:
            self._made, self._scaled = (shown.frame, self._finished(shown)), None
        if self._scaled is None or self._scaled[0] is not shown.frame or self._scaled[1] != (width, height):
            self._scaled = shown.frame, (width, height), frames.scaled(self._made[1], (width, height))
        return Drawn(self._scaled[2], self._shape(shown.frame, (width, height)), x, y)

    def _finished(self, shown: Shown) -> VideoFrame:
        """Faces painted, cropped, upright, in the file's matrix: in its own pixels."""
        frame, painter = self._plain(shown.frame), self.painter
        faces = painter.faces(shown.pts, self.time_base) if painter and self._painted else []
        if faces and painter:
            unknown = painter.unknown(faces)
            if unknown:
                self._look_up(painter, unknown)
            frame = frames.duplicate(frame) if frame is shown.frame else frame
            painter.paint(frames.planes(frame), faces)
        frame = frames.cropped(frame, self.row["crop"]) if self.row["crop"] else frame
        return frames.even(frames.upright(frame, frames.turns(shown.frame)))

    def _shape(self, frame: VideoFrame, size: tuple[int, int]) -> Plane | None:
        """The matte and the frame's own alpha, as the picture is: cropped, upright, scaled."""
        own = frames.alpha(frame)
        matte = self._matte if own is None else own
        if matte is None:
            return None
        if self._alpha is None or self._alpha[0] != size or own is not None:
            if own is not None and self._matte is not None:
                matte = np.round(own * (self._matte / 255.0)).astype(np.uint8)
            x, y, width, height = self.row["crop"] or (0, 0, matte.shape[1], matte.shape[0])
            part = np.rot90(matte[y : y + height, x : x + width], frames.turns(frame))
            part = part[: part.shape[0] & ~1, : part.shape[1] & ~1]
            grey = VideoFrame.from_ndarray(np.ascontiguousarray(part), format="gray")
            way = "BICUBIC" if grey.width < size[0] else "AREA"
            scaled = grey.reformat(width=size[0], height=size[1], interpolation=way).to_ndarray()
            self._alpha = size, scaled.astype(np.uint8, copy=False)
        return self._alpha[1]

    def tracked(self, shown: Shown, ms: float) -> dict[int, float]:
        """The tracks painted in a frame, each with the smaller side of its box on the canvas."""
        boxes = self.painter.boxes(shown.pts, self.time_base) if self.painter else []
        return {track: min(self._on_canvas(box, shown.frame, ms)[2:]) for track, box in boxes}

    def left_open(self, shown: Shown, ms: float) -> NDArray[np.float64]:
        """[n, 4] on the canvas: the faces that the caller wants left as they are."""
        boxes = self.painter.left_open(shown.pts, self.time_base) if self.painter else []
        return np.array([self._on_canvas(box, shown.frame, ms) for box in boxes], np.float64).reshape(-1, 4)

    def _on_canvas(self, box: Box, frame: VideoFrame, ms: float) -> Box:
        left, top, width, height = self.row["crop"] or (0, 0, frame.width, frame.height)
        x, y, w, h = box[0] - left, box[1] - top, box[2], box[3]
        turns = frames.turns(frame)
        x, y, w, h = {
            0: (x, y, w, h),
            1: (y, width - x - w, h, w),
            2: (width - x - w, height - y - h, w, h),
            3: (height - y - h, x, h, w),
        }[turns]
        if turns % 2:
            width, height = height, width
        left, top, across, down = motion.place(self.row, self._canvas, ms)
        sx, sy = across / (width & ~1 or width), down / (height & ~1 or height)
        return left + x * sx, top + y * sy, w * sx, h * sy


__all__ = ["Clip", "Drawn", "Known"]
