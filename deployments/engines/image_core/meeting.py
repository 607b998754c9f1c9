"""Stacks of one size that wait for the device at the same time are drawn in one launch.

Nobody waits for company: who finds the device free draws what is there, and what comes meanwhile goes together next.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

import numpy as np

from kernels.composite import Layer

Key = tuple[int, int, bool]
"""Width, height, linear light."""
Picture = Future[np.ndarray]

MOST_PIXELS = 1 << 26
"""Of all canvases of a launch: 256 MiB."""


class Meeting:
    """`draw(stacks, width, height, linear=...)`, called by many threads, done by one at a time."""

    def __init__(self, draw: Callable[..., list[np.ndarray]]) -> None:
        self._draw = draw
        self._drawing = threading.Lock()
        self._lock = threading.Lock()
        self._waiting: dict[Key, list[tuple[list[Layer], Picture]]] = {}

    def draw(self, layers: list[Layer], width: int, height: int, linear: bool) -> np.ndarray:
        """The picture of a flat stack, uint8 [height, width, 4]. Raises what drawing it alone raises."""
        key, mine = (width, height, linear), Picture()
        with self._lock:
            self._waiting.setdefault(key, []).append((layers, mine))
        with self._drawing:
            while not mine.done():  # nobody took it along
                self._together(key)
        return mine.result()

    def _together(self, key: Key) -> None:
        """Draws what waits under a key, as much as one launch takes."""
        most = max(1, MOST_PIXELS // (key[0] * key[1]))
        with self._lock:
            waiting = self._waiting.pop(key)
            taken, left = waiting[:most], waiting[most:]
            if left:
                self._waiting[key] = left
        self._finish(taken, key)

    def _finish(self, taken: list[tuple[list[Layer], Picture]], key: Key) -> None:
        width, height, linear = key
        try:
            drawn = self._draw([layers for layers, _ in taken], width, height, linear=linear)
        except BaseException as error:  # each is told what it raises by itself: there may be room for one
            if len(taken) == 1:
                taken[0][1].set_exception(error)
                return
            for one in taken:
                self._finish([one], key)
        else:
            for (_, picture), pixels in zip(taken, drawn, strict=True):
                picture.set_result(pixels)


__all__ = ["MOST_PIXELS", "Meeting"]
