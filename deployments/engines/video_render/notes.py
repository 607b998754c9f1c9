"""What is remembered of a segment's pass: when each frame is shown, where shots begin, whom tracks showed."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame

from deployments.engines.video_render import frames
from kernels.faces import Cuts
from kernels.yuv import Matrix

EVERY_MS = 500
"""A sampled proof looks at least this often."""
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
    lasts: Fraction = Fraction(0)
    """See Segment."""
    _cuts: Cuts = field(default_factory=Cuts)
    _clip: int = -1

    def frame(self, frame: VideoFrame, pts: int, clip: int, tracks: Sequence[tuple[int, int]]) -> None:
        """Notes the next frame, as it goes into the encoder. `clip`: the lowest one seen; tracks: (clip, track)."""
        number = len(self.pts)
        self.pts.append(pts)
        if (self._cuts.step(_small(frame)) or clip != self._clip) and number:
            self.cuts.append(number)
        self._clip = clip
        for track in tracks:
            self.tracks.setdefault(track, [number, number])[1] = number

    @property
    def times_ms(self) -> np.ndarray:
        """[frames] float64"""
        return np.asarray(self.pts, np.float64) * float(self.time_base * 1000)

    def shot(self, number: int) -> tuple[int, int]:
        """The first and the last frame of the shot that a frame lies in."""
        starts = [0, *self.cuts]
        which = bisect_right(starts, number) - 1
        return starts[which], (starts[which + 1] if which + 1 < len(starts) else len(self.pts)) - 1

    def searched(self, mode: str) -> list[int]:
        """The frames that a proof looks at: `full` all, `sampled` those that the spec names."""
        count = len(self.pts)
        if mode == "full" or not count:
            return list(range(count))
        starts = [0, *self.cuts]
        spans = [*zip(starts, [*(n - 1 for n in self.cuts), count - 1], strict=True), *self.tracks.values()]
        chosen = {number for first, last in spans for number in (first, (first + last) // 2, last)}
        times = self.times_ms
        ticks = np.arange(times[0] // EVERY_MS * EVERY_MS, times[-1] + 1, EVERY_MS)
        chosen |= {max(0, int(n)) for n in np.searchsorted(times, ticks, side="right") - 1}
        return sorted(chosen)


def _small(frame: VideoFrame) -> np.ndarray:
    """uint8 [18, 32]: the mean luma of a grid of rectangles, thinned where they are large."""
    luma = frames.planes(frame)[0]
    across, down = max(1, luma.shape[1] // LUMA[0]), max(1, luma.shape[0] // LUMA[1])
    rows, columns = min(LUMA[1], luma.shape[0]), min(LUMA[0], luma.shape[1])
    part = luma[: rows * down, : columns * across].reshape(rows, down, columns, across)
    thin = part[:, :: max(1, down // 4), :, :: max(1, across // 4)]
    small: np.ndarray = thin.mean(axis=(1, 3)).astype(np.uint8)
    return small


__all__ = ["EVERY_MS", "Notes"]
