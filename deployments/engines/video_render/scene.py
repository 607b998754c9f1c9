"""The frames of a render, in order: the lanes' pictures over each other, covers, captions. In YUV, decoded once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from deployments.engines.video_render import motion
from deployments.engines.video_render.board import Board, Still
from deployments.engines.video_render.captions import Captions, burnt
from deployments.engines.video_render.clip import Clip
from deployments.engines.video_render.clock import Shown
from deployments.engines.video_render.covers import Cover
from deployments.operation import Inputs, Plan, Tools
from kernels.anonymise import Cells
from kernels.yuv import Matrix

Held = dict[int, dict[int, Cells]]
"""Clip -> track -> the cells that hide it, taken where the first pass first saw it."""


@dataclass(slots=True)
class Picture:
    """One frame of the render, made when it is asked for."""

    number: int
    at: Fraction
    """Seconds."""
    scene: Scene

    def frame(self) -> VideoFrame:
        return self.scene.made(self)

    def shown(self) -> list[tuple[int, Clip, Shown]]:
        """(number, clip, frame) of the videos in it, bottom to top. When it was made."""
        return self.scene.visible

    def left_open(self) -> NDArray[np.float64]:
        """[n, 4] The faces in it that the caller wants left as they are. When it was made."""
        ms = float(self.at * 1000)
        boxes = [clip.left_open(shown, ms) for _, clip, shown in self.scene.visible]
        return np.concatenate([np.zeros((0, 4)), *boxes])


class Scene:
    """A plan's frames. `held` outlives it: a later pass paints what the first one did."""

    def __init__(
        self,
        plan: Plan,
        inputs: Inputs,
        tools: Tools,
        color: Matrix,
        *,
        painted: bool = True,
        cover: Sequence[Cover] = (),
        held: Held | None = None,
    ) -> None:
        parameters = plan.parameters
        self._threads, self._cover, self._color = tools.settings.threads, cover, color
        self._picture = parameters["picture"]
        self.canvas: tuple[int, int] = (self._picture["canvas"][0], self._picture["canvas"][1])
        cells = {} if held is None else held
        self._items: list[Clip | Still] = []
        for number, row in enumerate(parameters["clips"]):
            if row["kind"] == "image":
                self._items.append(Still(row, self.canvas, color, inputs))
            else:
                kept = cells.setdefault(number, {})
                self._items.append(Clip(row, self.canvas, color, inputs, painted, kept))
        self._transitions = {row["first"]: row for row in parameters["transitions"]}
        self._captions: Captions | None = burnt(parameters, inputs, self.canvas, color)
        self._leader: Clip | None = None
        self._now: Shown | None = None  # the frame of the leader, where its frames' times are the file's
        if self._picture["rate"] is None:
            first = self._items[0]
            assert isinstance(first, Clip)
            self._leader = first
        self.visible: list[tuple[int, Clip, Shown]] = []

    @property
    def painted(self) -> int:
        """Faces painted so far, each counted in each frame."""
        return sum(item.painter.painted for item in self._items if isinstance(item, Clip) and item.painter)

    @property
    def lasts(self) -> Fraction:
        """Seconds that the last frame of the leading clip is shown."""
        return self._leader.lasts if self._leader else Fraction(0)

    def pictures(self, first: int = 0, since: Fraction = Fraction(0), end: int | None = None) -> Iterator[Picture]:
        """From number `first`, shown at `since` seconds, to number `end`, which is left out; None: to the end."""
        try:
            for number, at in self._ticks(first, since):
                if end is not None and number >= end:
                    return
                yield Picture(number, at, self)
        finally:
            for item in self._items:
                if isinstance(item, Clip):
                    item.close()

    def _ticks(self, first: int, since: Fraction) -> Iterator[tuple[int, Fraction]]:
        if self._leader is None:
            rate = Fraction(*self._picture["rate"])
            for number in range(first, math.ceil(Fraction(self._picture["duration_ms"], 1000) * rate)):
                yield number, number / rate
            return
        number = first
        for shown in self._leader.shown(self._threads, since):
            if shown.at > since or not since:  # at `since` itself stands what was on screen before
                self._now = shown
                yield number, shown.at
                number += 1

    def made(self, picture: Picture) -> VideoFrame:
        board, self.visible = Board(self.canvas, self._color), []
        lane: list[int] = []
        for number, item in enumerate(self._items):
            if self._on(item, picture.at):
                if lane and self._items[lane[0]].row["lane"] != item.row["lane"]:
                    board, lane = self._lane(board, lane, picture.at), []
                lane.append(number)
            elif isinstance(item, Clip) and item.end <= picture.at:
                item.close()
        board = self._lane(board, lane, picture.at) if lane else board
        for cover in self._cover:
            if cover.on(picture.number):
                cover.paint(board.writable(), picture.number)
        caption = self._captions.at(float(picture.at * 1000)) if self._captions else None
        if caption:
            board.lay(caption)
        return board.seen()

    def _on(self, item: Clip | Still, at: Fraction) -> bool:
        if item is self._leader:
            return True
        start, lasts = item.row["start_ms"], item.row["duration_ms"]
        return bool(start <= at * 1000 < start + lasts)

    def _lane(self, board: Board, numbers: list[int], at: Fraction) -> Board:
        """The board with a lane's clips over it: one, or two of which the first goes into the second."""
        if len(numbers) == 1:
            self._draw(board, numbers[0], at)
            return board
        passage = self._transitions[numbers[0]]
        other = board.copy()
        self._draw(board, numbers[0], at)
        self._draw(other, numbers[1], at)
        share = float((at * 1000 - passage["start_ms"]) / passage["duration_ms"])
        board.pass_into(other, passage["kind"], min(1.0, max(0.0, share)))
        return board

    def _draw(self, board: Board, number: int, at: Fraction) -> None:
        item, ms = self._items[number], float(at * 1000)
        opacity, mode = motion.opacity(item.row, ms), item.row["blend_mode"]
        if isinstance(item, Still):
            layer = item.layer(ms)
            if layer is not None:
                board.lay(layer, opacity, mode)
            return
        shown = self._now if item is self._leader else item.at(at, self._threads)
        if shown is None:
            return
        self.visible.append((number, item, shown))
        board.draw(item.drawn(shown, ms), opacity, mode)


__all__ = ["Held", "Picture", "Scene"]
