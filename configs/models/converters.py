"""Converters: a source's file into the file that our reader opens. Heavy (numpy, torch): imported when one is run.

To add one, write `convert(source, target)` and `weights_id(target)` in a module of its own and name both here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from configs.models import whisper_checkpoint


@dataclass(frozen=True, slots=True)
class Converter:
    """A row of CONVERTERS."""

    convert: Callable[[Path, Path], None]
    """convert(source, target) writes target; ValueError where the source is not of the form it reads."""
    weights_id: Callable[[Path], str]
    """The hash of the converted file's tensors; ValueError where it cannot be read."""


CONVERTERS = {
    "ctranslate2_whisper": Converter(whisper_checkpoint.convert, whisper_checkpoint.weights_id),
}

__all__ = ["CONVERTERS", "Converter"]
