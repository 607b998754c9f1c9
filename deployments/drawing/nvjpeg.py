"""JPEG by nvjpeg, which torchvision carries: on CUDA alone, and only where JPEG_ENCODER names it.

nvjpeg knows neither a profile nor a density, so both are set into its file. It keeps the colours whole at every quality
(torchvision leaves no choice), where Pillow's files halve them below 90: other bytes, and so a part of the key.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import torch

NAME = "nvjpeg"
"""What a plan's output calls it."""

Coder = Callable[..., Any]
"""torchvision.io.encode_jpeg: (uint8 [3, H, W], quality=1..100) -> uint8 [bytes]"""

START, HEADER, PROFILE = b"\xff\xd8", 0xE0, 0xE2
_JFIF = b"JFIF\0\x01\x01\x01"
"""Version 1.1, densities in dots per inch."""
_ICC = b"ICC_PROFILE\0\x01\x01"
"""The first of one piece."""


@cache
def coder() -> Coder | None:
    """None without a CUDA device, or without a torchvision that can be imported beside this torch."""
    if not torch.cuda.is_available():
        return None
    try:
        found: Coder = import_module("torchvision.io").encode_jpeg
    except (ImportError, RuntimeError):  # the second is what one built for another torch raises
        return None
    return found


def encode_jpeg(
    pixels: np.ndarray, *, quality: int, dpi: int, profile: bytes, by: Coder | None = None, device: str = "cuda"
) -> bytes:
    """uint8 [h, w, 3] as a JPEG with this ICC profile. `by`: what encodes, unless it is nvjpeg."""
    by = by or coder()
    assert by
    planes = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).to(device)
    if planes.is_cuda:  # the encoder has a stream of its own, which waits for no other
        torch.cuda.synchronize(planes.device)
    return marked(by(planes, quality=quality).cpu().numpy().tobytes(), dpi, profile)


def marked(file: bytes, dpi: int, profile: bytes) -> bytes:
    """A JPEG with a JFIF header of this density and an ICC profile (at most 65,519 bytes) instead of its own header.
    ValueError for other bytes."""
    if not file.startswith(START):
        raise ValueError("a JPEG begins with FF D8")
    rest = file[2:]
    if rest[:2] == bytes((0xFF, HEADER)):
        rest = rest[2 + int.from_bytes(rest[2:4], "big") :]
    header = _JFIF + struct.pack(">HHBB", dpi, dpi, 0, 0)
    return START + _segment(HEADER, header) + _segment(PROFILE, _ICC + profile) + rest


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


__all__ = ["NAME", "coder", "encode_jpeg", "marked"]
