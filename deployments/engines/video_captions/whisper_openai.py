"""The backend `whisper_openai`: openai-whisper, greedy, with word times from its alignment heads."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch
import whisper

from deployments.engines.video_captions.audio import Samples
from deployments.engines.video_captions.speaker import Heard, Said, Speaker

_turn = threading.Lock()
"""Whisper reads its alignment from hooks on the model and a switch on a class."""


def open_model(weights: Sequence[Path], name: str, device: str, threads: int) -> Speaker:
    """The model of a checkpoint, loaded once in a process.

    `weights` is the checkpoint alone; `name` is Whisper's own (`base`, `tiny.en`), by which its alignment heads are
    found; `device` cpu, cuda or auto. Raises RuntimeError for cuda on a machine without it.
    """
    torch.set_num_threads(threads)  # holds for the calling thread alone, so it is said each time
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    (checkpoint,) = weights
    return _load(checkpoint, name, device)


@lru_cache(maxsize=2)
def _load(checkpoint: Path, name: str, device: str) -> Speaker:
    model = whisper.load_model(str(checkpoint), device=device)
    model.set_alignment_heads(whisper._ALIGNMENT_HEADS[name])

    def ask(samples: Samples, language: str | None, task: str) -> Said:
        found = model.transcribe(
            samples,
            language=language,
            task=task,
            temperature=0.0,
            condition_on_previous_text=False,
            word_timestamps=True,
            fp16=device != "cpu",
        )
        segments = [
            [Heard(float(w["start"]), float(w["end"]), w["word"], float(w["probability"])) for w in segment["words"]]
            for segment in found["segments"]
        ]
        ratios = [float(segment["compression_ratio"]) for segment in found["segments"]]
        return Said(str(found["language"]), segments, max(ratios, default=0.0))

    return Speaker(ask, device, _turn)


__all__ = ["open_model"]
