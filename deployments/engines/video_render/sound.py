"""The clips' sound: one clip's packets where nothing changes them, else encoded anew from cut samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Protocol

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.container import InputContainer, OutputContainer
from numpy.typing import NDArray

from deployments.engines.video_render.facts import Heard

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
    """The sound of one clip on its way into the file."""

    def feed(self, packet: Any) -> None: ...

    def rest(self, container: InputContainer) -> None:
        """Feeds what the clip still lacks, when its last frame was read."""


class Copied:
    """Packets as they are, times and all. For a clip alone that is neither cut nor changed."""

    def __init__(self, out: OutputContainer, source: Any, start: Fraction) -> None:
        self._out, self._source = out, source
        self._stream = out.add_stream_from_template(source)
        self._start = round(start / source.time_base)

    def feed(self, packet: Any) -> None:
        if packet.dts is None:
            return
        packet.pts, packet.dts = packet.pts - self._start, packet.dts - self._start
        packet.stream = self._stream
        self._out.mux(packet)

    def rest(self, container: InputContainer) -> None:
        for packet in container.demux(self._source):
            self.feed(packet)


class Encoder:
    """The file's one encoded stream: samples are put in order of time, gaps become silence."""

    def __init__(self, out: OutputContainer, like: Heard, codec: JSON) -> None:
        """`like`: the first clip's stream, whose rate and layout are kept where players know them."""
        self.rate = like.rate if like.rate in RATES else 48000
        self.layout = LAYOUTS.get(like.channels, "stereo")
        self._out = out
        self._stream: Any = out.add_stream(codec["codec"], rate=self.rate, layout=self.layout)
        self._stream.bit_rate = codec["bit_rate"]
        self._given = 0  # samples sent to the encoder or waiting
        self._waiting: list[NDArray[np.float32]] = []

    def put(self, samples: NDArray[np.float32], place: int) -> None:
        """Samples [channels, n] at a place on the timeline; what was put there before stays."""
        samples = samples[:, max(0, self._given - place) :]
        if not samples.shape[1]:
            return
        silence = max(0, place - self._given)
        while silence:
            part = min(silence, self.rate)
            self._wait(np.zeros((samples.shape[0], part), np.float32))
            silence -= part
        self._wait(samples)

    def finish(self) -> None:
        self._encode(last=True)
        self._out.mux(self._stream.encode(None))

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
            frame = AudioFrame.from_ndarray(part, format="fltp", layout=self.layout)
            frame.sample_rate, frame.pts, frame.time_base = self.rate, first + offset, Fraction(1, self.rate)
            self._out.mux(self._stream.encode(frame))
        self._waiting = [joined[:, whole:]] if whole < joined.shape[1] else []


class Decoded:
    """A clip's samples, cut to it and put at their place on the timeline."""

    def __init__(self, encoder: Encoder, source: Any, start: Fraction, row: JSON, to_end: bool) -> None:
        """start: seconds of the source container's start; row: the clip; to_end: it plays all the sound there is."""
        self._encoder, self._source = encoder, source
        self._resampler = self._new_resampler()
        self._form: tuple[str, str, int] | None = None
        self._begin = start + Fraction(row["in_ms"], 1000)
        self._offset = round(Fraction(row["start_ms"], 1000) * encoder.rate)
        self._limit = None if to_end else round(Fraction(row["duration_ms"], 1000) * encoder.rate)
        self._gain = np.float32(10 ** (row["volume_db"] / 20))
        self._next: int | None = None  # the sample that would follow without a gap, from the clip's start

    def feed(self, packet: Any) -> None:
        try:
            frames = packet.decode()
        except (av.error.InvalidDataError, EOFError):  # EOFError: the decoder was emptied before
            return
        for frame in frames:
            at = None if frame.pts is None else frame.pts * frame.time_base - self._begin
            form = (frame.format.name, frame.layout.name, frame.sample_rate)
            if form != self._form:  # some streams change in the middle
                self._form, self._resampler = form, self._new_resampler()
            for made in self._resampler.resample(frame):
                self._take(_samples(made), at)
                at = None

    def rest(self, container: InputContainer) -> None:
        for packet in container.demux(self._source):
            if self._limit is not None and (self._next or 0) >= self._limit:
                break
            self.feed(packet)
        for made in self._resampler.resample(None):
            self._take(_samples(made), None)

    def _new_resampler(self) -> AudioResampler:
        return AudioResampler(format="fltp", layout=self._encoder.layout, rate=self._encoder.rate)

    def _take(self, samples: NDArray[np.float32], at: Fraction | None) -> None:
        """Samples [channels, n] at their place in the clip; what lies outside it is dropped."""
        place = round(at * self._encoder.rate) if at is not None else self._next or 0
        if self._next is not None and abs(place - self._next) < GAP_S * self._encoder.rate:
            place = self._next
        self._next = place + samples.shape[1]
        if self._limit is not None:
            samples = samples[:, : max(0, self._limit - place)]
        samples = samples[:, max(0, -place) :]
        if self._gain != 1:
            samples = samples * self._gain
        self._encoder.put(samples, self._offset + max(0, place))


class Soundtrack:
    """The file's sound: one clip's packets as they are where nothing changes them, else encoded anew."""

    def __init__(self, out: OutputContainer, rows: Sequence[JSON], heard: Mapping[str, Heard], codec: JSON) -> None:
        """heard: source id -> its stream of sound, for those that have one."""
        self._out, self._rows = out, rows
        first = next((heard[row["source_id"]] for row in rows if row["source_id"] in heard), None)
        self._encoder: Encoder | None = None
        self.how = "none"
        if first is None:
            return
        alone = len(rows) == 1 and rows[0]["start_ms"] == 0 and rows[0]["volume_db"] == 0
        whole = rows[0]["in_ms"] == 0 and rows[0]["out_ms"] is None
        self.how = "copied" if alone and whole and first.codec in KEPT else "encoded"
        if self.how == "encoded":
            self._encoder = Encoder(out, first, codec)

    def enter(self, container: InputContainer, row: JSON) -> tuple[Any, Sound] | None:
        """The clip's audio stream and what takes its packets; None where it has no sound."""
        source: Any = next((stream for stream in container.streams.audio if stream.codec_context), None)
        if source is None or self.how == "none":
            return None
        start = Fraction(container.start_time or 0, av.time_base)
        if self._encoder is None:
            return source, Copied(self._out, source, start)
        return source, Decoded(self._encoder, source, start, row, len(self._rows) == 1 and row["out_ms"] is None)

    def finish(self) -> None:
        if self._encoder:
            self._encoder.finish()


def _samples(frame: AudioFrame) -> NDArray[np.float32]:
    return frame.to_ndarray().astype(np.float32, copy=False)


__all__ = ["Copied", "Decoded", "Encoder", "Sound", "Soundtrack"]
