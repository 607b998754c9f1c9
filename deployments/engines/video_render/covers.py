"""What the proof asks to be covered: boxes on the finished picture, painted in one color."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from av.video.frame import VideoFrame

from deployments.engines.video_render import frames
from kernels import anonymise
from kernels.anonymise import Cells
from kernels.tracks import Track

GROW = 1.15
"""A box that the proof found grows by this factor before it is covered."""


@dataclass(slots=True)
class Cover:
    """Tracks of one search."""

    tracks: Sequence[Track]
    """Numbered by the render's frames, in its pixels."""
    _held: dict[int, Cells] = field(default_factory=dict)

    def on(self, number: int) -> bool:
        return any(track.first <= number <= track.last for track in self.tracks)

    def numbers(self) -> set[int]:
        """The frames that it changes."""
        return {number for track in self.tracks for number in range(track.first, track.last + 1)}

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


__all__ = ["Cover"]
