"""What is remembered of a segment's pass: when each frame is shown, where shots begin, whom tracks showed."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame

from deployments.engines.video_render import frames
from kernels.compiled import whole_rows
from kernels.faces import Cuts
from kernels.yuv import Matrix, coarse

EVERY_MS = 500
"""A sampled proof looks at least this often."""
LARGE = 1 / 16
"""A face whose smaller side is at least this share of the picture's longer one is found by a coarse look: 40 of 640
pixels."""
LUMA = (32, 18)
"""Columns and rows of the picture that cuts are found in."""


@dataclass(slots=True)
class Notes:
    """One segment, its frames numbered from 0. Its own start and end count as a shot's."""

    path: Path
    """The file that they were encoded into."""
    matrix: Matrix
    """Of its colors."""
    time_base: Fraction
    pts: array[int] = field(default_factory=lambda: array("q"))
    """Of every frame, from the render's start."""
    delay: int = 0
    """See Segment."""
    cuts: list[int] = field(default_factory=list)
    """Numbers of the frames that begin a shot; the first frame's is not among them."""
    tracks: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    """(clip, track) -> numbers of its first and its last frame."""
    painted: int = 0
    """Faces painted, each counted in each frame."""
    small: set[tuple[int, int]] = field(default_factory=set)
    """(clip, track) of those that are painted smaller than LARGE in some frame."""
    lasts: Fraction = Fraction(0)
    """See Segment."""
    _cuts: Cuts = field(default_factory=Cuts)
    _clip: int = -1

    def frame(self, frame: VideoFrame, pts: int, clip: int, tracks: Mapping[tuple[int, int], float]) -> None:
        """Notes the next frame, as it goes into the encoder. `clip`: the lowest one seen; tracks: (clip, track) -> the
        smaller side of what is painted, in pixels of the frame."""
        number = len(self.pts)
        self.pts.append(pts)
        if (self._cuts.step(_small(frame)) or clip != self._clip) and number:
            self.cuts.append(number)
        self._clip = clip
        for track, side in tracks.items():
            self.tracks.setdefault(track, [number, number])[1] = number
            if side < LARGE * max(frame.width, frame.height):
                self.small.add(track)

    @property
    def times_ms(self) -> np.ndarray:
        """[frames] float64"""
        return np.asarray(self.pts, np.float64) * float(self.time_base * 1000)

    def shot(self, number: int) -> tuple[int, int]:
        """The first and the last frame of the shot that a frame lies in."""
        starts = [0, *self.cuts]
        which = bisect_right(starts, number) - 1
        return starts[which], (starts[which + 1] if which + 1 < len(starts) else len(self.pts)) - 1

    def shots(self) -> list[tuple[int, int]]:
        """The first and the last frame of each shot."""
        starts = [0, *self.cuts]
        return list(zip(starts, [*(n - 1 for n in self.cuts), len(self.pts) - 1], strict=True))

    def fine(self, chosen: Collection[int]) -> set[int]:
        """Those of a sampled proof's frames that a coarse look is not enough for.

        Of a shot that shows large faces alone, the middle one; all of a shot that shows a small face, where others
        may be, or none at all, of which nothing is known.
        """
        wanted: set[int] = set()
        for begins, ends in self.shots():
            shown = [track for track, (first, last) in self.tracks.items() if first <= ends and last >= begins]
            own = {number for number in chosen if begins <= number <= ends}
            wanted |= {(begins + ends) // 2} if shown and not self.small & set(shown) else own
        return wanted

    def searched(self, mode: str) -> list[int]:
        """The frames that a proof looks at: `full` all, `sampled` the first, middle and last of each shot and track,
        those beside a track's ends, and one every EVERY_MS."""
        count = len(self.pts)
        if mode == "full" or not count:
            return list(range(count))
        spans = [*self.shots(), *self.tracks.values()]
        chosen = {number for first, last in spans for number in (first, (first + last) // 2, last)}
        for first, last in self.tracks.values():  # a track that begins late or ends early leaves its face there
            begins, ends = self.shot(first)[0], self.shot(last)[1]
            chosen |= {max(begins, first - 1), min(ends, last + 1)}
        times = self.times_ms
        ticks = np.arange(times[0] // EVERY_MS * EVERY_MS, times[-1] + 1, EVERY_MS)
        chosen |= {max(0, int(n)) for n in np.searchsorted(times, ticks, side="right") - 1}
        return sorted(chosen)


def _small(frame: VideoFrame) -> np.ndarray:
    """uint8 [18, 32]: the mean luma of a grid of rectangles, thinned where they are large."""
    luma = frames.planes(frame)[0]
    return coarse(whole_rows(luma), luma.shape[1], min(LUMA[1], luma.shape[0]), min(LUMA[0], luma.shape[1]))


__all__ = ["EVERY_MS", "Notes"]
