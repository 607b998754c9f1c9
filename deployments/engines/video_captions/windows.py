"""A stream of sound cut at its pauses into windows that Whisper takes whole, and times snapped to what is heard."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deployments.engines.video_captions.audio import RATE, Samples

LONGEST = 30 * RATE
"""Samples. Whisper pads or cuts everything to 30 s."""
SEARCHED = 12 * RATE
"""Samples at the end of a full window in which its cut is looked for."""
FRAME = RATE // 100
"""Samples in 10 ms, the step of loudness."""
SILENT = 1e-3
"""Root mean square (-60 dB of full scale) below which nothing is said; digital silence and a muted line are below."""
LONG_SILENCE = 300
"""Frames. A window ends at such a silence, so that no time stamp has to find its way over it."""
MARGIN = 20
"""Frames of silence kept before and after what is heard."""
PAUSE = 20
"""Frames. No word has such a silence inside."""
TAIL = 40
"""Frames by which a word may outlast its alignment."""

Levels = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Window:
    """Sound to be transcribed at once."""

    start: int
    """The first sample's number since the asset's start."""
    samples: Samples
    """float32 [N <= 480000] in -1..1"""


def windows(pieces: Iterable[Samples]) -> Iterator[Window]:
    """The stream in windows of at most 30 s, cut where it is most quiet, silences left out; holds one at a time."""
    start, held = 0, np.zeros(0, np.float32)
    stream = iter(pieces)
    ended = False
    while True:
        parts, count = [held], len(held)
        while not ended and count < LONGEST:
            piece = next(stream, None)
            if piece is None:
                ended = True
            else:
                parts.append(piece)
                count += len(piece)
        held = np.concatenate(parts)
        skipped = _leading_silence(held)
        start, held = start + skipped, held[skipped:]
        if not len(held):
            if ended:
                return
            continue
        if skipped and not ended:
            continue  # take in what now fits
        cut = _cut(held, ended)
        yield Window(start, held[:cut])
        start, held = start + cut, held[cut:]


def levels(samples: Samples) -> Levels:
    """Root mean square of each 10 ms, 0..1; float32 [ceil(N / 160)]."""
    padded = np.pad(samples, (0, -len(samples) % FRAME)).reshape(-1, FRAME)
    return np.sqrt(np.mean(np.square(padded), axis=1, dtype=np.float32))


def quietest(samples: Samples, begin: int, end: int) -> int:
    """The sample between `begin` and `end` about which 0.3 s are most quiet."""
    heard = np.convolve(levels(samples), np.full(30, 1 / 30, np.float32), mode="same")
    first, last = begin // FRAME, max(begin // FRAME + 1, end // FRAME)
    return (first + int(np.argmin(heard[first:last]))) * FRAME


def snapped(times: list[tuple[float, float]], heard: Levels) -> list[tuple[float, float]]:
    """Words' times without the silence that alignment counted into them, each end grown to where its sound ends.

    Attention counts a pause into the word after it, and lets the last word of a phrase end too soon. `times` are
    (start, end) in seconds since the window's start, in order; so is the result. A word in which nothing is loud
    keeps its times.
    """
    if not times or not len(heard):
        return times
    loud = heard > _speech_threshold(heard)
    frames = [(round(start * 100), max(round(start * 100) + 1, round(end * 100))) for start, end in times]
    starts = [_heard_from(first, last, loud) for first, last in frames]
    found = []
    for number, (_, last) in enumerate(frames):
        start, following = starts[number], starts[number + 1] if number + 1 < len(starts) else len(loud)
        end = max(start + 2, min(_heard_until(start, last, loud), max(following, start + 2)))
        found.append((start / 100, end / 100))
    return found


def _heard_from(first: int, last: int, loud: NDArray[np.bool_]) -> int:
    """The frame where a word begins that was aligned to [first, last): after the last pause in there."""
    inside = np.flatnonzero(loud[first:last])
    if not len(inside):
        return first
    quiet = np.diff(inside, prepend=-1) - 1  # silent frames before each loud one
    pauses = np.flatnonzero(quiet >= PAUSE)
    if len(pauses):
        return first + int(inside[pauses[-1]]) - 2
    return first + max(0, int(inside[0]) - 2)


def _heard_until(first: int, last: int, loud: NDArray[np.bool_]) -> int:
    """The frame where a word ends: its last loud one, followed on where it still sounds at `last`."""
    inside = np.flatnonzero(loud[first:last])
    if not len(inside):
        return last
    end = first + int(inside[-1]) + 1
    if end < last:
        return min(last, end + 2)
    limit = min(len(loud), last + TAIL)
    while end < limit and loud[end]:
        end += 1
    return end


def _speech_threshold(heard: Levels) -> float:
    """The loudness above which something is said: well over the background, well under the speech."""
    background, speech = np.percentile(heard, [10, 95])
    return float(max(SILENT, min(background * 3, speech * 0.3), speech * 0.05))


def _leading_silence(samples: Samples) -> int:
    """How many samples may be left out at the start: silence but for a margin, if it is worth it."""
    loud = np.flatnonzero(levels(samples) > SILENT)
    silent = int(loud[0]) if len(loud) else -(-len(samples) // FRAME)
    if len(loud) and silent <= 2 * MARGIN:
        return 0
    return min(len(samples), (silent - (MARGIN if len(loud) else 0)) * FRAME)


def _cut(samples: Samples, ended: bool) -> int:
    """Where the window ends: at its first long silence, else at its end, else at the quietest place near 30 s."""
    silence = _long_silence(levels(samples) <= SILENT)
    if silence is not None:
        return min(len(samples), (silence + MARGIN) * FRAME)
    if ended and len(samples) <= LONGEST:
        return len(samples)
    return quietest(samples, LONGEST - SEARCHED, min(LONGEST, len(samples)))


def _long_silence(silent: NDArray[np.bool_]) -> int | None:
    """The first frame of the first run of LONG_SILENCE silent frames."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], silent, [False])).astype(np.int8)))
    for begin, end in edges.reshape(-1, 2):
        if end - begin >= LONG_SILENCE:
            return int(begin)
    return None


__all__ = ["FRAME", "LONGEST", "Levels", "Window", "levels", "quietest", "snapped", "windows"]
