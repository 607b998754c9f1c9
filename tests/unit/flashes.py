"""Clips that flash and beep at the same moment, in every shape that a render must keep together; and when they do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from deployments.operation import JSON

FLASH_S = 1.24
"""On a frame of 25 a second and of 50, between two of 30."""
LENGTH_S = 2.0
BEEP_HZ = 1000
LONG_FRAMES = 3
"""How long the flash and the beep last."""
BLOCK = 960
"""Samples a frame of sound."""
APART_S = 0.25
"""Bright frames, or loud samples, further apart than this belong to two flashes."""

CASES: Mapping[str, JSON] = {
    "plain": {},
    "rotated": {"turn": 90},
    "variable rate": {"times_ms": lambda n: n * 20 + (n % 2) * 9},
    "odd size": {"size": (65, 49), "codec": "libvpx-vp9", "suffix": ".webm"},
    "ten bits": {"pixels": "yuv420p10le"},
    "hdr pq": {"pixels": "yuv420p10le", "codec": "libx265", "color": (9, 9, 16)},
    "hdr hlg": {"pixels": "yuv420p10le", "codec": "libx265", "color": (9, 9, 18)},
    "late sound": {"late_s": 0.5},
    "44100": {"rate": 44100},
    "22050": {"rate": 22050},
    "sound of a changing rate": {"rate": 48000, "then": 32000, "suffix": ".mkv"},
    "opus": {"suffix": ".webm", "codec": "libvpx-vp9"},
}
"""What is asked of `flash_and_beep`, and `suffix`, which chooses the container."""
MEDIA_TYPES = {".mp4": "video/mp4", ".webm": "video/webm", ".mkv": "video/x-matroska"}
SOUNDS = {".mp4": "aac", ".webm": "libopus", ".mkv": "ac3"}


def flash_and_beep(
    path: Path,
    *,
    rate: int = 48000,
    size: tuple[int, int] = (64, 48),
    pixels: str = "yuv420p",
    codec: str = "libx264",
    turn: int = 0,
    late_s: float = 0.0,
    times_ms: Callable[[int], int] = lambda n: n * 40,
    then: int | None = None,
    color: tuple[int, int, int] | None = None,
    options: Mapping[str, str] | None = None,
) -> Path:
    """2 s: white from the first frame at or after FLASH_S for three frames, a tone as long from that frame's time on.

    late_s: the sound begins that late; then: its rate from 1 s on (a codec whose frames tell their rate themselves);
    color: matrix, primaries, transfer; options: the container's.
    """
    times = [t for n in range(120) if (t := times_ms(n)) < LENGTH_S * 1000]
    first = next(n for n, t in enumerate(times) if t >= FLASH_S * 1000)
    begin, end = times[first] / 1000, times[min(first + LONG_FRAMES, len(times) - 1)] / 1000
    wide = "10" in pixels
    with av.open(str(path), "w", options=dict(options or {})) as out:
        stream: Any = out.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.codec_context.time_base = Fraction(1, 1000)
        if color:
            context = stream.codec_context
            context.colorspace, context.color_primaries, context.color_trc = color
        if turn:
            stream.set_display_rotation(turn)
        audio: Any = out.add_stream(SOUNDS[path.suffix], rate=rate, layout="mono")
        for number, ms in enumerate(times):
            bright = first <= number < first + LONG_FRAMES
            frame = av.VideoFrame(*size, pixels)
            for index, plane in enumerate(frame.planes):
                kind: Any = np.uint16 if wide else np.uint8
                value = 128 if index else 235 if bright else 50
                np.frombuffer(memoryview(plane), kind)[:] = value * 4 if wide else value
            frame.pts, frame.time_base = ms, Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        change = LENGTH_S if then is None else 1.0
        for packet in _encoded(audio.codec_context, begin, end, late_s, change):
            packet.stream = audio
            out.mux(packet)
        if then is not None:
            other: Any = av.CodecContext.create(SOUNDS[path.suffix], "w")
            other.sample_rate, other.layout, other.time_base = then, "mono", Fraction(1, then)
            other.format, other.bit_rate = audio.codec_context.format, audio.codec_context.bit_rate
            for packet in _encoded(other, begin, end, change, LENGTH_S):
                packet.stream = audio
                out.mux(packet)
    return path


def _encoded(context: Any, begin: float, end: float, since: float, until: float) -> Iterator[Any]:
    """The packets of the sound from `since` to `until` s: a tone from begin to end."""
    rate = context.sample_rate
    seconds = np.arange(round(until * rate)) / rate
    tone = (0.5 * np.sin(2 * np.pi * BEEP_HZ * seconds) * ((seconds >= begin) & (seconds < end))).astype(np.float32)
    for at in range(round(since * rate), len(tone), BLOCK):
        piece = av.AudioFrame.from_ndarray(np.ascontiguousarray(tone[None, at : at + BLOCK]), "fltp", "mono")
        piece.sample_rate, piece.pts, piece.time_base = rate, at, Fraction(1, rate)
        yield from context.encode(piece)
    yield from context.encode(None)


def flashes(path: Path) -> list[float]:
    """Seconds at which each run of bright frames begins."""
    with av.open(str(path)) as container:
        bright = [
            float(frame.pts * frame.time_base)
            for frame in container.decode(video=0)
            if frame.to_ndarray(format="gray")[frame.height // 2, frame.width // 2] > 120
        ]
    return _begun(np.array(bright))


def beeps(path: Path) -> list[float]:
    """Seconds at which each tone begins: where its level passes a quarter of the largest."""
    times, levels = [], []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            sound = frame.to_ndarray().astype(float).mean(axis=0)
            times.append(float(frame.pts * frame.time_base) + np.arange(len(sound)) / frame.sample_rate)
            levels.append(sound)
    level = np.convolve(np.abs(np.concatenate(levels)), np.ones(64), "same")
    return _begun(np.concatenate(times)[level > level.max() / 4])


def _begun(times: NDArray[np.float64]) -> list[float]:
    """Of sorted times, those that nothing precedes by less than APART_S."""
    return [float(t) for n, t in enumerate(times) if not n or t - times[n - 1] > APART_S]
