"""Text to lines: words shaped and measured, broken at a width, set in their places."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from PIL import ImageFont

from deployments.drawing.fallback import letters, stretches
from deployments.drawing.runs import Run, right_to_left, runs

LINE_ENDS = "\r\n|[\n\r\x85\u2028\u2029]"
"""Of Unicode's; a shaper takes none of them in a line."""
TAB = 4
"""Spaces."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of letters that is drawn at once."""

    text: str
    x: float
    """Pixels from the line's left edge."""
    face: ImageFont.FreeTypeFont
    direction: Literal["ltr", "rtl"] | None = None
    """None: as its letters say."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line, set."""

    text: str
    pieces: tuple[Piece, ...]
    width: float
    x: float
    """Of the line's left edge in the box."""


@dataclass(frozen=True, slots=True)
class Setter:
    """A font at a size, those that set what it has no letters for, and the space that is added after each letter."""

    font: str
    """Name of the one that is asked for."""
    face_of: Callable[[str], ImageFont.FreeTypeFont]
    """Name -> the font at its size."""
    tracking: float = 0.0
    """Pixels."""
    known: dict[tuple[str, str], float] = field(default_factory=dict)
    """(text, font) -> its advance: to break lines the same words are measured again and again."""

    def measure(self, text: str) -> float:
        """The advance, without tracking after the last letter."""
        advance = sum(self._advance(part, name) for part, name in stretches(text, self.font))
        return advance + self.tracking * max(0, len(letters(text)) - 1)

    def _advance(self, text: str, font: str) -> float:
        if (text, font) not in self.known:
            self.known[text, font] = self.face_of(font).getlength(text)
        return self.known[text, font]

    def set(self, text: str, width: float | None, align: str) -> list[Line]:
        """Lines of text, broken at `width` where one is given."""
        broken: list[tuple[str, bool, bool]] = []
        for paragraph in re.split(LINE_ENDS, text):
            lines, rtl = self._broken(_printable(paragraph), width), right_to_left(paragraph)
            broken += [(line, rtl, i == len(lines) - 1) for i, line in enumerate(lines)]
        room = width if width is not None else max(self.measure(line) for line, _, _ in broken)
        return [self._placed(line, rtl, room, align, last) for line, rtl, last in broken]

    def _broken(self, text: str, width: float | None) -> list[str]:
        """Greedy, at spaces; a word that is wider than the line is broken where it must be."""
        if width is None or not self._wider(text, width):
            return [text]
        words, lines = re.findall(r"\S+\s*", text.strip()), []
        while words:
            held = self._held(words, width)
            line = "".join(words[:held]).rstrip()
            if held == 1 and len(line) > 1 and self._wider(line, width):
                fits = self._fitting(line, width)
                lines.append(line[:fits])
                words[0] = words[0][fits:]
            else:
                lines.append(line)
                words = words[held:]
        return lines

    def _held(self, words: list[str], width: float) -> int:
        """How many of the first words a line holds, at least one."""
        return _most(lambda n: self.measure("".join(words[:n]).rstrip()) <= width, len(words))

    def _wider(self, text: str, width: float) -> bool:
        """Whether a text is wider; no more of it is shaped than is needed to tell."""
        return any(self.measure(text[:most]) > width for most in _lengths(len(text)))

    def _fitting(self, text: str, width: float) -> int:
        """How many letters fit, at least one."""
        fits = _most(lambda n: self.measure(text[:n]) <= width, len(text))
        while fits > 1 and fits < len(text) and unicodedata.combining(text[fits]):
            fits -= 1
        return fits

    def _placed(self, text: str, rtl: bool, room: float, align: str, last: bool) -> Line:
        width = self.measure(text)
        gaps = text.count(" ")
        extra = (room - width) / gaps if align == "justify" and not last and gaps and room > width else 0.0
        start = {"center": (room - width) / 2, "right": room - width}.get(align, 0.0)
        return Line(text, tuple(self._pieces(text, rtl, extra)), width + extra * gaps, start)

    def _pieces(self, text: str, rtl: bool, extra: float) -> Iterator[Piece]:
        """From left to right; apart where a font or a direction changes, and where space is added."""
        x, letter, spaces = 0.0, 0, 0
        for run in runs(text, self.font, rtl):
            face, before = self.face_of(run.font), ""
            for part in self._parts(run, extra):
                if before:  # the advance of the one before, kerned with this one
                    pair = part + before if run.direction == "rtl" else before + part
                    x += face.getlength(pair, direction=run.direction) - face.getlength(part, direction=run.direction)
                yield Piece(part, x + self.tracking * letter + extra * spaces, face, run.direction)
                before, letter, spaces = part, letter + 1, spaces + part.count(" ")
            x += face.getlength(before, direction=run.direction)

    def _parts(self, run: Run, extra: float) -> list[str]:
        """What of a run is drawn at once, from left to right."""
        if not self.tracking and not extra:
            return [run.text]
        parts = letters(run.text) if self.tracking else re.findall(r"\S+|\s+", run.text)
        return parts[::-1] if run.direction == "rtl" else parts


def _most(fits: Callable[[int], bool], of: int) -> int:
    """The most of 1 to `of` that fits, where all below fit too; 1 where none does. Asks for little more than that."""
    low, high = 1, of
    for most in _lengths(of):
        if not fits(most):
            high = most - 1
            break
        low = most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _lengths(whole: int) -> Iterator[int]:
    """Each twice the one before; the last is the whole."""
    most = 4
    while most < whole:
        yield most
        most *= 2
    yield whole


def _printable(line: str) -> str:
    return "".join(letter for letter in line.expandtabs(TAB) if unicodedata.category(letter) != "Cc")


__all__ = ["Line", "Piece", "Setter"]
