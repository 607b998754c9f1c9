"""The backend `faster_whisper`: CTranslate2's Whisper, greedy, in 8-bit integers on a CPU. An optional extra."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import ctranslate2
from faster_whisper import WhisperModel

from deployments.engines.video_captions.audio import Samples
from deployments.engines.video_captions.speaker import Heard, Said, Speaker

FILES = ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt")
"""What the weights are called inside, in the order of their rows in backends.py."""
_turn = threading.Lock()
"""So that as many threads work as THREADS says."""


def open_model(weights: Sequence[Path], name: str, device: str, threads: int) -> Speaker:
    """The model of the four files, loaded once in a process; `device` cpu, cuda or auto.

    Raises RuntimeError for cuda on a machine without it.
    """
    if device == "auto":
        device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
    return _load(tuple(weights), name, device, threads)


@lru_cache(maxsize=2)
def _load(weights: tuple[Path, ...], name: str, device: str, threads: int) -> Speaker:
    try:
        model = WhisperModel(
            name,
            device=device,
            compute_type="float16" if device == "cuda" else "int8",
            cpu_threads=threads,
            files={file: path.read_bytes() for file, path in zip(FILES, weights, strict=True)},
        )
    except ValueError as error:  # its word for a device that is not there
        raise RuntimeError(str(error)) from error

    def ask(samples: Samples, language: str | None, task: str) -> Said:
        found, info = model.transcribe(
            samples,
            language=language,
            task=task,
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            word_timestamps=True,
        )
        parts = list(found)
        segments = [
            [Heard(float(w.start), float(w.end), w.word, float(w.probability)) for w in part.words or ()]
            for part in parts
        ]
        return Said(info.language, segments, max((float(part.compression_ratio) for part in parts), default=0.0))

    return Speaker(ask, device, _turn)


__all__ = ["FILES", "open_model"]
