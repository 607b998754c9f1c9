"""Sound at another speed: its length, its pitch, its places in time, however it is cut into pieces."""

from __future__ import annotations

import numpy as np
import pytest

from kernels.stretch import Stretch

RATE = 16000


def stretched(sound: np.ndarray, speed: float, piece: int = 3000) -> np.ndarray:
    stretch = Stretch(speed, RATE, sound.shape[0])
    parts = [stretch.feed(sound[:, at : at + piece]) for at in range(0, sound.shape[1], piece)]
    return np.concatenate([*parts, stretch.rest()], axis=1)


@pytest.mark.parametrize("speed", [0.1, 0.5, 0.9, 1.3, 2.0, 7.0, 16.0])
def test_length_and_pitch(speed: float) -> None:
    time = np.arange(2 * RATE) / RATE
    sound = np.stack([np.sin(2 * np.pi * 220 * time), np.sin(2 * np.pi * 440 * time)]).astype(np.float32)
    made = stretched(sound, speed)
    assert made.shape == (2, round(2 * RATE / speed))
    for channel, hertz in zip(made[:, made.shape[1] // 6 : -made.shape[1] // 6], (220, 440), strict=True):
        spectrum = np.abs(np.fft.rfft(channel * np.hanning(len(channel)), 1 << 17))
        assert np.argmax(spectrum) * RATE / (1 << 17) == pytest.approx(hertz, abs=max(3, 12 * speed / 7))
    assert np.abs(made[:, 500:-500]).max() < 1.1


@pytest.mark.parametrize("speed", [0.5, 0.8, 1.5, 2.0, 4.0])
def test_a_beep_stays_in_its_place(speed: float) -> None:
    sound = np.zeros((1, 3 * RATE), np.float32)
    for at in (0.31, 1.0, 1.77, 2.4):
        begin = round(at * RATE)
        sound[0, begin : begin + RATE // 5] = np.sin(2 * np.pi * 1000 * np.arange(RATE // 5) / RATE)
    made = np.abs(stretched(sound, speed)[0])
    level = np.convolve(made, np.ones(32) / 32, "same") > 0.16
    for at in (0.31, 1.0, 1.77, 2.4):
        near = round(at / speed * RATE)
        window = level[near - RATE // 20 : near + RATE // 20]
        assert abs(int(np.argmax(window)) - RATE // 20) / RATE <= 0.020


def test_pieces_do_not_matter() -> None:
    sound = np.random.default_rng(0).normal(0, 0.2, (2, RATE)).astype(np.float32)
    assert np.array_equal(stretched(sound, 1.4, 160), stretched(sound, 1.4, 9999))
    with pytest.raises(ValueError, match="positive"):
        Stretch(0, RATE, 1)
