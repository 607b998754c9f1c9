"""The clip's sound: its packets as they are where nothing changes it, else encoded anew from cut samples."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Protocol

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.container import InputContainer, OutputContainer
from numpy.typing import NDArray

JSON = dict[str, Any]

KEPT = frozenset({"aac", "mp3", "ac3", "eac3", "alac"})
"""Codecs that players read in an MP4."""
LAYOUTS = {1: "mono", 2: "stereo"}
"""Channels -> layout; more channels are mixed down to stereo."""
RATES = (48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
"""Samples a second that AAC takes and every player knows; another rate becomes 48000."""
FRAME = 1024
GAP_S = 0.04
"""Smaller jumps between time stamps are rounding; larger gaps are kept as silence."""


class Sound(Protocol):
    how: str
    """`copied` or `encoded`"""

    def feed(self, packet: Any) -> None: ...

    def rest(self, container: InputContainer, source: Any) -> None:
        """Feeds what the clip still lacks, when its last frame was read."""

    def finish(self) -> None: ...


class Copied:
    """Packets as they are, times and all. For a clip that is neither cut nor changed."""

    how = "copied"

    def __init__(self, out: OutputContainer, source: Any, start: Fraction) -> None:
        self._out = out
        self._stream = out.add_stream_from_template(source)
        self._start = round(start / source.time_base)

    def feed(self, packet: Any) -> None:
        if packet.dts is None:
            return
        packet.pts, packet.dts = packet.pts - self._start, packet.dts - self._start
        packet.stream = self._stream
        self._out.mux(packet)

    def rest(self, container: InputContainer, source: Any) -> None: ...

    def finish(self) -> None: ...


class Encoded:
    """Decoded, cut to the sample, and encoded by the profile's codec."""

    how = "encoded"

    def __init__(
        self, out: OutputContainer, source: Any, start: Fraction, span: tuple[int, int | None], codec: JSON
    ) -> None:
        """span: (first, last) ms of the clip in the source; None: to its end."""
        rate = source.rate if source.rate in RATES else 48000
        self._layout = LAYOUTS.get(source.channels, "stereo")
        self._out, self._source, self._rate = out, source, rate
        self._stream: Any = out.add_stream(codec["codec"], rate=rate, layout=self._layout)
        self._stream.bit_rate = codec["bit_rate"]
        self._resampler = self._new_resampler()
        self._form: tuple[str, str, int] | None = None
        self._begin = start + Fraction(span[0], 1000)
        self._limit = None if span[1] is None else round(Fraction(span[1] - span[0], 1000) * rate)
        self._next: int | None = None  # the sample that would follow without a gap, from the clip's start
        self._given = 0  # samples sent to the encoder or waiting
        self._waiting: list[NDArray[np.float32]] = []

    def feed(self, packet: Any) -> None:
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            return
        for frame in frames:
            at = None if frame.pts is None else frame.pts * frame.time_base - self._begin
            form = (frame.format.name, frame.layout.name, frame.sample_rate)
            if form != self._form:  # some streams change in the middle
                self._form, self._resampler = form, self._new_resampler()
            for made in self._resampler.resample(frame):
                self._take(_samples(made), at)
                at = None

    def rest(self, container: InputContainer, source: Any) -> None:
        for packet in container.demux(source):
            if self._limit is None or (self._next or 0) >= self._limit:
                return
            self.feed(packet)

    def finish(self) -> None:
        for made in self._resampler.resample(None):
            self._take(_samples(made), None)
        self._encode(last=True)
        self._out.mux(self._stream.encode(None))

    def _new_resampler(self) -> AudioResampler:
        return AudioResampler(format="fltp", layout=self._layout, rate=self._rate)

    def _take(self, samples: NDArray[np.float32], at: Fraction | None) -> None:
        """Samples [channels, n] at their place; what lies outside the clip is dropped, a gap becomes silence."""
        place = round(at * self._rate) if at is not None else self._next or 0
        if self._next is not None and abs(place - self._next) < GAP_S * self._rate:
            place = self._next
        self._next = place + samples.shape[1]
        if self._limit is not None:
            samples = samples[:, : max(0, self._limit - place)]
        samples = samples[:, max(0, self._given - place) :]
        if not samples.shape[1]:
            return
        silence = max(0, place - self._given)
        while silence:
            part = min(silence, self._rate)
            self._wait(np.zeros((samples.shape[0], part), np.float32))
            silence -= part
        self._wait(samples)

    def _wait(self, samples: NDArray[np.float32]) -> None:
        self._waiting.append(samples)
        self._given += samples.shape[1]
        if sum(part.shape[1] for part in self._waiting) >= FRAME:
            self._encode()

    def _encode(self, last: bool = False) -> None:
        if not self._waiting:
            return
        joined = np.concatenate(self._waiting, axis=1)
        first = self._given - joined.shape[1]
        whole = joined.shape[1] if last else joined.shape[1] // FRAME * FRAME
        for offset in range(0, whole, FRAME):
            part = np.ascontiguousarray(joined[:, offset : min(offset + FRAME, whole)])
            frame = AudioFrame.from_ndarray(part, format="fltp", layout=self._layout)
            frame.sample_rate, frame.pts, frame.time_base = self._rate, first + offset, Fraction(1, self._rate)
            self._out.mux(self._stream.encode(frame))
        self._waiting = [joined[:, whole:]] if whole < joined.shape[1] else []


def _samples(frame: AudioFrame) -> NDArray[np.float32]:
    return frame.to_ndarray().astype(np.float32, copy=False)


def sound_of(out: OutputContainer, source: Any, start: Fraction, span: tuple[int, int | None], codec: JSON) -> Sound:
    """How the stream `source` is carried over. start: seconds of the source container's start."""
    if span == (0, None) and source.codec_context.name in KEPT:
        return Copied(out, source, start)
    return Encoded(out, source, start, span, codec)


__all__ = ["Copied", "Encoded", "Sound", "sound_of"]
