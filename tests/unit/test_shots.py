"""Shots from the changes of frames: cuts, judder, black, hardly any frames."""

from __future__ import annotations

import numpy as np
import pytest

from kernels.shots import find_shots


def noise(rng: np.random.Generator, frames: int) -> np.ndarray:
    """One picture with a little grain, uint8 [frames, 9, 16]."""
    picture = rng.uniform(20, 230, (9, 16))
    return np.clip(picture + rng.normal(0, 1, (frames, 9, 16)), 0, 255).astype(np.uint8)


def steps(tiny: np.ndarray) -> np.ndarray:
    return np.r_[0.0, np.abs(np.diff(tiny.astype(float), axis=0)).mean((1, 2))]


def test_a_cut_is_found_wherever_it_is() -> None:
    rng = np.random.default_rng(1)
    for first in (1, 2, 5, 30):
        tiny = np.concatenate([noise(rng, first), noise(rng, 30)])
        assert [(found.frame, found.transition) for found in find_shots(steps(tiny), tiny)] == [(first, "cut")]


def test_judder_is_no_cut() -> None:
    rng = np.random.default_rng(2)
    wave = 60 * np.sin(np.linspace(0, 6, 400))
    held = np.repeat(np.stack([np.tile(128 + wave[n : n + 16], (9, 1)) for n in range(0, 360, 6)]), 3, axis=0)
    tiny = np.clip(held + rng.normal(0, 0.5, held.shape), 0, 255).astype(np.uint8)
    assert find_shots(steps(tiny), tiny) == []


def test_a_clip_that_begins_and_ends_in_black_has_one_shot() -> None:
    rng = np.random.default_rng(3)
    level = np.clip(np.minimum(np.arange(60) / 12, (59 - np.arange(60)) / 12), 0, 1)[:, None, None]
    tiny = np.rint(noise(rng, 60) * level).astype(np.uint8)
    assert find_shots(steps(tiny), tiny) == []


@pytest.mark.parametrize("frames", [0, 1, 2])
def test_hardly_any_frames(frames: int) -> None:
    assert find_shots(np.zeros(frames), np.zeros((frames, 9, 16), np.uint8)) == []
