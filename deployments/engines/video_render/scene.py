"""The frames of a render, in order: the lanes' pictures over each other, covers, captions. In YUV, decoded once."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from deployments.engines.video_render import motion
from deployments.engines.video_render.board import Board, Still
from deployments.engines.video_render.captions import Captions, burnt
from deployments.engines.video_render.changes import changes
from deployments.engines.video_render.clip import Clip, Known
from deployments.engines.video_render.clock import Shown, ticks
from deployments.engines.video_render.covers import Cover
from deployments.engines.video_render.readers import Readers
from deployments.operation import Inputs, Plan


@dataclass(slots=True)
class Picture:
    """One frame of the render, made when it is asked for."""

    number: int
    at: Fraction
    """Seconds."""
    looks: Fraction
    """Seconds: when its clips are looked up."""
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
    """The frames of a segment's plan (cut.py). `known` outlives it. Not `painted`: the faces are left open."""

    def __init__(
        self,
        plan: Plan,
        inputs: Inputs,
        readers: Readers,
        *,
        known: Known,
        painted: bool = True,
        cover: Sequence[Cover] = (),
    ) -> None:
        parameters = plan.parameters
        leader, picture = parameters["leader"], parameters["picture"]
        self._parameters, self._cover, self._color = parameters, cover, leader["matrix"]
        self._time_base = Fraction(*leader["time_base"])
        self.canvas: tuple[int, int] = (picture["canvas"][0], picture["canvas"][1])
        self._items: list[Clip | Still] = []
        for row in parameters["clips"]:
            if row["kind"] == "image":
                self._items.append(Still(row, self.canvas, self._color, inputs))
            else:
                self._items.append(Clip(row, self.canvas, self._color, inputs, readers, known, painted))
        self._transitions = {row["first"]: row for row in parameters["transitions"]}
        self._captions: Captions | None = burnt(parameters["cues"], parameters["style"], self.canvas, self._color)
        self._leader: Clip | None = None
        self._now: Shown | None = None  # the frame of the leader, where its frames' times are the file's
        if "span_ms" in parameters:
            first = self._items[0]
            assert isinstance(first, Clip)
            self._leader = first
        self.visible: list[tuple[int, Clip, Shown]] = []
        self.lasts = Fraction(0)
        """Seconds that the last frame is shown, where the leading clip ends with it, from this segment's start where it
        came before; else 0."""

    @property
    def painted(self) -> int:
        """Faces painted so far, each counted in each frame."""
        return sum(item.painter.painted for item in self._items if isinstance(item, Clip) and item.painter)

    def pictures(self) -> Generator[Picture, None, None]:
        """Every frame of the segment, numbered from 0."""
        try:
            for number, (at, looks) in enumerate(self._own() if self._leader else self._ticks()):
                yield Picture(number, at, looks, self)
        finally:
            for item in self._items:
                if isinstance(item, Clip):
                    item.close()

    def _ticks(self) -> Iterator[tuple[Fraction, Fraction]]:
        """At the constant rate."""
        first, end = self._parameters["frames"]
        return ticks(first, end, self._time_base)

    def _own(self) -> Iterator[tuple[Fraction, Fraction]]:
        """At the leading clip's own times, and where something changes while a frame of it stays for long."""
        assert self._leader
        begin, to = (None if ms is None else Fraction(ms, 1000) for ms in self._parameters["span_ms"])
        assert begin is not None
        # just before, so that a frame at the very start of the segment is one of its own
        since = begin - self._time_base / 2 if begin else Fraction(0)
        with closing(self._leader.shown(since)) as shown:
            now = next(shown, None)
            while now is not None and (to is None or now.at < to):
                after = next(shown, None)
                until = self._leader.ends if after is None else after.at
                here = until if to is None else min(to, until)
                own = [now.at] if now.at >= begin or not begin else []
                first = max(begin, now.at)
                if after is None:
                    self.lasts = max(Fraction(0), until - first)
                for at in [*own, *changes(self._parameters, now.at, first, here, self._time_base)]:
                    self._now, self.lasts = now, until - at if after is None else Fraction(0)
                    yield at, at
                now = after

    def made(self, picture: Picture) -> VideoFrame:
        board, self.visible = Board(self.canvas, self._color), []
        lane: list[int] = []
        for number, item in enumerate(self._items):
            if self._on(item, picture.looks):
                if lane and self._items[lane[0]].row["lane"] != item.row["lane"]:
                    board, lane = self._lane(board, lane, picture), []
                lane.append(number)
            elif isinstance(item, Clip) and item.end <= picture.looks:
                item.close()
        board = self._lane(board, lane, picture) if lane else board
        for cover in self._cover:
            if cover.on(picture.number):
                cover.paint(board.writable(), picture.number)
        caption = self._captions.at(float(picture.at * 1000)) if self._captions else None
        if caption:
            board.lay(caption)
        return board.seen()

    def _on(self, item: Clip | Still, looks: Fraction) -> bool:
        if item is self._leader:
            return True
        start, lasts = item.row["start_ms"], item.row["duration_ms"]
        return bool(start <= looks * 1000 < start + lasts)

    def _lane(self, board: Board, numbers: list[int], picture: Picture) -> Board:
        """The board with a lane's clips over it: one, or two of which the first goes into the second."""
        if len(numbers) == 1:
            self._draw(board, numbers[0], picture)
            return board
        passage = self._transitions[numbers[0]]
        other = board.copy()
        self._draw(board, numbers[0], picture)
        self._draw(other, numbers[1], picture)
        share = float((picture.at * 1000 - passage["start_ms"]) / passage["duration_ms"])
        board.pass_into(other, passage["kind"], min(1.0, max(0.0, share)))
        return board

    def _draw(self, board: Board, number: int, picture: Picture) -> None:
        item, ms = self._items[number], float(picture.at * 1000)
        opacity, mode = motion.opacity(item.row, ms), item.row["blend_mode"]
        if isinstance(item, Still):
            layer = item.layer(ms)
            if layer is not None:
                board.lay(layer, opacity, mode)
            return
        shown = self._now if item is self._leader else item.at(picture.looks)
        if shown is None:
            return
        self.visible.append((number, item, shown))
        board.draw(item.drawn(shown, ms), opacity, mode)


__all__ = ["Picture", "Scene"]
