"""Clips made from photographs that scikit-image ships: a face that moves over a background, and one without a face."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from demo.speech import say

WIDTH, HEIGHT, FPS = 640, 360, 25
SENTENCE = "Hello. This is a short film about a rocket. Every face in it has been covered."
Frames = Callable[[int], Iterator[np.ndarray]]


def photograph(name: str) -> Image.Image:
    """One of scikit-image's pictures by its file name."""
    import skimage

    return Image.open(Path(skimage.__file__).parent / "data" / name).convert("RGB")


def face_frames(count: int) -> Iterator[np.ndarray]:
    """uint8 [360, 640, 3] RGB: Eileen Collins (NASA, public domain), cut out softly, drifts over a launch pad."""
    background = photograph("rocket.jpg").resize((720, 480), Image.Resampling.LANCZOS)
    person = photograph("astronaut.png").crop((60, 0, 390, 330)).resize((300, 300), Image.Resampling.LANCZOS)
    y, x = np.mgrid[0:300, 0:300] + 0.5
    edge = 1 - np.hypot((x - 150) / 148, (y - 150) / 148)
    matte = Image.fromarray((np.clip(edge * 12, 0, 1) * 255).astype(np.uint8))
    for number in range(count):
        phase = 2 * math.pi * number / max(count, 1)
        frame = background.crop((40, 60, 680, 420))
        left = round(170 + 150 * math.sin(phase))
        top = round(40 + 20 * math.cos(2 * phase))
        frame.paste(person, (left, top), matte)
        yield np.asarray(frame)


def scene_frames(count: int) -> Iterator[np.ndarray]:
    """uint8 [360, 640, 3] RGB: a slow pan over a launch pad and a cup, with a cut in the middle. No face."""
    for number in range(count):
        name = "rocket.jpg" if number < count // 2 else "coffee.png"
        picture = photograph(name).resize((720, 480), Image.Resampling.LANCZOS)
        shift = number * 60 // max(count, 1)
        yield np.asarray(picture.crop((shift, 60, shift + WIDTH, 60 + HEIGHT)))


def write_clip(path: Path, frames: Frames, seconds: float, sentence: str = "") -> bool:
    """Write h264 + aac in mp4, deterministic on one platform; whether it speaks."""
    speech = say(sentence) if sentence else None
    samples, rate = speech or (np.zeros(int(seconds * 22050), np.int16), 22050)
    count = round(max(seconds, len(samples) / rate + 0.5) * FPS) if speech else round(seconds * FPS)
    with av.open(str(path), "w", options={"movflags": "+faststart", "fflags": "+bitexact"}) as out:
        video = out.add_stream("libx264", rate=FPS, options={"crf": "24", "preset": "veryfast", "threads": "1"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = out.add_stream("aac", rate=48000, layout="mono", options={"flags": "+bitexact"})
        for number, frame in enumerate(frames(count)):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts, picture.time_base = number, Fraction(1, FPS)
            out.mux(video.encode(picture))
        out.mux(video.encode(None))
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=48000)
        silence = np.zeros(max(0, round(count / FPS * rate) - len(samples)), np.int16)
        sound = av.AudioFrame.from_ndarray(np.concatenate([samples, silence])[None], format="s16", layout="mono")
        sound.sample_rate, sound.pts = rate, 0
        for part in [*resampler.resample(sound), *resampler.resample(None)]:
            out.mux(audio.encode(part))
        out.mux(audio.encode(None))
    return speech is not None


__all__ = ["SENTENCE", "face_frames", "photograph", "scene_frames", "write_clip"]
