"""Boxes of single frames linked into tracks: one face in one shot, with a box in each frame.

Everything is compared on the stage (kernels/motion.py), where the camera's own motion is taken out:

1. Forward: a box goes to the track that expects it, where it stood or where its own motion leads. Boxes below the
   threshold carry a track on and never start one.
2. Backward: such boxes that were left over carry a track back before its first sight.
3. Joined: tracks that meet, and a face that the camera left and found again in its place.
4. Filled: holes in a straight line, a little before the first sight and after the last, never over a cut; sights are
   smoothed over their neighbours, and boxes grow with the time to the nearest sight.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from kernels.faces import iou, pair
from kernels.motion import STILL, Stage, Step

Floats = npt.NDArray[np.float64]
POINTS = 5
"""Landmarks a face: its right eye (left in the picture), left eye, nose, right and left corner of the mouth."""
NEAR_MS = 250.0
"""Sights farther apart do not smooth each other."""


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
    reach_ms: float = 0.0
    """And to the neighbouring frame that was searched and did not show it, if that is at most this far."""
    away_ms: float = 5000.0
    """Longest time that the camera may leave a face and find it again as the same one."""
    growth: float = 0.0
    """A box grows by this share of its size for each 100 ms to the nearest sight."""


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
    points: Floats = field(default_factory=lambda: np.zeros((0, POINTS, 2)))
    """[n, 5, 2] landmarks as shares of the box, NaN where none are known; or empty"""

    @property
    def last(self) -> int:
        return self.first + len(self.boxes) - 1


@dataclass(slots=True, eq=False)
class _Open:
    """A track that may still go on: what was seen of it, by rising frame, on the stage."""

    frames: list[int] = field(default_factory=list)
    boxes: list[Floats] = field(default_factory=list)
    confidence: list[float] = field(default_factory=list)
    """NaN where the box was not sure"""
    points: list[Floats] = field(default_factory=list)
    sure: tuple[int, int] = (0, 0)
    """The frames of the first and of the last sure box."""

    def see(self, frame: int, row: Floats, sure: bool) -> None:
        at = 0 if self.frames and frame < self.frames[0] else len(self.frames)
        self.frames.insert(at, frame)
        self.boxes.insert(at, row[:4])
        self.confidence.insert(at, float(row[4]) if sure else float("nan"))
        self.points.insert(at, row[5:])
        if sure:
            self.sure = (self.sure[0] if len(self.frames) > 1 else frame, frame)

    def expected(self, now: float, times: Floats) -> tuple[Floats, Floats]:
        """Where the face is at a time after or before all sights if it stands still, and if it moves on as it did."""
        part = slice(-4, None) if now > times[self.frames[-1]] else slice(0, 4)
        seen, boxes = times[self.frames[part]], np.stack(self.boxes[part])
        return boxes[-1 if now > seen[-1] else 0], _ahead(seen, boxes, now)

    def joined(self, after: _Open) -> None:
        for name in ("frames", "boxes", "confidence", "points"):
            getattr(self, name).extend(getattr(after, name))


def link(
    found: Sequence[npt.NDArray[np.floating]],
    frames: Sequence[int],
    times_ms: npt.ArrayLike,
    cuts: Sequence[int] = (),
    how: Linking | None = None,
    motion: Sequence[Step] | None = None,
    size: tuple[int, int] | None = None,
) -> list[Track]:
    """Link the boxes of single frames into tracks, in order of their first frame.

    found: one array [faces, 5 or 15] (x, y, w, h, confidence 0..1, five landmarks x, y) for each frame searched.
    frames: the numbers of those frames, rising. times_ms [n]: the time of every frame, searched or not, rising.
    cuts: the numbers of the frames that start a new shot; no track crosses one.
    motion: the camera's step into every frame [n], in the boxes' pixels; None: it stands still.
    size: width and height of the frames; None: faces that the camera left are not looked for again.
    """
    how = how or Linking()
    times = np.asarray(times_ms, np.float64)
    starts = np.unique([0, *cuts])
    shot_of = np.searchsorted(starts, np.arange(len(times)), side="right") - 1
    stage = Stage([STILL] * len(times) if motion is None else motion, starts)
    rows = [_on_stage(boxes, frame, stage) for boxes, frame in zip(found, frames, strict=True)]
    tracks, spare = _forward(rows, frames, times, shot_of, how)
    _backward(tracks, spare, frames, times, shot_of, how)
    tracks = _join(tracks, frames, times, shot_of, how, stage, size)
    ends = [*(starts[1:] - 1).tolist(), len(times) - 1]
    closed = [
        _closed(track, times, frames, int(starts[shot]), int(ends[shot]), how, stage)
        for track in tracks
        for shot in (shot_of[track.frames[0]],)
    ]
    return sorted(closed, key=lambda track: (track.first, *track.boxes[0].tolist()))


def _on_stage(boxes: npt.NDArray[np.floating], frame: int, stage: Stage) -> Floats:
    """[faces, 15]: boxes on the stage, landmarks as shares of their box."""
    given = np.asarray(boxes, np.float64)
    given = given.reshape(-1, given.shape[-1] if given.size else 5)
    points = np.full((len(given), POINTS, 2), np.nan)
    if given.shape[1] > 5:
        points = (given[:, 5:].reshape(-1, POINTS, 2) - given[:, None, :2]) / given[:, None, 2:4]
    return np.column_stack([stage.enter(given[:, :4], frame), given[:, 4], points.reshape(len(given), 2 * POINTS)])


def _forward(
    rows: Sequence[Floats], frames: Sequence[int], times: Floats, shot_of: npt.NDArray[np.intp], how: Linking
) -> tuple[list[_Open], list[Floats]]:
    """The tracks, and for each searched frame the weak rows that none of them took."""
    done: list[_Open] = []
    going: list[_Open] = []
    spare: list[Floats] = []
    for row, frame in zip(rows, frames, strict=True):
        alive = [
            track
            for track in going
            if shot_of[track.frames[-1]] == shot_of[frame] and times[frame] - times[track.sure[1]] <= how.gap_ms
        ]
        done += [track for track in going if track not in alive]
        going = alive
        sure = row[row[:, 4] >= how.min_confidence]
        weak = row[(row[:, 4] < how.min_confidence) & (row[:, 4] >= how.weak * how.min_confidence)]
        free, new = _carry_on(going, sure, frame, times, how, sure=True)
        spare.append(_carry_on(free, weak, frame, times, how, sure=False)[1])
        for one in new:
            going.append(_Open())
            going[-1].see(frame, one, True)
    return done + going, spare


def _backward(
    tracks: Sequence[_Open],
    spare: Sequence[Floats],
    frames: Sequence[int],
    times: Floats,
    shot_of: npt.NDArray[np.intp],
    how: Linking,
) -> None:
    """Carry tracks back over the weak rows that lie before their first sight."""
    by_start = sorted(tracks, key=lambda track: track.sure[0])
    starts = [track.sure[0] for track in by_start]
    for row, frame in zip(reversed(spare), reversed(frames), strict=True):
        if not len(row):
            continue
        far = int(np.searchsorted(times, times[frame] + how.gap_ms, side="right"))
        near = by_start[bisect_right(starts, frame) : bisect_left(starts, far)]
        later = [t for t in near if t.frames[0] > frame and shot_of[t.frames[0]] == shot_of[frame]]
        _carry_on(later, row, frame, times, how, sure=False)


def _carry_on(
    tracks: list[_Open], rows: Floats, frame: int, times: Floats, how: Linking, *, sure: bool
) -> tuple[list[_Open], Floats]:
    """Give each row to the track that expects it; the tracks and the rows that are left over."""
    if not tracks or not len(rows):
        return tracks, rows
    now = float(times[frame])
    still, moved = (np.stack(places) for places in zip(*(track.expected(now, times) for track in tracks), strict=True))
    pairs = pair(np.maximum(iou(still, rows[:, :4]), iou(moved, rows[:, :4])), how.overlap)
    for t, r in pairs:
        tracks[t].see(frame, rows[r], sure)
    taken = {t for t, _ in pairs}
    left = [track for number, track in enumerate(tracks) if number not in taken]
    return left, np.delete(rows, [r for _, r in pairs], axis=0)


def _join(
    tracks: Sequence[_Open],
    frames: Sequence[int],
    times: Floats,
    shot_of: npt.NDArray[np.intp],
    how: Linking,
    stage: Stage,
    size: tuple[int, int] | None,
) -> list[_Open]:
    """Tracks of one face made one, the nearest in time first."""
    by_start = sorted(tracks, key=lambda track: (track.frames[0], *track.boxes[0].tolist()))
    starts = [track.frames[0] for track in by_start]
    searched = np.asarray(frames, np.int64)
    meetings: list[tuple[float, float, int, int]] = []
    for a, before in enumerate(by_start):
        end = before.frames[-1]
        far = int(np.searchsorted(times, times[end] + how.away_ms, side="right"))
        for b in range(bisect_right(starts, end), bisect_left(starts, far)):
            after = by_start[b]
            if shot_of[end] != shot_of[after.frames[0]]:
                break
            gap = float(times[after.frames[0]] - times[end])
            overlap = _meet(before, after, times, gap)
            if overlap < 2 * how.overlap:
                continue
            if gap <= how.gap_ms or (size and _unseen(before, after, searched, gap, how, stage, size)):
                meetings.append((gap, -overlap, a, b))
    followed: dict[int, int] = {}
    for _, _, a, b in sorted(meetings):
        if a not in followed and b not in followed.values():
            followed[a] = b
    kept = []
    for n, track in enumerate(by_start):
        if n in followed.values():
            continue
        kept.append(track)
        while n in followed:
            n = followed[n]
            track.joined(by_start[n])
    return kept


def _meet(before: _Open, after: _Open, times: Floats, gap: float) -> float:
    """IoU of the end of one track with the start of another, standing still or, over a short gap, moved on."""
    still = float(iou(before.boxes[-1], after.boxes[0])[0, 0])
    if gap > NEAR_MS:
        return still
    ahead = before.expected(float(times[after.frames[0]]), times)[1]
    return max(still, float(iou(ahead, after.boxes[0])[0, 0]))


def _unseen(
    before: _Open,
    after: _Open,
    searched: npt.NDArray[np.int64],
    gap: float,
    how: Linking,
    stage: Stage,
    size: tuple[int, int],
) -> bool:
    """Whether the face's place was out of the picture between the two, but for gap_ms."""
    between = searched[(searched > before.frames[-1]) & (searched < after.frames[0])]
    boxes = stage.leave(np.repeat(after.boxes[0][None], len(between), axis=0), between)
    low = np.clip(boxes[:, :2], 0, size)
    high = np.clip(boxes[:, :2] + boxes[:, 2:], 0, size)
    seen = (high - low).prod(axis=1) >= 0.5 * boxes[:, 2:].prod(axis=1)
    return bool(gap * seen.sum() / (len(between) + 1) <= how.gap_ms)


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


def _closed(
    track: _Open,
    times: Floats,
    searched: Sequence[int],
    shot_first: int,
    shot_last: int,
    how: Linking,
    stage: Stage,
) -> Track:
    """Fill the holes, go on a little before the first sight and after the last, and leave the stage."""
    seen = np.asarray(track.frames)
    boxes = _smooth(times[seen], np.stack(track.boxes))
    first, last = int(seen[0]), int(seen[-1])
    while first > shot_first and times[seen[0]] - times[first - 1] <= how.extend_ms:
        first -= 1
    while last < shot_last and times[last + 1] - times[seen[-1]] <= how.extend_ms:
        last += 1
    before, after = bisect_left(searched, seen[0]) - 1, bisect_right(searched, seen[-1])
    if before >= 0 and times[seen[0]] - times[searched[before]] <= how.reach_ms:
        first = min(first, max(shot_first, searched[before] + 1))
    if after < len(searched) and times[searched[after]] - times[seen[-1]] <= how.reach_ms:
        last = max(last, min(shot_last, searched[after] - 1))
    numbers = np.arange(first, last + 1)
    now = times[numbers]
    filled = _between(now, times[seen], boxes)
    for n in np.flatnonzero((numbers < seen[0]) | (numbers > seen[-1])):
        part = slice(0, 4) if numbers[n] < seen[0] else slice(-4, None)
        filled[n] = _ahead(times[seen[part]], boxes[part], float(now[n]))
    away = np.abs(now[:, None] - times[seen[_nearest(times[seen], now)]]).min(axis=1)
    filled = _grown(filled, 1 + how.growth * away / 100)
    confidence = np.asarray(track.confidence)
    sure = np.isfinite(confidence)
    points = np.stack(track.points).reshape(len(seen), -1)
    known = np.isfinite(points).all(axis=1)
    marks = np.full((len(numbers), points.shape[1]), np.nan)
    if known.any():
        marks = _between(now, times[seen[known]], points[known])
    return Track(
        first,
        stage.leave(filled, numbers),
        np.interp(now, times[seen[sure]], confidence[sure]),
        np.isin(numbers, seen[sure]),
        marks.reshape(len(numbers), POINTS, 2),
    )


def _between(now: Floats, seen: Floats, values: Floats) -> Floats:
    """Each column of `values` [m, k] at times `now`, in straight lines between the times `seen`."""
    return np.stack([np.interp(now, seen, column) for column in values.T], axis=1)


def _nearest(seen: Floats, now: Floats) -> npt.NDArray[np.intp]:
    """[n, 2] The sights before and after each time; the outermost one twice at the ends."""
    after = np.searchsorted(seen, now)
    return np.clip(np.stack([after - 1, after], axis=1), 0, len(seen) - 1)


def _smooth(seen: Floats, boxes: Floats) -> Floats:
    """Each sight a mean of itself (weight 2) and its two neighbours (1 each), where both are near."""
    smooth = boxes.copy()
    gaps = np.diff(seen)
    inner = 1 + np.flatnonzero((gaps[:-1] <= NEAR_MS) & (gaps[1:] <= NEAR_MS))
    smooth[inner] = (boxes[inner - 1] + 2 * boxes[inner] + boxes[inner + 1]) / 4
    return smooth


def _grown(boxes: Floats, by: Floats) -> Floats:
    """Boxes grown about their centres, each by its own factor."""
    size = boxes[:, 2:] * by[:, None]
    return np.column_stack([boxes[:, :2] + (boxes[:, 2:] - size) / 2, size])


__all__ = ["POINTS", "Linking", "Track", "link"]
