"""Converters: a source's file into the file that our reader opens. Light: their modules (torch) load when one is run.

To add one, write a module with `convert` and `weights_id` as Converter has them, and name it in CONVERTERS.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, cast


class Converter(Protocol):
    """What a converter's module offers."""

    def convert(self, source: Path, target: Path) -> None:
        """Write target; ValueError where the source is not of the form that is read."""

    def weights_id(self, path: Path) -> str:
        """The hash of the converted file's tensors; ValueError where it cannot be read."""


CONVERTERS: Mapping[str, str] = {"ctranslate2_whisper": "configs.models.whisper_checkpoint"}
"""What a row's `convert` names -> module."""


def converter(name: str) -> Converter:
    """The module; ImportError where it, or what it needs, is not installed."""
    return cast(Converter, importlib.import_module(CONVERTERS[name]))


__all__ = ["CONVERTERS", "Converter", "converter"]
