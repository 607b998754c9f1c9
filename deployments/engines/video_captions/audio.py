"""Sound out of any file as 16 kHz mono on the file's own clock, in pieces, by PyAV alone."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

RATE = 16_000
"""Samples a second, as Whisper wants them."""
SLACK = RATE // 25
"""Samples. Smaller jumps between time stamps are rounding (a container may count in whole milliseconds); larger ones
are gaps, which are kept as silence, or overlaps, which are dropped, so that times never drift."""
BLOCK = RATE
"""Samples in a piece."""

Samples = NDArray[np.float32]


def pieces(path: Path) -> Iterator[Samples]:
    """The first audio stream as float32 [BLOCK] in -1..1 (the last piece shorter); nothing where there is no such.

    Sample 0 stands at the container's start, which players show as 0: a stream that starts later begins with silence.
    Damaged packets are left out, and leave silence. Raises av.FFmpegError where the file cannot be opened.
    """
    with av.open(str(path), metadata_errors="replace") as container:
        if not container.streams.audio:
            return
        start = Fraction(container.start_time or 0, 1_000_000)
        pending: list[Samples] = []
        held = 0
        for samples in _on_clock(_frames(container), start):
            pending.append(samples)
            held += len(samples)
            while held >= BLOCK:
                joined = np.concatenate(pending)
                yield joined[:BLOCK]
                pending, held = [joined[BLOCK:]], held - BLOCK
        if held:
            yield np.concatenate(pending)


def _frames(container: av.container.InputContainer) -> Iterator[AudioFrame]:
    stream = container.streams.audio[0]
    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except av.error.InvalidDataError:
            continue


def _on_clock(frames: Iterator[AudioFrame], start: Fraction) -> Iterator[Samples]:
    """Resampled frames, with silence where the time stamps leave a gap."""
    given = 0  # samples yielded so far, which is where the next one stands
    for at, samples in _resampled(frames):
        place = given if at is None else round((at - start) * RATE)
        if place > given + SLACK:
            yield from _silence(place - given)
            given = place
        elif place < given - SLACK:
            samples = samples[given - place :]
        given += len(samples)
        yield samples


def _silence(count: int) -> Iterator[Samples]:
    for done in range(0, count, BLOCK):  # a gap may be hours long
        yield np.zeros(min(BLOCK, count - done), np.float32)


def _resampled(frames: Iterator[AudioFrame]) -> Iterator[tuple[Fraction | None, Samples]]:
    """(time of the first sample in seconds or None, float32 [N]); a change of format in mid-stream is followed."""
    resampler: AudioResampler | None = None
    form: tuple[str, str, int] | None = None
    for frame in frames:
        found = (frame.format.name, frame.layout.name, frame.sample_rate)
        if resampler is None or found != form:
            yield from _flushed(resampler)
            resampler, form = AudioResampler(format="flt", layout="mono", rate=RATE), found
        yield from map(_samples, resampler.resample(frame))
    yield from _flushed(resampler)


def _flushed(resampler: AudioResampler | None) -> Iterator[tuple[Fraction | None, Samples]]:
    if resampler is not None:
        yield from map(_samples, resampler.resample(None))


def _samples(frame: AudioFrame) -> tuple[Fraction | None, Samples]:
    at = None if frame.pts is None or frame.time_base is None else frame.pts * frame.time_base
    return at, np.ascontiguousarray(frame.to_ndarray().reshape(-1), np.float32)


__all__ = ["BLOCK", "RATE", "Samples", "pieces"]
