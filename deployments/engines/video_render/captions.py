"""Burnt captions: each cue drawn once, as a picture with its place in the frame."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import cache, partial

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from configs.fonts import FontMissing, font_path
from deployments.drawing.lines import Setter
from deployments.errors import BackendUnavailable
from deployments.operation import JSON, Inputs
from kernels.yuv import Layer, Matrix, layer

MARGIN = 0.06
"""Distance from the picture's edge that stays free, as a share of its height (broadcasters' safe area is 5 %)."""
WIDEST = 0.9
"""Share of the picture's width that a line may take; a wider cue is set smaller."""
OUTLINE = 0.06
PADDING = 0.25
LINE = 1.25
"""In ems: the outline's width, the box's border, the distance of base lines."""


class Captions:
    """The cues of a clip on its own timeline; only the cue on screen is kept drawn."""

    def __init__(self, cues: Sequence[JSON], style: JSON, size: tuple[int, int], matrix: Matrix) -> None:
        """cues: `start_ms`, `end_ms` from the clip's start, `lines`; size: width and height of the picture."""
        self._cues = sorted(cues, key=lambda cue: int(cue["start_ms"]))
        self._starts = [int(cue["start_ms"]) for cue in self._cues]
        self._style, self._size, self._matrix = style, size, matrix
        self._drawn: tuple[int, Layer] | None = None

    def at(self, ms: float) -> Layer | None:
        """What is to be blended at this time; None: nothing."""
        number = bisect_right(self._starts, ms) - 1
        if number < 0 or ms >= self._cues[number]["end_ms"]:
            return None
        if self._drawn is None or self._drawn[0] != number:
            picture, (x, y) = draw(self._cues[number]["lines"], self._style, self._size)
            self._drawn = number, layer(picture, x, y, self._matrix)
        return self._drawn[1]


def on_clip(cues: Sequence[JSON], in_ms: int, out_ms: int | None) -> list[JSON]:
    """An asset's cues as they fall into the part of it from in_ms to out_ms, timed from in_ms."""
    shown = []
    for cue in cues:
        start, end = max(int(cue["start_ms"]), in_ms), int(cue["end_ms"])
        end = end if out_ms is None else min(end, out_ms)
        if end > start:
            shown.append({"start_ms": start - in_ms, "end_ms": end - in_ms, "lines": cue["lines"]})
    return shown


def cues_of(parameters: JSON, transcripts: Mapping[str, str], inputs: Inputs) -> list[JSON]:
    """The cues of every clip's transcript, timed from the file's start; a transition shows none of what it adds. Of the
    sound of an audio track too, where no clip that is seen has the same source."""
    clips = [row for row in parameters["clips"] if not row["overlay"]]
    shown = {row["source_id"] for row in clips}
    heard = [row for row in parameters["sounds"] if row["music"] and row["source_id"] not in shown]
    cues: list[JSON] = []
    for row in (*clips, *heard):
        id = transcripts.get(row["source_id"])
        if id is None:
            continue
        speed, lead, tail = row["speed"], row.get("lead_ms", 0), row.get("tail_ms", 0)
        first = row["in_ms"] + round(lead * speed)
        lasts = row["duration_ms"] - lead - tail
        end = None if row["out_ms"] is None and not tail else first + round(lasts * speed)
        for cue in on_clip(inputs[id].json()["cues"], first, end):
            moved = {key: row["start_ms"] + lead + round(cue[key] / speed) for key in ("start_ms", "end_ms")}
            cues.append(cue | moved)
    return sorted(cues, key=lambda cue: cue["start_ms"])


def burnt(cues: Sequence[JSON], style: JSON | None, canvas: tuple[int, int], color: Matrix) -> Captions | None:
    """The captions to be drawn; None: none. Raises BackendUnavailable where the font's file is not here."""
    if style is None:
        return None
    try:
        font_path(style["font"])
    except FontMissing as error:
        raise BackendUnavailable(str(error)) from error
    return Captions(cues, style, canvas, color)


def draw(lines: Sequence[str], style: JSON, size: tuple[int, int]) -> tuple[np.ndarray, tuple[int, int]]:
    """(uint8 [h, w, 4] straight RGBA, (x, y) of its top left pixel): centred lines on a box, inside the safe area."""
    (width, height), font = size, style["font"]
    lines = [" ".join(text.split()) for text in lines]  # a line of a cue may hold no end of one
    em = max(1, round(style["size"] * min(width, height)))
    widest = max(_setter(font, em).measure(text) for text in lines)
    room = WIDEST * width - 2 * em * (PADDING + OUTLINE)
    if widest > room:
        em = max(1, int(em * room / widest))
    setter = _setter(font, em)
    ascent, descent = _face(em, font).getmetrics()
    stroke, border, step = max(1, round(OUTLINE * em)), round(PADDING * em) + 1, round(LINE * em)
    box = (
        int(max(setter.measure(text) for text in lines)) + 2 * (stroke + border),
        step * len(lines) + 2 * border,
    )
    image = Image.new("RGBA", box, (0, 0, 0, 0))
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle((0, 0, box[0] - 1, box[1] - 1), radius=border, fill=_color(style["background"]))
    for number, line in enumerate(setter.set("\n".join(lines), box[0], "center")):
        baseline = border + step * (number + 0.5) + (ascent - descent) / 2
        for piece in line.pieces:
            pen.text(
                (line.x + piece.x, baseline),
                piece.text,
                font=piece.face,
                anchor="ls",
                direction=piece.direction,
                fill=_color(style["color"]),
                stroke_width=stroke,
                stroke_fill=_color(style["outline"]),
            )
    safe = round(MARGIN * height)
    top = safe if style["position"] == "top" else height - safe - box[1]
    return np.asarray(image), ((width - box[0]) // 2, max(0, top))


def _color(text: str) -> tuple[int, ...]:
    return ImageColor.getcolor(text, "RGBA")  # type: ignore[return-value]


def _setter(font: str, em: int) -> Setter:
    return Setter(font, partial(_face, em))


@cache
def _face(em: int, font: str) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(font_path(font)), em)


__all__ = ["Captions", "burnt", "cues_of", "draw", "on_clip"]
