"""Which font sets which letters: the one asked for where it has them, else the first of the table that does."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from itertools import islice

from configs.fonts import fonts, letters_of

JOINING = ("ARABIC", "SYRIAC", "MONGOLIAN", "NKO", "DEVANAGARI", "BENGALI")
"""Scripts whose letters are shaped together and are not torn apart."""
UNSEEN = ("Cc", "Cf", "Zl", "Zp")
"""Categories of characters that need no glyph: line ends among them, which the lines are broken at."""
SELECTORS = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
"""Variation selectors, which choose between glyphs of the letter before them and have none of their own."""
COMMON = ("Z", "P", "S")
"""First letters of the categories that belong to the script around them: spaces, punctuation, symbols."""


MOST_TOLD = 20
NO_GLYPH = "no installed font has {}; a box is drawn instead of each"


def letters(text: str) -> list[str]:
    """Letters with their combining marks; a joining script's word is one."""
    parts: list[str] = []
    for letter in text:
        joined = parts and _joins(letter) and _joins(parts[-1][-1])
        if parts and (unicodedata.combining(letter) or joined):
            parts[-1] += letter
        else:
            parts.append(letter)
    return parts


def stretches(text: str, asked: str) -> list[tuple[str, str]]:
    """A text, cut where another font sets it: (part, font's name). What no font has stays with the one asked for."""
    if _has(asked, text):
        return [(text, asked)]
    parts: list[tuple[str, str]] = []
    for letter in letters(text):
        before = parts[-1][1] if parts else asked
        name = _font_of(letter, asked, before)
        if parts and name == before:
            parts[-1] = (parts[-1][0] + letter, name)
        else:
            parts.append((letter, name))
    return parts


def others(text: str, asked: str) -> tuple[str, ...]:
    """The fonts that a text needs beside the one asked for, in the table's order."""
    used = {name for _, name in stretches(text, asked)} - {asked}
    return tuple(name for name in fonts() if name in used)


def without_glyph(text: str) -> str:
    """The characters of a text that no installed font has, each once, in the text's order; at most `MOST_TOLD`."""
    unknown = (letter for letter in dict.fromkeys(text) if not any(_has(name, letter) for name in fonts()))
    return "".join(islice(unknown, MOST_TOLD))


@lru_cache(4096)
def _font_of(letter: str, asked: str, before: str) -> str:
    """The font that sets a letter after one that is set in `before`."""
    first = (before, asked) if unicodedata.category(letter[0])[0] in COMMON else (asked,)
    return next((name for name in (*first, *fonts()) if _has(name, letter)), asked)


def _has(name: str, text: str) -> bool:
    known = letters_of(name)
    return all(ord(letter) in known or _unseen(letter) for letter in text)


def _unseen(letter: str) -> bool:
    return unicodedata.category(letter) in UNSEEN or any(ord(letter) in selectors for selectors in SELECTORS)


def _joins(letter: str) -> bool:
    return unicodedata.name(letter, "").startswith(JOINING)


__all__ = ["NO_GLYPH", "letters", "others", "stretches", "without_glyph"]
