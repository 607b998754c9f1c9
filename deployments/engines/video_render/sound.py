"""The file's sound: one clip's packets where nothing changes them, else everything that is heard, mixed and encoded.

Both are pulled: `until(seconds)` writes what belongs before that time, so the file's streams stay side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, Protocol

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.container import OutputContainer

from deployments.engines.video_render.facts import Heard
from deployments.engines.video_render.voice import Samples, Voice
from deployments.media.probe import open_media
from deployments.operation import JSON, Inputs, Plan, Source, Stopped, Tools
from kernels.sound import Ducker, Limiter, Loudness

KEPT = frozenset({"aac", "mp3", "ac3", "eac3", "alac"})
"""Codecs that players read in an MP4."""
LAYOUTS = {1: "mono", 2: "stereo"}
"""Channels -> layout; more channels are mixed down to stereo."""
RATES = (48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
"""Samples a second that AAC takes and every player knows; another rate becomes 48000."""
FRAME = 1024
BLOCK = 8 * FRAME
"""Samples that are mixed at a time."""


class Sound(Protocol):
    """A stream of sound on its way into the file."""

    how: str
    said: JSON
    """What the render's meta tells of it."""

    def until(self, seconds: Fraction) -> None:
        """Writes what is heard before this time."""

    def finish(self) -> None: ...


class Silence:
    """No stream at all."""

    how = "none"

    def __init__(self) -> None:
        self.said: JSON = {}

    def until(self, seconds: Fraction) -> None:
        pass

    def finish(self) -> None:
        pass


class Copied:
    """Packets as they are, times and all. For a clip alone that is neither cut nor changed."""

    how = "copied"

    def __init__(self, out: OutputContainer, source: Source) -> None:
        self.said: JSON = {}
        self._out = out
        self._opened = open_media(source.path(), source.media_type)
        container = self._opened.__enter__()
        stream: Any = next(stream for stream in container.streams.audio if stream.codec_context)
        self._stream = out.add_stream_from_template(stream)
        self._start = round(Fraction(container.start_time or 0, av.time_base) / stream.time_base)
        self._packets = container.demux(stream)
        self._waiting: Any = None

    def until(self, seconds: Fraction) -> None:
        while self._waiting is not None or self._next():
            if self._waiting.pts * self._waiting.time_base >= seconds:
                return
            self._put()

    def finish(self) -> None:
        while self._waiting is not None or self._next():
            self._put()
        self._opened.__exit__(None, None, None)

    def _next(self) -> bool:
        for packet in self._packets:
            if packet.dts is not None:
                packet.pts, packet.dts = packet.pts - self._start, packet.dts - self._start
                self._waiting = packet
                return True
        return False

    def _put(self) -> None:
        packet, self._waiting = self._waiting, None
        packet.stream = self._stream
        self._out.mux(packet)


class Mix:
    """Everything that is heard, added up."""

    how = "encoded"

    def __init__(self, out: OutputContainer, plan: Plan, inputs: Inputs, tools: Tools, heard: Sequence[Heard]) -> None:
        """`heard`: what is added up. Its highest rate and its channels are kept, so that none of it loses any: up to
        two channels, and of rates that players know; a single odd rate becomes 48000."""
        parameters = plan.parameters
        codec = parameters["profile"]["audio"]
        self._wanted, self._rows, self._inputs, self._tools = parameters["mix"], parameters["sounds"], inputs, tools
        self.rate = max(one.rate if one.rate in RATES else 48000 for one in heard)
        self.layout = LAYOUTS.get(max(one.channels for one in heard), "stereo")
        self._channels = 1 if self.layout == "mono" else 2
        self._out = out
        self._stream: Any = out.add_stream(codec["codec"], rate=self.rate, layout=self.layout)
        self._stream.bit_rate = codec["bit_rate"]
        self._total = round(Fraction(parameters["picture"]["duration_ms"], 1000) * self.rate)
        self.said: JSON = {}
        self._gain = self._level()
        self._limiter = Limiter(self.rate, self._channels) if self._limits() else None
        self._blocks = self._mixed()
        self._made = 0  # samples mixed
        self._given = 0  # samples sent to the encoder
        self._waiting: Samples = np.zeros((self._channels, 0), np.float32)

    def until(self, seconds: Fraction) -> None:
        while self._made < min(self._total, int(seconds * self.rate) + FRAME) and self._step():
            pass

    def finish(self) -> None:
        while self._step():
            pass
        if self._limiter:
            self._put(self._limiter.feed(self._waiting[:, :0], last=True), last=True)
        else:
            self._put(self._waiting[:, :0], last=True)
        self._out.mux(self._stream.encode(None))

    def _limits(self) -> bool:
        """One clip by itself cannot get louder than it was; what is added up or raised can."""
        raised = any(row["volume_db"] > 0 or row["curves"] for row in self._rows)
        return len(self._rows) > 1 or raised or self._gain > 1

    def _step(self) -> bool:
        block = next(self._blocks, None)
        if block is None:
            return False
        self._made += block.shape[1]
        block = block * np.float32(self._gain)
        self._put(self._limiter.feed(block) if self._limiter else block)
        return True

    def _mixed(self) -> Iterator[Samples]:
        """[channels, n] blocks of the whole timeline."""
        voices = [Voice(row, self._inputs[row["source_id"]], self.rate, self.layout) for row in self._rows]
        ducking = self._wanted["ducking"]
        ducker = Ducker(self.rate, **ducking) if ducking else None
        for first in range(0, self._total, BLOCK):
            if self._tools.stop.is_set():
                raise Stopped
            count = min(BLOCK, self._total - first)
            speech, music = (np.zeros((self._channels, count), np.float32) for _ in range(2))
            for voice in voices:
                part = music if voice.music else speech
                part += voice.read(first, count)
            if ducker:
                music *= ducker.gain(speech)
            yield speech + music

    def _level(self) -> float:
        """The factor that brings the whole to the loudness that is wanted; measured by mixing it once before."""
        target = self._wanted["loudness"]
        if target is None:
            return 1.0
        meter = Loudness(self.rate, self._channels)
        for block in self._mixed():
            meter.feed(block)
        found = meter.integrated()
        self.said = {"loudness_lufs": None if found is None else round(found, 2), "target_loudness_lufs": target}
        return 1.0 if found is None else float(10 ** ((target - found) / 20))

    def _put(self, samples: Samples, last: bool = False) -> None:
        joined = np.concatenate([self._waiting, samples], axis=1)
        whole = joined.shape[1] if last else joined.shape[1] // FRAME * FRAME
        for offset in range(0, whole, FRAME):
            part = np.ascontiguousarray(joined[:, offset : min(offset + FRAME, whole)])
            frame = AudioFrame.from_ndarray(part, format="fltp", layout=self.layout)
            frame.sample_rate, frame.pts, frame.time_base = self.rate, self._given, Fraction(1, self.rate)
            self._given += part.shape[1]
            self._out.mux(self._stream.encode(frame))
        self._waiting = joined[:, whole:]


def soundtrack(out: OutputContainer, plan: Plan, inputs: Inputs, tools: Tools, heard: Mapping[str, Heard]) -> Sound:
    """The file's sound. heard: source id -> its stream of sound, for those that have one."""
    rows: Sequence[JSON] = [row for row in plan.parameters["sounds"] if row["source_id"] in heard]
    if not rows:
        return Silence()
    first = heard[rows[0]["source_id"]]
    row, wanted = rows[0], plan.parameters["mix"]
    untouched = (
        len(rows) == 1
        and not row["music"]
        and (row["start_ms"], row["in_ms"], row["out_ms"], row["volume_db"], row["speed"]) == (0, 0, None, 0, 1)
        and not row["ramps"]
        and not row["curves"].keys() & {"volume_db", "volume_db_over"}
        and wanted["loudness"] is None
        and plan.parameters["profile"]["audio"]["codec"] == "aac"
    )
    if untouched and first.codec in KEPT:
        return Copied(out, inputs[row["source_id"]])
    return Mix(out, plan, inputs, tools, [heard[row["source_id"]] for row in rows])


__all__ = ["Copied", "Mix", "Silence", "Sound", "soundtrack"]
