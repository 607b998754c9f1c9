"""Boxes of faces: overlap, linking into tracks, cuts between shots, ellipses as masks. Plain numpy.

A box is x, y, width, height in pixels; x and y are its top-left corner and may lie outside the frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

CUT_CHANGE = 12.0
"""Least change of the small luma, 0..255, that can be a cut. Dull cuts measure 50 and more, fast pans up to 20."""
CUT_RATIO = 3.5
"""A cut also changes this many times more than any of the `CUT_MEMORY` frames before it: a pan does not."""
CUT_MEMORY = 3
LINES = 8
"""Lines a pixel that an ellipse is measured on."""


@dataclass(frozen=True, slots=True)
class Linking:
    """What makes two boxes one face. Times in milliseconds."""

    min_confidence: float = 0.5
    """A track holds at least one box of this confidence."""
    weak: float = 0.6
    """Boxes down to this share of min_confidence carry a track on, and never start one."""
    overlap: float = 0.2
    """Least IoU of a box with the place where its track is expected."""
    gap_ms: float = 1000.0
    """Longest time between two sure boxes of one track; the frames between them are filled in."""
    extend_ms: float = 200.0
    """A track goes on this long before its first and after its last box, and never over a cut."""


@dataclass(frozen=True, slots=True)
class Track:
    """One face in one shot: a box in each frame from `first` on, without a hole."""

    first: int
    """Number of the first frame."""
    boxes: Floats
    """[n, 4]"""
    confidence: Floats
    """[n], 0..1; in a frame without a sure box of its own, that of its neighbours"""
    detected: npt.NDArray[np.bool_]
    """[n], whether the frame has a box of at least min_confidence of its own"""

    @property
    def last(self) -> int:
        return self.first + len(self.boxes) - 1


def iou(a: npt.ArrayLike, b: npt.ArrayLike) -> Floats:
    """Intersection over union of each box of `a` [n, 4] with each of `b` [m, 4] -> [n, m], 0..1."""
    left = np.asarray(a, np.float64).reshape(-1, 1, 4)
    right = np.asarray(b, np.float64).reshape(1, -1, 4)
    low = np.maximum(left[..., :2], right[..., :2])
    high = np.minimum(left[..., :2] + left[..., 2:], right[..., :2] + right[..., 2:])
    common = np.clip(high - low, 0.0, None).prod(-1)
    union = left[..., 2:].prod(-1) + right[..., 2:].prod(-1) - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)


def suppress(boxes: Floats, scores: Floats, overlap: float) -> npt.NDArray[np.intp]:
    """Greedy non-maximum suppression: the indices kept, best score first, none with an IoU of `overlap` to a better."""
    order = np.argsort(-scores, kind="stable")
    kept: list[np.intp] = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        order = order[iou(boxes[best], boxes[order])[0] < overlap]
    return np.asarray(kept, np.intp)


def pair(scores: Floats, least: float) -> list[tuple[int, int]]:
    """Greedy one-to-one pairs (row, column) of `scores` [n, m], best first, none below `least`."""
    pairs: list[tuple[int, int]] = []
    left = scores.copy()
    while left.size:
        row, column = np.unravel_index(int(left.argmax()), left.shape)
        if left[row, column] < least:
            break
        pairs.append((int(row), int(column)))
        left[row, :] = -1.0
        left[:, column] = -1.0
    return pairs


class Cuts:
    """Finds the first frame of each shot, one frame at a time."""

    def __init__(self) -> None:
        self._before: npt.NDArray[np.int16] | None = None
        self._recent: list[float] = []

    def step(self, luma: Bytes) -> bool:
        """Whether the frame starts a new shot; `luma` is a small picture, uint8 [h, w], about 32 x 18."""
        now = luma.astype(np.int16)
        before, self._before = self._before, now
        if before is None or before.shape != now.shape:
            self._recent = []
            return before is not None
        change = float(np.abs(now - before).mean())
        # Right after a cut the new shot's own motion is not known yet, and the cut says nothing about it.
        usual = max([1.0, *self._recent])
        cut = bool(self._recent) and change >= CUT_CHANGE and change >= CUT_RATIO * usual
        self._recent = [] if cut else [*self._recent, change][-CUT_MEMORY:]
        return cut


@dataclass(slots=True, eq=False)
class _Open:
    """A track that may still go on: what was seen of it."""

    frames: list[int] = field(default_factory=list)
    boxes: list[Floats] = field(default_factory=list)
    confidence: list[float] = field(default_factory=list)
    sure_ms: float = 0.0
    """Time of the last box of at least min_confidence."""

    def see(self, frame: int, row: Floats, sure: bool, now_ms: float) -> None:
        self.frames.append(frame)
        self.boxes.append(row[:4])
        self.confidence.append(float(row[4]) if sure else float("nan"))
        if sure:
            self.sure_ms = now_ms

    def expected(self, now_ms: float, times_ms: Floats) -> tuple[Floats, Floats]:
        """Where the face is now if it stands still, and if it moves on as it did."""
        last = self.boxes[-1]
        seen, boxes = _tail(self.frames, self.boxes, times_ms, -1)
        return last, _ahead(seen, boxes, now_ms)


def link(
    found: Sequence[npt.NDArray[np.floating]],
    frames: Sequence[int],
    times_ms: npt.ArrayLike,
    cuts: Sequence[int] = (),
    how: Linking | None = None,
) -> list[Track]:
    """Link the boxes of single frames into tracks, in order of their first frame.

    found: one array [faces, 5] (x, y, w, h, confidence 0..1) for each frame that was searched.
    frames: the numbers of those frames, rising. times_ms [n]: the time of every frame, searched or not, rising.
    cuts: the numbers of the frames that start a new shot; no track crosses one.
    """
    how = how or Linking()
    times = np.asarray(times_ms, np.float64)
    starts = np.unique([0, *cuts])
    shot_of = np.searchsorted(starts, np.arange(len(times)), side="right") - 1
    ends = [*(starts[1:] - 1).tolist(), len(times) - 1]
    open_tracks: list[_Open] = []
    done: list[_Open] = []
    for boxes, frame in zip(found, frames, strict=True):
        now = float(times[frame])
        alive = [
            track
            for track in open_tracks
            if shot_of[track.frames[-1]] == shot_of[frame] and now - track.sure_ms <= how.gap_ms
        ]
        done += [track for track in open_tracks if track not in alive]
        open_tracks = alive
        rows = np.asarray(boxes, np.float64).reshape(-1, 5)
        sure = rows[rows[:, 4] >= how.min_confidence]
        weak = rows[(rows[:, 4] < how.min_confidence) & (rows[:, 4] >= how.weak * how.min_confidence)]
        free, new = _carry_on(alive, sure, frame, now, times, how, sure=True)
        _carry_on(free, weak, frame, now, times, how, sure=False)
        for row in new:
            track = _Open()
            track.see(frame, row, True, now)
            open_tracks.append(track)
    closed = [
        _closed(track, times, int(starts[shot_of[track.frames[0]]]), int(ends[shot_of[track.frames[0]]]), how)
        for track in (*done, *open_tracks)
    ]
    return sorted(closed, key=lambda track: (track.first, *track.boxes[0].tolist()))


def _carry_on(
    tracks: list[_Open], rows: Floats, frame: int, now: float, times: Floats, how: Linking, *, sure: bool
) -> tuple[list[_Open], Floats]:
    """Give each row to the track that expects it; the tracks and the rows that are left over."""
    if not tracks or not len(rows):
        return tracks, rows
    still, moved = (np.stack(places) for places in zip(*(track.expected(now, times) for track in tracks), strict=True))
    boxes = rows[:, :4]
    pairs = pair(np.maximum(iou(still, boxes), iou(moved, boxes)), how.overlap)
    for t, r in pairs:
        tracks[t].see(frame, rows[r], sure, now)
    taken = {t for t, _ in pairs}
    left = [track for number, track in enumerate(tracks) if number not in taken]
    return left, np.delete(rows, [r for _, r in pairs], axis=0)


def _tail(frames: Sequence[int], boxes: Sequence[Floats], times: Floats, side: int) -> tuple[Floats, Floats]:
    """Times and boxes of the few sights at one end (-1: the last): what its motion is judged by."""
    part = slice(-4, None) if side < 0 else slice(0, 4)
    return times[list(frames[part])], np.stack(boxes[part])


def _ahead(seen: Floats, boxes: Floats, at: float) -> Floats:
    """The box at time `at` if its centre goes on in a straight line; its size stays that of the nearest sight."""
    near = boxes[0] if at < seen[0] else boxes[-1]
    if len(seen) < 2:
        return near
    centers = boxes[:, :2] + boxes[:, 2:] / 2
    speed = (centers[-1] - centers[0]) / (seen[-1] - seen[0] or 1.0)
    moved = near.copy()
    moved[:2] += speed * (at - (seen[0] if at < seen[0] else seen[-1]))
    return moved


def _closed(track: _Open, times: Floats, shot_first: int, shot_last: int, how: Linking) -> Track:
    """Fill the holes, and go on a little before the first sight and after the last."""
    seen = np.asarray(track.frames)
    boxes = np.stack(track.boxes)
    first, last = int(seen[0]), int(seen[-1])
    while first > shot_first and times[seen[0]] - times[first - 1] <= how.extend_ms:
        first -= 1
    while last < shot_last and times[last + 1] - times[seen[-1]] <= how.extend_ms:
        last += 1
    numbers = np.arange(first, last + 1)
    filled = np.stack([np.interp(times[numbers], times[seen], boxes[:, side]) for side in range(4)], axis=1)
    head, tail = (_tail(track.frames, track.boxes, times, side) for side in (1, -1))
    for n in np.flatnonzero((numbers < seen[0]) | (numbers > seen[-1])):
        filled[n] = _ahead(*(head if numbers[n] < seen[0] else tail), float(times[numbers[n]]))
    confidence = np.asarray(track.confidence)
    sure = np.isfinite(confidence)
    return Track(
        first,
        filled,
        np.interp(times[numbers], times[seen[sure]], confidence[sure]),
        np.isin(numbers, seen[sure]),
    )


def ellipse_mask(width: int, height: int, box: npt.ArrayLike) -> Bytes:
    """The ellipse inscribed in `box`: uint8 [height, width], 255 inside.

    A pixel at the edge has its covered share: exact along a line, the mean of `LINES` lines across.
    """
    x, y, w, h = (float(value) for value in np.asarray(box, np.float64))
    mask = np.zeros((height, width), np.uint8)
    left, right = max(0, int(np.floor(x))), min(width, int(np.ceil(x + w)))
    top, bottom = max(0, int(np.floor(y))), min(height, int(np.ceil(y + h)))
    if left >= right or top >= bottom or w <= 0 or h <= 0:
        return mask
    columns = np.arange(left, right, dtype=np.float32)
    share = np.zeros((bottom - top, right - left), np.float32)
    for step in range(LINES):
        lines = np.arange(top, bottom) + (step + 0.5) / LINES
        half = w / 2 * np.sqrt(np.clip(1 - ((lines - y - h / 2) / (h / 2)) ** 2, 0.0, None))
        low, high = ((x + w / 2 + half * sign)[:, None].astype(np.float32) for sign in (-1, 1))
        share += np.clip(np.minimum(high, columns + 1) - np.maximum(low, columns), 0.0, None)
    mask[top:bottom, left:right] = np.rint(share * (255 / LINES)).astype(np.uint8)
    return mask


__all__ = ["Cuts", "Linking", "Track", "ellipse_mask", "iou", "link", "pair", "suppress"]
