"""Faces painted over: the boxes of a frame by its pts, and the cells that are held for a track."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deployments.engines.video_render.models import TrackChoice
from kernels import anonymise
from kernels.anonymise import Cells, Ellipse, Planes, Style

JSON = dict[str, Any]
Box = tuple[float, float, float, float]
"""x, y, w, h in pixels of the decoded frame."""

HALF = 127.5


@dataclass(frozen=True, slots=True)
class Look:
    """What a preset does to a face."""

    across: int
    """Cells on the longer side of the painted ellipse, at most."""
    least: float
    """Smallest side of a cell, in pixels."""
    grow: float
    """The box grows by this factor before the ellipse is drawn around it."""
    held: bool
    """Computed once for a track, quantised, and kept; else anew for each frame."""


LOOKS: dict[str, Look] = {
    "strong": Look(across=4, least=8, grow=1.05, held=True),
    "medium": Look(across=8, least=4, grow=1.05, held=False),
    "light": Look(across=14, least=3, grow=1.05, held=False),
}
"""Preset -> look. On a moving crowd 1.05 leaves 0.03 % of the faces' area outside the ellipses and paints 0.79 of it
beside them; 1.15 leaves nothing and paints 1.11 of it (python -m tests.bench.crowd). Only what is held cannot be
undone; `solid` is held at every preset."""


@dataclass(frozen=True, slots=True)
class Track:
    """One face of one shot: its box at each frame."""

    id: int
    pts: Sequence[int]
    boxes: Sequence[Box] | NDArray[np.float64]
    """[boxes, 4]; an array takes 32 bytes a frame, which those of a long video need."""

    def at(self, pts: Fraction) -> Box | None:
        """The box at a time in the track's own ticks: between two frames it moves evenly; None outside the track."""
        after = bisect_right(self.pts, floor(pts))  # among whole numbers, and many times faster than a fraction
        if after == 0 or (after == len(self.pts) and pts > self.pts[-1]):
            return None
        before = after - 1
        if pts == self.pts[before] or after == len(self.pts):
            return self._box(before)
        share = float((pts - self.pts[before]) / (self.pts[after] - self.pts[before]))
        x, y, w, h = (a + (b - a) * share for a, b in zip(self._box(before), self._box(after), strict=True))
        return x, y, w, h

    def first(self) -> Box:
        return self._box(0)

    def _box(self, number: int) -> Box:
        x, y, w, h = map(float, self.boxes[number])
        return x, y, w, h


class Tracks:
    """Every face of a video, from a face_tracks artifact, and which of them the caller wants painted."""

    def __init__(
        self,
        body: JSON,
        least_px: float = 0,
        chosen: TrackChoice | None = None,
        spans: Sequence[Sequence[int]] | None = None,
        start: Fraction = Fraction(0),
    ) -> None:
        """`least_px`: tracks whose face is never this high are left out, whole, so that none flickers.
        spans: [from, to] in ms of the source, to outside; start: seconds of the source container's start."""
        self.time_base = Fraction(*body["time_base"])
        self.size: tuple[int, int] | None = (body["width"], body["height"]) if "width" in body else None
        self._start, self._spans = start, spans
        self.tracks: list[Track] = []
        self._open: list[Track] = []
        for row in sorted(body["tracks"], key=lambda row: int(row["track_id"])):
            boxes = sorted((int(box[0]), tuple(map(float, box[1:5]))) for box in row["boxes"])
            if row.get("region", "face") != "face" or not boxes:
                continue
            kept = [(pts, box) for pts, box in boxes if box[2] > 0 and box[3] > 0]
            own = np.array([box for _, box in kept], np.float64).reshape(-1, 4)
            track = Track(int(row["track_id"]), array("q", (pts for pts, _ in kept)), own)
            wanted = max(box[3] for _, box in boxes) >= least_px and (chosen is None or chosen.paints(track.id))
            (self.tracks if wanted else self._open).append(track)
        self._lasting = {True: _ends(self.tracks), False: _ends(self._open)}

    def at(self, pts: int, time_base: Fraction) -> Iterator[tuple[int, Box]]:
        """(track, box) of each face to be painted at a frame's pts."""
        if self._on(pts, time_base):
            yield from self._seen(True, pts, time_base)

    def left_open(self, pts: int, time_base: Fraction) -> Iterator[tuple[int, Box]]:
        """(track, box) of each face that the caller wants left as it is."""
        yield from self._seen(False, pts, time_base)
        if not self._on(pts, time_base):
            yield from self._seen(True, pts, time_base)

    def _on(self, pts: int, time_base: Fraction) -> bool:
        ms = (pts * time_base - self._start) * 1000
        return self._spans is None or any(first <= ms < last for first, last in self._spans)

    def _seen(self, wanted: bool, pts: int, time_base: Fraction) -> Iterator[tuple[int, Box]]:
        """Of the tracks that are painted, or of the others: a long video has hundreds, of which a frame shows few."""
        own = pts * time_base / self.time_base
        tracks, ends = self.tracks if wanted else self._open, self._lasting[wanted]
        for n in np.flatnonzero((ends[:, 0] <= floor(own)) & (ends[:, 1] >= ceil(own))):
            box = tracks[n].at(own)
            if box is not None:
                yield tracks[n].id, box


def _ends(tracks: Sequence[Track]) -> NDArray[np.int64]:
    """[tracks, 2] the first and the last pts of each; of one without a box nothing lies between them."""
    rows = [(track.pts[0], track.pts[-1]) if track.pts else (1, 0) for track in tracks]
    return np.array(rows, np.int64).reshape(-1, 2)


class Painter:
    """Paints the faces of one clip, frame after frame. Cells of all faces are taken before any is painted."""

    def __init__(
        self,
        tracks: Tracks,
        preset: str,
        style: Style,
        mask: Planes | None = None,
        held: dict[int, Cells] | None = None,
    ) -> None:
        """`mask`: luma and chroma sized, 255 where painting is allowed; None: everywhere. `held`: cells that are known
        already, which stay what they are."""
        self._tracks, self._style, self._mask = tracks, style, mask
        self._look = LOOKS[preset]
        self._held: dict[int, Cells] = {} if held is None else held
        self._holds = self._look.held or style == "solid"
        known = (track for track in tracks.tracks if track.pts and self._holds)
        self._begin = sorted(((self.begins(track), track.id, track) for track in known), key=lambda row: row[:2])
        self._seen: tuple[tuple[int, Fraction], list[tuple[int, Box]]] | None = None  # of the last frame asked for
        self.painted = 0
        """Faces painted so far, each counted in each frame."""

    def faces(self, pts: int, time_base: Fraction) -> list[tuple[int, Ellipse]]:
        """(track, ellipse) of each face to be painted at a frame's pts; empty: the frame stays as it is."""
        return [(track, anonymise.circumscribe(*box, self._look.grow)) for track, box in self.boxes(pts, time_base)]

    def boxes(self, pts: int, time_base: Fraction) -> list[tuple[int, Box]]:
        """(track, box) of the same."""
        if self._seen is None or self._seen[0] != (pts, time_base):
            self._seen = (pts, time_base), list(self._tracks.at(pts, time_base))
        return self._seen[1]

    def left_open(self, pts: int, time_base: Fraction) -> list[Box]:
        """The boxes that the caller wants left as they are: by track, by time, or outside the filter's mask."""
        boxes = [box for _, box in self._tracks.left_open(pts, time_base)]
        return boxes + [box for _, box in self._tracks.at(pts, time_base) if self._masked(box)]

    def _masked(self, box: Box) -> bool:
        """Whether the mask leaves most of the box as it is."""
        if self._mask is None:
            return False
        x, y, w, h = (max(0, round(value)) for value in box)
        part = self._mask[0][y : y + h, x : x + w]
        return bool(part.size and part.mean() < HALF)

    def paint(self, planes: Planes, faces: list[tuple[int, Ellipse]]) -> None:
        """Paints `faces` into the frame's planes, in place."""
        cells = [self._cells(planes, track, ellipse) for track, ellipse in faces]
        for (_, ellipse), colors in zip(faces, cells, strict=True):
            anonymise.paint(planes, ellipse, colors, self._style, self._mask)
        self.painted += len(faces)

    def begins(self, track: Track) -> Fraction:
        """When a track begins, in seconds of its source's own clock."""
        return track.pts[0] * self._tracks.time_base

    def beginning(self, before: Fraction | None, at: Fraction) -> list[Track]:
        """The tracks that begin in the frame at `at`, the one before it standing at `before` (None: it is not known),
        and whose cells are yet to be taken."""
        first = bisect_left(self._begin, at, key=itemgetter(0))
        first = first if before is None else bisect_right(self._begin, before, key=itemgetter(0))
        last = bisect_right(self._begin, at, key=itemgetter(0))
        return [track for _, id, track in self._begin[first:last] if id not in self._held]

    def unknown(self, faces: list[tuple[int, Ellipse]]) -> list[Track]:
        """The tracks of `faces` whose cells are held and yet to be taken."""
        wanted = {id for id, _ in faces if self._holds} - self._held.keys()
        return [track for _, id, track in self._begin if id in wanted]

    def hold(self, planes: Planes, at: Fraction, tracks: Sequence[Track]) -> None:
        """Takes the tracks' cells from the frame at `at`, in seconds of its source's own clock."""
        for track in tracks:
            box = track.at(at / self._tracks.time_base) or track.first()
            self._held[track.id] = self._taken(planes, anonymise.circumscribe(*box, self._look.grow))

    def _cells(self, planes: Planes, track: int, ellipse: Ellipse) -> Cells:
        if not self._holds:
            return anonymise.reduce(planes, ellipse, anonymise.grid(ellipse, self._look.across, self._look.least))
        if track not in self._held:
            self._held[track] = self._taken(planes, ellipse)
        return self._held[track]

    def _taken(self, planes: Planes, ellipse: Ellipse) -> Cells:
        solid = self._style == "solid"
        shape = (1, 1) if solid else anonymise.grid(ellipse, self._look.across, self._look.least)
        return anonymise.quantise(anonymise.reduce(planes, ellipse, shape))


__all__ = ["LOOKS", "Box", "Look", "Painter", "Track", "Tracks"]
