"""Samples of sound, float32 [channels, n], full scale 1: how loud they are, ducked, limited.

Loudness is that of ITU-R BS.1770-4, which EBU R128 uses: K-weighting, blocks of 400 ms every 100 ms, those under -70
LUFS left out, then those more than 10 LU under the mean of the rest. Every class here takes sound piece by piece, and
gives the same result however it is cut.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kernels.compiled import compiled

Samples = NDArray[np.float32]
SILENT = -70.0
"""LUFS; the absolute gate."""
GATE = 10.0
"""LU under the mean of the blocks over SILENT."""
STEP_S = 0.1
STEPS = 4
"""Steps a block."""
CEILING = 10 ** (-1 / 20)
"""Largest true peak that a limiter lets through: -1 dBTP, EBU R128's most."""
TAPS = 12
"""Samples that a value between two of them is interpolated from."""
PHASES = 4
"""Places that are looked at for each sample: itself, and three up to the next one (BS.1770-4, annex 2)."""
LOOK_S = 0.005
"""How far a limiter looks ahead."""


def k_weighting(rate: int) -> NDArray[np.float64]:
    """[2, 6] b0 b1 b2 a0 a1 a2 of BS.1770's shelf and its high pass at `rate` samples a second: the analogue
    prototypes of the standard's 48 kHz coefficients, by the bilinear transform."""
    f0, gain, q = 1681.974450955533, 3.999843853973347, 0.7071752369554196
    k, high = math.tan(math.pi * f0 / rate), 10 ** (gain / 20)
    band = high**0.4996667741545416
    a0 = 1 + k / q + k * k
    shelf = [(high + band * k / q + k * k) / a0, 2 * (k * k - high) / a0, (high - band * k / q + k * k) / a0]
    shelf += [1, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0]
    f0, q = 38.13547087602444, 0.5003270373238773
    k = math.tan(math.pi * f0 / rate)
    a0 = 1 + k / q + k * k
    return np.array([shelf, [1, -2, 1, 1, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0]])


@dataclass(slots=True)
class Loudness:
    """The integrated loudness of mono or stereo sound."""

    rate: int
    channels: int
    _state: NDArray[np.float64] = field(init=False)
    _steps: list[float] = field(default_factory=list)
    _sum: float = 0.0
    _count: int = 0
    _length: int = field(init=False)

    def __post_init__(self) -> None:
        self._state = np.zeros((self.channels, 2, 2))
        self._length = round(self.rate * STEP_S)

    def feed(self, samples: Samples) -> None:
        """[channels, n]"""
        power = np.zeros(samples.shape[1])
        for channel, state in zip(samples, self._state, strict=True):
            power += _filtered(channel, k_weighting(self.rate), state) ** 2
        at = 0
        while at < len(power):
            part = power[at : at + self._length - self._count]
            self._sum, self._count, at = self._sum + float(part.sum()), self._count + len(part), at + len(part)
            if self._count == self._length:
                self._steps.append(self._sum / self._length)
                self._sum, self._count = 0.0, 0

    def integrated(self) -> float | None:
        """LUFS; None for silence, and for less than 400 ms."""
        steps = np.array(self._steps)
        if len(steps) < STEPS:
            return None
        blocks = np.convolve(steps, np.full(STEPS, 1 / STEPS), "valid")
        loud = blocks[blocks > 10 ** ((SILENT + 0.691) / 10)]
        if not len(loud):
            return None
        loud = loud[loud > loud.mean() * 10 ** (-GATE / 10)]
        return float(-0.691 + 10 * np.log10(loud.mean()))


@dataclass(slots=True)
class Ducker:
    """The gain of music under speech: down by amount_db while the other sound is over threshold_db, over 20 ms."""

    rate: int
    amount_db: float = 12.0
    threshold_db: float = -40.0
    attack_ms: float = 50.0
    release_ms: float = 400.0
    _power: float = 0.0
    _gain_db: float = 0.0

    def gain(self, other: Samples) -> Samples:
        """[n] What the music is multiplied by beside `other` [channels, n]."""
        made = np.empty(other.shape[1], np.float32)
        power = (other.astype(np.float64) ** 2).mean(axis=0)
        fall, attack, release = (
            math.exp(-1000 / (self.rate * ms)) for ms in (20.0, self.attack_ms, self.release_ms)
        )  # fmt: skip
        self._power, self._gain_db = _ducked(
            power,
            made,
            self._power,
            self._gain_db,
            10 ** (self.threshold_db / 10),
            self.amount_db,
            fall,
            attack,
            release,
        )
        return made


def between() -> NDArray[np.float64]:
    """[PHASES - 1, TAPS] What a value at 1/4, 1/2 and 3/4 between two samples takes of those around it: a sinc under
    Kaiser's window."""
    at = np.arange(TAPS) - (TAPS // 2 - 1) - np.arange(1, PHASES)[:, None] / PHASES
    window = np.i0(4.0 * np.sqrt(np.maximum(0.0, 1 - (at / (TAPS / 2)) ** 2)))
    weights = np.sinc(at) * window
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


@dataclass(slots=True)
class Limiter:
    """Keeps true peaks at CEILING or under: the gain falls smoothly before a peak, by what it looks ahead."""

    rate: int
    channels: int
    _held: Samples = field(init=False)
    _need: NDArray[np.float64] = field(init=False)
    _look: int = field(init=False)
    _late: Samples = field(init=False)  # TAPS - 1 samples that what lies between the next ones is interpolated from
    _over: float = 0.0  # the largest value between the last sample and the next one

    def __post_init__(self) -> None:
        self._look = max(1, round(self.rate * LOOK_S))
        self._held = np.zeros((self.channels, 0), np.float32)
        self._need = np.ones(self._look)
        self._late = np.zeros((self.channels, TAPS // 2 - 1), np.float32)

    def feed(self, samples: Samples, last: bool = False) -> Samples:
        """[channels, m] what is finished by now: all of it but a little more than the last LOOK_S seconds, and with
        `last` those too."""
        after = np.zeros((self.channels, TAPS // 2 if last else 0), np.float32)
        near = np.concatenate([self._late, samples, after], axis=1)
        known = max(0, near.shape[1] - TAPS + 1)
        self._late = near[:, known:]
        held = np.concatenate([self._held, near[:, TAPS // 2 - 1 :][:, :known]], axis=1)
        peaks = np.zeros(known)
        self._over = _true_peaks(near, between(), self._over, peaks)
        need = np.concatenate([self._need, np.minimum(1.0, CEILING / np.maximum(peaks, 1e-9))])
        if last:
            need = np.concatenate([need, np.ones(self._look)])
        ready = held.shape[1] if last else max(0, held.shape[1] - self._look)
        # The least gain that is needed within a look-ahead, then its mean over another one: never above the need.
        gain = _mean(_least(need, self._look), self._look)[:ready]
        self._need = need[ready:]
        self._held = held[:, ready:]
        return (held[:, :ready] * gain).astype(np.float32)


def _least(values: NDArray[np.float64], look: int) -> NDArray[np.float64]:
    """[n - look] the least of each look + 1 values."""
    windows = np.lib.stride_tricks.sliding_window_view(values, look + 1)
    least: NDArray[np.float64] = windows.min(axis=1) if values.min() < 1 else np.ones(len(values) - look)
    return least


def _mean(values: NDArray[np.float64], look: int) -> NDArray[np.float64]:
    """[n - look] the mean of each look + 1 values."""
    if not len(values) or values.min() == 1:
        return np.ones(max(0, len(values) - look))
    windows = np.lib.stride_tricks.sliding_window_view(values, look + 1)
    mean: NDArray[np.float64] = windows.mean(axis=1)
    return mean


def _filtered(samples: Samples, sections: NDArray[np.float64], state: NDArray[np.float64]) -> NDArray[np.float64]:
    made = samples.astype(np.float64)
    for coefficients, memory in zip(sections, state, strict=True):
        _biquad(made, coefficients, memory)
    return made


@compiled
def _biquad(samples, coefficients, memory):  # type: ignore[no-untyped-def]
    """In place; transposed direct form II, memory [2]."""
    b0, b1, b2, _, a1, a2 = coefficients
    first, second = memory[0], memory[1]
    for n in range(len(samples)):
        x = samples[n]
        y = b0 * x + first
        first = b1 * x - a1 * y + second
        second = b2 * x - a2 * y
        samples[n] = y
    memory[0], memory[1] = first, second


@compiled
def _true_peaks(samples, weights, over, peaks):  # type: ignore[no-untyped-def]
    """peaks [n]: for each sample from the TAPS / 2 - 1st on, the largest value of any channel at it and up to the ones
    beside it. `over`: that before the first one; gives that behind the last."""
    here = weights.shape[1] // 2 - 1
    for n in range(len(peaks)):
        peak, behind = over, 0.0
        for channel in range(samples.shape[0]):
            peak = max(peak, abs(samples[channel, n + here]))
            for phase in range(weights.shape[0]):
                value = 0.0
                for tap in range(weights.shape[1]):
                    value += weights[phase, tap] * samples[channel, n + tap]
                behind = max(behind, abs(value))
        peaks[n] = max(peak, behind)
        over = behind
    return over


@compiled
def _ducked(power, made, held, gain_db, threshold, amount_db, fall, attack, release):  # type: ignore[no-untyped-def]
    for n in range(len(power)):
        held = held * fall + power[n] * (1 - fall)
        wanted = -amount_db if held > threshold else 0.0
        slow = attack if wanted < gain_db else release
        gain_db = wanted + (gain_db - wanted) * slow
        made[n] = 10 ** (gain_db / 20)
    return held, gain_db


def warm() -> None:
    """Compiles ahead."""
    silence = np.zeros((1, 16), np.float32)
    Loudness(48000, 1).feed(silence)
    Ducker(48000).gain(silence)
    Limiter(48000, 1).feed(silence)


__all__ = ["CEILING", "Ducker", "Limiter", "Loudness", "between", "k_weighting", "warm"]
