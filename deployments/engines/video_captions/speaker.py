"""A speech model as the work sees it, whichever library runs it: a window of sound in, timed words out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from deployments.engines.video_captions.audio import RATE, Samples
from deployments.engines.video_captions.windows import levels, quietest, snapped
from deployments.operation import Stopped

LOOPING = 2.4
"""Compression ratio above which Whisper's text repeats itself (its own default). Sampling again with a temperature
would make the text random, so such a window is halved at a pause instead."""
LEAST_S = 8.0
"""Seconds. A shorter window is not halved."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A word; `text` begins with a space where the language puts one. Seconds since the window's start."""

    start: float
    end: float
    text: str
    probability: float


@dataclass(frozen=True, slots=True)
class Said:
    """What a model wrote about one window."""

    language: str
    segments: list[list[Heard]]
    compression: float
    """The largest compression ratio of a segment's text; 0 where there is none."""


Ask = Callable[[Samples, str | None, str], Said]
"""ask(samples, language or None: detect it, task): greedy, without a temperature, so that it is the same each time."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """A loaded model."""

    ask: Ask
    device: str
    turn: threading.Lock
    """Held while the model is asked: one call at a time in a process."""

    def transcribe(
        self, samples: Samples, language: str | None, task: str, stop: threading.Event
    ) -> tuple[str, list[list[Heard]]]:
        """The language of a window of at most 30 s (detected where None), and its words, a list for each segment.

        Raises Stopped.
        """
        said = self._ask(samples, language, task, stop)
        if said.compression > LOOPING and len(samples) > LEAST_S * RATE:
            cut = quietest(samples, len(samples) // 3, 2 * len(samples) // 3)
            _, before = self.transcribe(samples[:cut], said.language, task, stop)
            _, after = self.transcribe(samples[cut:], said.language, task, stop)
            shift = cut / RATE
            later = [[_moved(word, word.start + shift, word.end + shift) for word in words] for words in after]
            return said.language, before + later
        return said.language, _snap([words for words in said.segments if words], samples)

    def _ask(self, samples: Samples, language: str | None, task: str, stop: threading.Event) -> Said:
        while not self.turn.acquire(timeout=0.1):
            if stop.is_set():
                raise Stopped
        try:
            return self.ask(samples, language, task)
        finally:
            self.turn.release()


def _snap(segments: list[list[Heard]], samples: Samples) -> list[list[Heard]]:
    times = iter(snapped([(word.start, word.end) for words in segments for word in words], levels(samples)))
    return [[_moved(word, *next(times)) for word in words] for words in segments]


def _moved(word: Heard, start: float, end: float) -> Heard:
    return Heard(start, end, word.text, word.probability)


__all__ = ["Ask", "Heard", "Said", "Speaker"]
