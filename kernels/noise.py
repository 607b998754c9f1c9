"""Noise that a position and a seed determine: the same on every machine, whatever is drawn beside it."""

from __future__ import annotations

import numpy as np

_TERMS = 4
_STEPS = np.array([0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB], np.uint64)


def hashed(values: np.ndarray) -> np.ndarray:
    """uint64 of any shape to well mixed uint64: the finaliser of splitmix64 (Steele, Lea, Flood 2014)."""
    with np.errstate(over="ignore"):
        z = values + _STEPS[0]
        z = (z ^ (z >> np.uint64(30))) * _STEPS[1]
        z = (z ^ (z >> np.uint64(27))) * _STEPS[2]
        return np.asarray(z ^ (z >> np.uint64(31)))


def normal_noise(seed: int, first: int, end: int, width: int, channels: int) -> np.ndarray:
    """float64 [end - first, width, channels]: rows `first` to `end` of noise of mean 0 and deviation 1, nearly normal:
    the sum of four uniform values out of one hash of (seed, row, column, channel). Within ±3.47."""
    y = np.arange(first, end, dtype=np.uint64)[:, None, None] << np.uint64(34)
    x = np.arange(width, dtype=np.uint64)[None, :, None] << np.uint64(2)
    channel = np.arange(channels, dtype=np.uint64)[None, None]
    start = hashed(np.array(seed, np.uint64))
    mixed = hashed((y | x | channel) ^ start)
    parts = [(mixed >> np.uint64(16 * i)) & np.uint64(0xFFFF) for i in range(_TERMS)]
    total = np.sum(parts, axis=0).astype(np.float64)
    middle, deviation = _TERMS * 65535 / 2, 65536 * (_TERMS / 12) ** 0.5
    return np.asarray((total - middle) / deviation)


__all__ = ["hashed", "normal_noise"]
