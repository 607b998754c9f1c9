"""Transcripts made in this process, and the sounds that they are made of."""

from __future__ import annotations

import threading
import types
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from artifacts import Scope
from artifacts.errors import NotFound
from artifacts.kinds import check_meta
from configs.models import WeightsMissing
from configs.settings import Settings
from deployments.engines.video_captions import audio, work
from deployments.engines.video_captions.models import CaptionsRequest, Transcript
from deployments.engines.video_captions.plan import plan
from deployments.operation import Context, Output, Plan

SCOPE = Scope("t_acme", "dev")
ASSET = "asset_aaaaaaaa"
RATE = 16_000
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class FakeAsset:
    id: str
    kind: str


@dataclass
class FakeRegistry:
    kind: str = "video"

    def asset(self, scope: Scope, id: str) -> FakeAsset:
        if id != ASSET:
            raise NotFound
        return FakeAsset(id, self.kind)


@dataclass
class Sound:
    """One input of the work."""

    file: Path
    meta: dict[str, Any]

    def path(self) -> Path:
        return self.file


def planned(settings: Settings | None = None, *, kind: str = "video", env: str = "dev", **body: Any) -> Plan:
    request = CaptionsRequest.model_validate({"asset_id": ASSET} | body)
    registry: Any = FakeRegistry(kind)
    return plan(request, Context(Scope("t_acme", env), "request"), registry, settings or Settings(threads=2))


def run(
    made: Plan, file: Path, weights: Callable[[str], Path], stop: threading.Event | None = None, **meta: Any
) -> tuple[Output, list[tuple[int, int]]]:
    seen: list[tuple[int, int]] = []
    inputs: Any = types.SimpleNamespace(one=lambda role: Sound(file, meta))
    tools: Any = types.SimpleNamespace(
        stop=stop or threading.Event(),
        progress=lambda done, total: seen.append((done, total)),
        weights=weights,
        settings=Settings(threads=2),
    )
    return work.write_captions(made, inputs, tools), seen


def transcript(output: Output) -> Transcript:
    assert isinstance(output.data, bytes)
    check_meta("asr_transcript", output.media_type, output.meta)
    return Transcript.model_validate_json(output.data)


def text(made: Transcript) -> str:
    return " ".join(segment.text for segment in made.segments)


def write_sound(path: Path, tones: list[tuple[float, float, float]], *, rate: int = 48_000, channels: int = 2) -> None:
    """A file whose sound is the tones (start in s, length in s, Hz) and nothing at all, not even silence, between."""
    layout = "stereo" if channels == 2 else "mono"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=rate, layout=layout)
        for start, lasts, hertz in tones:
            wave = np.sin(2 * np.pi * hertz * np.arange(round(lasts * rate)) / rate) * 16_000
            for at in range(0, len(wave), 960):
                part = np.repeat(wave[at : at + 960].astype(np.int16), channels)[None]
                frame = av.AudioFrame.from_ndarray(part, format="s16", layout=layout)
                frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
                frame.pts = round(start * rate) + at
                out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def write_silent_video(path: Path) -> None:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(10):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))))
        out.mux(stream.encode(None))


def samples(path: Path) -> np.ndarray:
    parts = list(audio.pieces(path))
    assert all(part.dtype == np.float32 for part in parts)
    assert all(len(part) == audio.BLOCK for part in parts[:-1])
    return np.concatenate(parts)


def spoken(*spans: tuple[float, float], total: float) -> np.ndarray:
    wave = np.zeros(round(total * RATE), np.float32)
    noise = np.random.default_rng(1).normal(0, 0.1, len(wave)).astype(np.float32)
    for start, end in spans:
        wave[round(start * RATE) : round(end * RATE)] = noise[round(start * RATE) : round(end * RATE)]
    return wave


def missing(name: str) -> Path:
    raise WeightsMissing(name, [("cache /srv/models", "has none")])
