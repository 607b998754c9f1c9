"""The picture while it is made: what is on it is written to only once it is its own."""

from __future__ import annotations

from dataclasses import dataclass

from av.video.frame import VideoFrame

from deployments.engines.video_render import frames, motion, pictures
from deployments.engines.video_render.clip import Drawn
from deployments.operation import JSON, Inputs
from kernels import shift, transitions, yuv
from kernels.blend import DISSOLVE
from kernels.yuv import Layer, Matrix


@dataclass(slots=True)
class Board:
    """A picture of the canvas. Until something is drawn it is transparent: the first blend mode is normal."""

    size: tuple[int, int]
    matrix: Matrix
    frame: VideoFrame | None = None
    own: bool = False
    """Whether nobody else shows this frame."""

    def copy(self) -> Board:
        """Both then share a frame that neither owns."""
        self.own = False
        return Board(self.size, self.matrix, self.frame)

    def writable(self) -> VideoFrame:
        """Its frame, to be written to; black where nothing was drawn."""
        if self.frame is None:
            self.frame = frames.black(self.size)
        elif not self.own:
            self.frame = frames.duplicate(self.frame)
        self.own = True
        return self.frame

    def draw(self, drawn: Drawn, opacity: float, mode: str) -> None:
        """A clip's picture over what is there."""
        frame, x, y = drawn.frame, drawn.x, drawn.y
        mode = mode if self.frame is not None else "normal"
        plain = drawn.alpha is None and opacity == 1 and mode == "normal" and x % 2 == 0 and y % 2 == 0
        if plain and (x, y, frame.width, frame.height) == (0, 0, *self.size):
            self.frame, self.own = frame, False
        elif plain:
            frames.put(self.writable(), frame, int(x), int(y))
        else:
            self.lay(shift.layer_at(frames.planes(frame), drawn.alpha, x, y), opacity, mode)

    def lay(self, layer: Layer, opacity: float = 1.0, mode: str = "normal") -> None:
        """A layer over what is there."""
        mode = mode if self.frame is not None else "normal"
        own = frames.planes(self.writable())
        if mode == DISSOLVE:
            layer, opacity, mode = shift.scattered(layer, opacity), 1.0, "normal"
        made = layer if mode == "normal" else shift.blended(own, layer, mode, self.matrix)
        if made is not None:
            yuv.blend(own, made, opacity)

    def pass_into(self, other: Board, kind: str, share: float) -> None:
        """A transition's picture."""
        transitions.mix(frames.planes(self.writable()), frames.planes(other.seen()), kind, share)

    def seen(self) -> VideoFrame:
        """Its frame, to be read; black where nothing was drawn."""
        return self.writable() if self.frame is None else self.frame


class Still:
    """A still picture on a lane. Converted again only when its place changes."""

    def __init__(self, row: JSON, canvas: tuple[int, int], color: Matrix, inputs: Inputs) -> None:
        self.row, self._canvas, self._color = row, canvas, color
        mask = None if row["mask_artifact_id"] is None else pictures.mask_of(inputs[row["mask_artifact_id"]])
        rgba = pictures.masked(pictures.still(inputs[row["source_id"]]), mask)
        if row["crop"]:
            x, y, width, height = row["crop"]
            rgba = rgba[y : y + height, x : x + width]
        self._rgba = rgba
        self._made: tuple[motion.Place, Layer | None] | None = None

    def layer(self, ms: float) -> Layer | None:
        """None: it lies outside the canvas, or shows nothing. What lies outside is left out before it is converted."""
        place = motion.place(self.row, self._canvas, ms)
        if self._made is None or self._made[0] != place:
            self._made = place, self._converted(place)
        return self._made[1]

    def _converted(self, place: motion.Place) -> Layer | None:
        x, y, width, height = round(place[0]), round(place[1]), *place[2:]
        left, top = max(0, -x), max(0, -y)
        right, bottom = min(width, self._canvas[0] - x), min(height, self._canvas[1] - y)
        if right <= left or bottom <= top:
            return None
        rgba = pictures.scaled(self._rgba, place[2:], (left, top, right, bottom))
        if not rgba[..., 3].any():
            return None
        return yuv.layer(rgba, x + left, y + top, self._color)


__all__ = ["Board", "Still"]
