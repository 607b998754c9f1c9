"""The backend `whisper_openai`: openai-whisper, greedy, with word times from its alignment heads."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import whisper

from deployments.engines.video_captions.audio import RATE, Samples
from deployments.engines.video_captions.windows import levels, quietest, snapped
from deployments.operation import Stopped

LOOPING = 2.4
"""Compression ratio above which Whisper's text repeats itself (its own default). Sampling again with a temperature
would make the text random, so such a window is halved at a pause instead."""
LEAST_S = 8.0
"""Seconds. A shorter window is not halved."""

_turn = threading.Lock()
"""Whisper reads its alignment from hooks on the model and a switch on a class: one call at a time in a process."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A word; `text` begins with a space where the language puts one. Seconds since the window's start."""

    start: float
    end: float
    text: str
    probability: float


@dataclass(frozen=True, slots=True)
class Speaker:
    """A loaded model."""

    model: Any
    device: str

    def transcribe(
        self, samples: Samples, language: str | None, task: str, stop: threading.Event
    ) -> tuple[str, list[list[Heard]]]:
        """The language of a window of at most 30 s (detected where None), and its words, a list for each segment.

        Raises Stopped.
        """
        result = self._ask(samples, language, task, stop)
        language = str(result["language"])
        looping = any(segment["compression_ratio"] > LOOPING for segment in result["segments"])
        if looping and len(samples) > LEAST_S * RATE:
            cut = quietest(samples, len(samples) // 3, 2 * len(samples) // 3)
            _, before = self.transcribe(samples[:cut], language, task, stop)
            _, after = self.transcribe(samples[cut:], language, task, stop)
            shift = cut / RATE
            later = [[_moved(word, word.start + shift, word.end + shift) for word in words] for words in after]
            return language, before + later
        segments = [
            [Heard(float(w["start"]), float(w["end"]), w["word"], float(w["probability"])) for w in segment["words"]]
            for segment in result["segments"]
        ]
        return language, _snap([words for words in segments if words], samples)

    def _ask(self, samples: Samples, language: str | None, task: str, stop: threading.Event) -> dict[str, Any]:
        while not _turn.acquire(timeout=0.1):
            if stop.is_set():
                raise Stopped
        try:
            found: dict[str, Any] = self.model.transcribe(
                samples,
                language=language,
                task=task,
                temperature=0.0,
                condition_on_previous_text=False,
                word_timestamps=True,
                fp16=self.device != "cpu",
            )
        finally:
            _turn.release()
        return found


def open_model(weights: Path, name: str, device: str, threads: int) -> Speaker:
    """The model of a checkpoint, loaded once in a process.

    `name` is Whisper's own (`base`, `tiny.en`), by which its alignment heads are found; `device` cpu, cuda or auto.
    Raises RuntimeError for cuda on a machine without it.
    """
    torch.set_num_threads(threads)  # holds for the calling thread alone, so it is said each time
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return _load(weights, name, device)


@lru_cache(maxsize=2)
def _load(weights: Path, name: str, device: str) -> Speaker:
    model = whisper.load_model(str(weights), device=device)
    model.set_alignment_heads(whisper._ALIGNMENT_HEADS[name])
    return Speaker(model, device)


def _snap(segments: list[list[Heard]], samples: Samples) -> list[list[Heard]]:
    times = iter(snapped([(word.start, word.end) for words in segments for word in words], levels(samples)))
    return [[_moved(word, *next(times)) for word in words] for words in segments]


def _moved(word: Heard, start: float, end: float) -> Heard:
    return Heard(start, end, word.text, word.probability)


__all__ = ["Heard", "Speaker", "open_model"]
