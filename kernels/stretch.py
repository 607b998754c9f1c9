"""Sound made faster or slower at the same pitch, piece by piece: waveform similarity overlap-add (WSOLA).

W. Verhelst and M. Roelands, "An overlap-add technique based on waveform similarity for high quality time-scale
modification of speech", ICASSP 1993. Windows of 25 ms (Hann, overlapping by half) are taken from the input at `speed`
times the pace at which they are laid into the output, each moved by up to 6 ms to where it goes on most like the one
before it. So a sound lies within that (of the input's
time) and half a window of its place.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels.compiled import compiled

Samples = NDArray[np.float32]
"""[channels, n], full scale 1."""
HALF_S = 0.0125
REACH_S = 0.006


class Stretch:
    """One sound, fed from its start."""

    def __init__(self, speed: float, rate: int, channels: int) -> None:
        """ValueError for a speed that is not positive."""
        if not speed > 0:
            raise ValueError(f"a speed is positive; got {speed}")
        self._speed = speed
        self._half, self._reach = round(HALF_S * rate), round(REACH_S * rate)
        self._window = np.hanning(2 * self._half + 1)[:-1].astype(np.float32)
        front = self._half + self._reach
        self._input: Samples = np.zeros((channels, front), np.float32)
        self._first = -front  # the input's place of its first sample that is kept
        self._laid = 0  # windows laid
        self._taken = 0  # where the last one was taken
        self._tail: Samples = np.zeros((channels, self._half), np.float32)
        self._fed = 0

    def feed(self, samples: Samples) -> Samples:
        """[channels, m] what is finished by now."""
        self._fed += samples.shape[1]
        self._input = np.concatenate([self._input, samples], axis=1)
        made = []
        while self._needs() <= self._first + self._input.shape[1]:
            made.append(self._next())
        return np.concatenate(made, axis=1) if made else self._input[:, :0]

    def rest(self) -> Samples:
        """The end: together with what came before `fed / speed` samples, within a window."""
        wanted = round(self._fed / self._speed) - max(0, self._laid - 1) * self._half
        if wanted <= 0:
            return self._input[:, :0]
        room = int(wanted * self._speed) + 4 * self._half + 4 * self._reach
        return self.feed(np.zeros((self._input.shape[0], room), np.float32))[:, :wanted]

    def _needs(self) -> int:
        """Where the input has to reach for the next window."""
        return max(round(self._laid * self._half * self._speed) + self._reach, self._taken + self._half) + self._half

    def _next(self) -> Samples:
        """Half a window of output; of the first window its second half waits, and its first one lies before 0."""
        place = round(self._laid * self._half * self._speed)  # the window's middle, in the input
        if self._laid:
            follows = self._taken + self._half  # where the one before it would go on
            mono = self._input.sum(axis=0)
            low = place - self._half - self._reach - self._first
            template = follows - self._half - self._first
            place += int(_best(mono, low, 2 * self._reach + 1, template, 2 * self._half)) - self._reach
        begin = place - self._half - self._first
        part = self._input[:, begin : begin + 2 * self._half] * self._window
        done = self._tail + part[:, : self._half]
        self._tail = part[:, self._half :]
        self._laid, self._taken = self._laid + 1, place
        keep = min(round(self._laid * self._half * self._speed) - self._reach, place + self._half) - self._half
        drop = max(0, keep - self._first)
        self._input, self._first = self._input[:, drop:], self._first + drop
        return done if self._laid > 1 else done[:, :0]


@compiled
def _best(mono, low, count, template, length):  # type: ignore[no-untyped-def]
    """Which of `count` windows from `low` on is most like the one at `template`: the largest normalised correlation,
    of equals the one nearest to the middle."""
    best, found = -1e30, count // 2
    for step in range(count):
        offset = count // 2 + (step + 1) // 2 * (1 if step % 2 else -1)
        both, power = 0.0, 1e-9
        for n in range(length):
            value = mono[low + offset + n]
            both += value * mono[template + n]
            power += value * value
        score = both / np.sqrt(power)
        if score > best + 1e-9:
            best, found = score, offset
    return found


def warm() -> None:
    """Compiles ahead."""
    Stretch(2.0, 8000, 1).feed(np.zeros((1, 8000), np.float32))


__all__ = ["Stretch", "warm"]
