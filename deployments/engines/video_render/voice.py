"""The sound of one clip: read in order, cut, stretched by its speed, pulled by samples of the timeline."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.container import InputContainer
from numpy.typing import NDArray

from deployments.engines.video_render import motion
from deployments.media.probe import open_media
from deployments.operation import JSON, Source
from kernels.stretch import Stretch

Samples = NDArray[np.float32]
"""[channels, n], full scale 1."""
GAP_S = 0.04
"""Larger jumps between time stamps are gaps, kept as silence, or overlaps, left out. Smaller ones may be a writer's
rounding: the samples go on without a seam, until"""
SLIP_S = 0.01
"""the time stamps have said for a while that they stand so far from their place: packets that were spliced overlap."""
SETTLE_S = 0.25
"""How long a while is: the time constant of the mean."""
BEFORE_S = Fraction(1, 2)
"""A decoder that starts in the middle is given this much before what is wanted."""
STEP = 64
"""Samples between the places where a gain that moves is computed."""


class Voice:
    """A row's sound on the timeline."""

    def __init__(self, row: JSON, source: Source, rate: int, layout: str) -> None:
        self.music = bool(row["music"])
        self.start = round(Fraction(row["start_ms"], 1000) * rate)
        self.end = self.start + round(Fraction(row["duration_ms"], 1000) * rate)
        self._row, self._source, self._rate, self._layout = row, source, rate, layout
        self._channels = 1 if layout == "mono" else 2
        self._pieces: Generator[Samples, None, None] | None = None
        self._kept: Samples = np.zeros((self._channels, 0), np.float32)

    def read(self, first: int, count: int) -> Samples:
        """[channels, count] from sample `first` of the timeline on; calls follow each other without gaps."""
        made = np.zeros((self._channels, count), np.float32)
        begin, end = max(first, self.start), min(first + count, self.end)
        if begin >= end:
            if self._pieces is not None and first >= self.end:
                self._pieces.close()  # its file is closed with it
                self._pieces = None
            return made
        if self._pieces is None:
            self._pieces = self._read()
        while self._kept.shape[1] < end - begin:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._kept = np.concatenate([self._kept, piece], axis=1)
        taken = self._kept[:, : end - begin]
        self._kept = self._kept[:, end - begin :]
        made[:, begin - first : begin - first + taken.shape[1]] = taken * self._gain(begin, taken.shape[1])
        return made

    def _gain(self, first: int, count: int) -> NDArray[np.float32] | np.float32:
        """By volume, automation and ramps."""
        row = self._row
        if not row["ramps"] and not row["curves"]:
            return np.float32(10 ** (row["volume_db"] / 20))
        knots = np.arange(first // STEP, (first + count) // STEP + 2) * STEP
        gains = [self._gain_at(knot * 1000 / self._rate) for knot in knots]
        return np.interp(np.arange(first, first + count), knots, gains).astype(np.float32)

    def _gain_at(self, ms: float) -> float:
        gain = 10 ** (motion.volume_db(self._row, ms) / 20)
        for way, shape, begin, end in self._row["ramps"]:
            share = min(1.0, max(0.0, (ms - begin) / (end - begin)))
            share = share if way == "rise" else 1 - share
            gain *= float(np.sin(share * np.pi / 2)) if shape == "power" else share
        return float(gain)

    def _read(self) -> Generator[Samples, None, None]:
        with open_media(self._source.path(), self._source.media_type) as container:
            stream: Any = next((s for s in container.streams.audio if s.codec_context), None)
            if stream is None:
                return
            pieces = self._contiguous(container, stream)
            speed = self._row["speed"]
            yield from pieces if speed == 1 else _stretched(pieces, Stretch(speed, self._rate, self._channels))

    def _contiguous(self, container: InputContainer, stream: Any) -> Iterator[Samples]:
        """The samples from in_ms on, silence where the source has none, until out_ms or its end."""
        start = Fraction(container.start_time or 0, av.time_base)
        begin = start + Fraction(self._row["in_ms"], 1000)
        out = self._row["out_ms"]
        limit = None if out is None else round(Fraction(out - self._row["in_ms"], 1000) * self._rate)
        if self._row["in_ms"] > 0:
            container.seek(int((begin - BEFORE_S) / stream.time_base), stream=stream)
        given, follows, slip = 0, None, 0.0
        for heard, at in _resampled(container, stream, self._rate, self._layout):
            samples = np.repeat(heard, 2, axis=0) if heard.shape[0] < self._channels else heard
            place = (follows or 0) if at is None else round((at - begin) * self._rate)
            if follows is not None and abs(place - follows) < GAP_S * self._rate:
                slip += (place - follows - slip) * min(1.0, samples.shape[1] / (SETTLE_S * self._rate))
                if abs(slip) < SLIP_S * self._rate:
                    place = follows
                else:
                    slip = 0.0
            follows = place + samples.shape[1]
            while given < place and (limit is None or given < limit):
                silence = min(place - given, self._rate, self._rate if limit is None else limit - given)
                yield np.zeros((self._channels, silence), np.float32)
                given += silence
            samples = samples[:, max(0, given - place) :]
            if limit is not None:
                samples = samples[:, : max(0, limit - given)]
            if samples.shape[1]:
                yield samples
                given += samples.shape[1]
            if limit is not None and given >= limit:
                return


def _resampled(
    container: InputContainer, stream: Any, rate: int, layout: str
) -> Iterator[tuple[Samples, Fraction | None]]:
    """(samples, their time in seconds of the source, None: right after those before). Damaged packets are left out."""
    form: tuple[str, str, int] | None = None
    resampler: AudioResampler | None = None
    for packet in container.demux(stream):
        try:
            decoded = packet.decode()
        except (av.error.InvalidDataError, EOFError):
            continue
        for frame in decoded:
            at = None if frame.pts is None else frame.pts * frame.time_base
            said = (frame.format.name, frame.layout.name, frame.sample_rate)
            if said != form:  # some streams change in the middle
                if resampler is not None:
                    yield from ((_samples(rest), None) for rest in resampler.resample(None))
                # One channel goes to both sides as loud as it is; FFmpeg's matrix would take 3 dB off it.
                own = "mono" if frame.layout.nb_channels == 1 else layout
                form, resampler = said, AudioResampler(format="fltp", layout=own, rate=rate)
            assert resampler is not None
            for made in resampler.resample(frame):
                yield _samples(made), at
                at = None
    if resampler is not None:
        yield from ((_samples(rest), None) for rest in resampler.resample(None))


def _stretched(pieces: Iterator[Samples], stretch: Stretch) -> Iterator[Samples]:
    """Faster or slower at the same pitch."""
    for piece in pieces:
        yield stretch.feed(piece)
    yield stretch.rest()


def _samples(frame: Any) -> Samples:
    return np.asarray(frame.to_ndarray()).astype(np.float32, copy=False)


__all__ = ["Voice"]
