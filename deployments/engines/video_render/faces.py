"""Faces painted over: the boxes of a frame by its pts, and the cells that are held for a track."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from kernels import anonymise
from kernels.anonymise import Cells, Ellipse, Planes, Style

JSON = dict[str, Any]
Box = tuple[float, float, float, float]
"""x, y, w, h in pixels of the decoded frame."""


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
    "strong": Look(across=4, least=8, grow=1.15, held=True),
    "medium": Look(across=8, least=4, grow=1.15, held=False),
    "light": Look(across=14, least=3, grow=1.1, held=False),
}
"""Preset -> look. On a moving crowd 1.15 leaves no part of a face outside the ellipse, 1.0 leaves 0.15 % of their
area. Only what is held cannot be undone; `solid` is held at every preset."""


@dataclass(frozen=True, slots=True)
class Track:
    """One face of one shot: its box at each frame."""

    id: int
    pts: list[int]
    boxes: list[Box]

    def at(self, pts: Fraction) -> Box | None:
        """The box at a time in the track's own ticks: between two frames it moves evenly; None outside the track."""
        after = bisect_right(self.pts, pts)
        if after == 0 or (after == len(self.pts) and pts > self.pts[-1]):
            return None
        before = after - 1
        if pts == self.pts[before] or after == len(self.pts):
            return self.boxes[before]
        share = float((pts - self.pts[before]) / (self.pts[after] - self.pts[before]))
        x, y, w, h = (a + (b - a) * share for a, b in zip(self.boxes[before], self.boxes[after], strict=True))
        return x, y, w, h


class Tracks:
    """Every face of a video, from a face_tracks artifact."""

    def __init__(self, body: JSON, least_px: float = 0) -> None:
        """`least_px`: tracks whose face is never this high are left out, whole, so that none flickers."""
        self.time_base = Fraction(*body["time_base"])
        self.size: tuple[int, int] | None = (body["width"], body["height"]) if "width" in body else None
        self.tracks: list[Track] = []
        for row in sorted(body["tracks"], key=lambda row: int(row["track_id"])):
            boxes = sorted((int(box[0]), tuple(map(float, box[1:5]))) for box in row["boxes"])
            if row["region"] == "face" and boxes and max(box[3] for _, box in boxes) >= least_px:
                kept = [(pts, box) for pts, box in boxes if box[2] > 0 and box[3] > 0]
                self.tracks.append(Track(int(row["track_id"]), [p for p, _ in kept], [b for _, b in kept]))  # type: ignore[misc]

    def at(self, pts: int, time_base: Fraction) -> Iterator[tuple[int, Box]]:
        """(track, box) of each face at a frame's pts."""
        own = pts * time_base / self.time_base
        for track in self.tracks:
            box = track.at(own)
            if box is not None:
                yield track.id, box


class Painter:
    """Paints the faces of one clip, frame after frame. Cells of all faces are taken before any is painted."""

    def __init__(self, tracks: Tracks, preset: str, style: Style, mask: Planes | None = None) -> None:
        """`mask`: luma and chroma sized, 255 where painting is allowed; None: everywhere."""
        self._tracks, self._style, self._mask = tracks, style, mask
        self._look = LOOKS[preset]
        self._held: dict[int, Cells] = {}
        self.painted = 0
        """Faces painted so far, each counted in each frame."""

    def faces(self, pts: int, time_base: Fraction) -> list[tuple[int, Ellipse]]:
        """(track, ellipse) of each face to be painted at a frame's pts; empty: the frame stays as it is."""
        return [
            (track, anonymise.circumscribe(*box, self._look.grow)) for track, box in self._tracks.at(pts, time_base)
        ]

    def paint(self, planes: Planes, faces: list[tuple[int, Ellipse]]) -> None:
        """Paints `faces` into the frame's planes, in place."""
        cells = [self._cells(planes, track, ellipse) for track, ellipse in faces]
        for (_, ellipse), colors in zip(faces, cells, strict=True):
            anonymise.paint(planes, ellipse, colors, self._style, self._mask)
        self.painted += len(faces)

    def _cells(self, planes: Planes, track: int, ellipse: Ellipse) -> Cells:
        solid = self._style == "solid"
        if not (self._look.held or solid):
            return anonymise.reduce(planes, ellipse, anonymise.grid(ellipse, self._look.across, self._look.least))
        if track not in self._held:
            shape = (1, 1) if solid else anonymise.grid(ellipse, self._look.across, self._look.least)
            self._held[track] = anonymise.quantise(anonymise.reduce(planes, ellipse, shape))
        return self._held[track]


__all__ = ["LOOKS", "Box", "Look", "Painter", "Track", "Tracks"]
