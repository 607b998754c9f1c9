"""What an axis of a resized picture is made of: for each place, where its samples begin and what each weighs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

LOBES: Final = 4
"""Of the Lanczos window."""


@dataclass(frozen=True, slots=True)
class Axis:
    """`taps` samples for each place, all of them within the source."""

    starts: np.ndarray
    """int64 [n]"""
    weights: np.ndarray
    """float32 [n, taps], of sum 1; 0 for samples that only fill the row."""

    @property
    def taps(self) -> int:
        return int(self.weights.shape[1])


def axis(size: int, wanted: int, first: int = 0, end: int | None = None) -> Axis:
    """Places `first` to `end` of `wanted` that are made of `size`: the mean of the areas where it gets smaller, Lanczos
    where it grows, and the edge goes on beyond it."""
    ratio = size / wanted
    places = np.arange(first, wanted if end is None else end, dtype=np.float64)
    if wanted <= size:
        taps = min(size, int(np.ceil(ratio)) + 1) if wanted < size else 1
        starts = np.clip(np.floor(places * ratio + 1e-9).astype(np.int64), 0, size - taps)
        samples = starts[:, None] + np.arange(taps)
        least = np.minimum((places[:, None] + 1) * ratio, samples + 1)
        weights = np.clip(least - np.maximum(places[:, None] * ratio, samples), 0, None)
    else:
        taps = min(size, 2 * LOBES)
        centers = (places + 0.5) * ratio - 0.5
        begin = np.floor(centers).astype(np.int64) - LOBES + 1
        starts = np.clip(begin, 0, size - taps)
        samples = begin[:, None] + np.arange(2 * LOBES)
        distance = samples - centers[:, None]
        values = np.sinc(distance) * np.sinc(distance / LOBES)
        weights = np.zeros((len(places), taps))
        inside = np.clip(samples, 0, size - 1) - starts[:, None]
        np.add.at(weights, (np.arange(len(places))[:, None], inside), values)
    return Axis(starts, (weights / weights.sum(1, keepdims=True)).astype(np.float32))


def by_fours(rows: Axis, size: int) -> Axis:
    """Four rows at a time, the last one again where there are fewer: starts [m], weights [m, taps, 4]."""
    count = len(rows.starts)
    of_four = np.minimum(np.arange(-(-count // 4) * 4), count - 1).reshape(-1, 4)
    begins = rows.starts[of_four]
    taps = min(size, int((begins.max(1) - begins.min(1)).max()) + rows.taps)
    starts = np.minimum(begins.min(1), size - taps)
    weights = np.zeros((len(of_four), taps, 4), np.float32)
    places = (begins - starts[:, None])[..., None] + np.arange(rows.taps)
    group, row = np.indices(of_four.shape)
    weights[group[..., None], places, row[..., None]] = rows.weights[of_four]
    return Axis(starts, weights)


__all__ = ["LOBES", "Axis", "axis", "by_fours"]
