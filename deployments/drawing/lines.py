"""Text to lines: words shaped and measured, broken at a width, set in their places."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import ImageFont

TAB = 4
"""Spaces."""
JOINING = ("ARABIC", "SYRIAC", "MONGOLIAN", "NKO", "DEVANAGARI", "BENGALI")
"""Scripts whose letters are shaped together and are not tracked apart."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of letters that is drawn at once."""

    text: str
    x: float
    """Pixels from the line's left edge."""


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
    """A font at a size, with the space that is added after each letter."""

    face: ImageFont.FreeTypeFont
    tracking: float
    """Pixels."""

    def measure(self, text: str) -> float:
        """The advance, without tracking after the last letter."""
        return self.face.getlength(text) + self.tracking * max(0, len(_letters(text)) - 1)

    def set(self, text: str, width: float | None, align: str) -> list[Line]:
        """Lines of text, broken at `width` where one is given."""
        broken: list[tuple[str, bool]] = []
        for paragraph in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
            lines = self._broken(_printable(paragraph), width)
            broken += [(line, i == len(lines) - 1) for i, line in enumerate(lines)]
        room = width if width is not None else max(self.measure(line) for line, _ in broken)
        return [self._placed(line, room, align, last) for line, last in broken]

    def _broken(self, text: str, width: float | None) -> list[str]:
        """Greedy, at spaces; a word that is wider than the line is broken where it must be."""
        if width is None or not self._wider(text, width):
            return [text]
        lines, line = [], ""
        for word in re.findall(r"\S+\s*", text.strip()):
            if line and self.measure((line + word).rstrip()) > width:
                lines.append(line.rstrip())
                line = ""
            line += word
            while len(line.rstrip()) > 1 and self._wider(line.rstrip(), width):
                fits = self._fitting(line, width)
                lines.append(line[:fits])
                line = line[fits:]
        return [*lines, line.rstrip()]

    def _wider(self, text: str, width: float) -> bool:
        """Whether a text is wider; no more of it is shaped than is needed to tell."""
        return any(self.measure(text[:most]) > width for most in _lengths(text))

    def _fitting(self, text: str, width: float) -> int:
        """How many letters fit, at least one."""
        low, high = 1, len(text)
        for most in _lengths(text):
            if self.measure(text[:most]) > width:
                high = most
                break
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.measure(text[:middle]) <= width else (low, middle - 1)
        while low > 1 and low < len(text) and unicodedata.combining(text[low]):
            low -= 1
        return low

    def _placed(self, text: str, room: float, align: str, last: bool) -> Line:
        width = self.measure(text)
        gaps = text.count(" ")
        extra = (room - width) / gaps if align == "justify" and not last and gaps and room > width else 0.0
        start = {"center": (room - width) / 2, "right": room - width}.get(align, 0.0)
        return Line(text, tuple(self._pieces(text, extra)), width + extra * gaps, start)

    def _pieces(self, text: str, extra: float) -> list[Piece]:
        if not self.tracking and not extra:
            return [Piece(text, 0.0)]
        parts = _letters(text) if self.tracking else re.findall(r"\S+|\s+", text)
        pieces, before, x, spaces = [], "", 0.0, 0
        for i, part in enumerate(parts):
            if before:  # the advance of the one before, kerned with this one
                x += self.face.getlength(before + part) - self.face.getlength(part)
            pieces.append(Piece(part, x + self.tracking * i + extra * spaces))
            before = part
            spaces += part.count(" ")
        return pieces


def _lengths(text: str) -> Iterator[int]:
    """Of beginnings of a text, each twice as long as the one before; the last is the whole."""
    most = 32
    while most < len(text):
        yield most
        most *= 2
    yield len(text)


def _letters(text: str) -> list[str]:
    """Letters with their combining marks; a joining script's word is one."""
    parts: list[str] = []
    for letter in text:
        joined = parts and _joins(letter) and _joins(parts[-1][-1])
        if parts and (unicodedata.combining(letter) or joined):
            parts[-1] += letter
        else:
            parts.append(letter)
    return parts


def _joins(letter: str) -> bool:
    return unicodedata.name(letter, "").startswith(JOINING)


def _printable(line: str) -> str:
    return "".join(letter for letter in line.expandtabs(TAB) if unicodedata.category(letter) != "Cc")


__all__ = ["Line", "Piece", "Setter"]
