"""A line's runs: letters of one font and one direction, in the order in which they are seen (UAX 9, by python-bidi)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from bidi import algorithm
from bidi.mirror import MIRRORED

from deployments.drawing.fallback import stretches

RIGHT_TO_LEFT = ("R", "AL", "AN", "RLE", "RLO")
"""Bidirectional classes that make a line more than left to right."""
STAND_INS: Mapping[str, str] = MappingProxyType(
    {"": "a", "B": " ", "S": " ", "LRI": "\u200b", "RLI": "\u200b", "FSI": "\u200b", "PDI": "\u200b"}
)
"""Class -> a character that is treated as those of that class are here: unassigned ones as letters, separators as
spaces; isolates, which the library does not know, as nothing."""

STRONG: Mapping[str, str] = MappingProxyType({"L": "L", "R": "R", "EN": "R", "AN": "R"})
"""Resolved class -> the direction that brackets see in it."""
MOST_OPEN = 63
"""Brackets in brackets; beyond, none is paired (BD16)."""


@dataclass(frozen=True, slots=True)
class Run:
    """Letters that are shaped at once."""

    text: str
    font: str
    direction: Literal["ltr", "rtl"] | None
    """None: left to right and nothing else in the line."""


def right_to_left(paragraph: str) -> bool:
    """Whether a paragraph begins so: by its first letter that has a direction (UAX 9, P2 and P3)."""
    return bool(algorithm.get_base_level(_plain(paragraph)))


def runs(line: str, font: str, rtl: bool) -> list[Run]:
    """A line of a paragraph that runs right to left or not, from left to right as it is seen."""
    parts = stretches(line, font)
    if len(parts) == 1 and not rtl and not any(unicodedata.bidirectional(c) in RIGHT_TO_LEFT for c in line):
        return [Run(line, parts[0][1], None)]
    names = [name for part, name in parts for _ in part]
    found: list[Run] = []
    last = (-1, -1)
    for place, level in _in_order(line, rtl):
        backwards = level % 2 == 1
        follows = (place < last[0]) if backwards else (place > last[0])
        if found and level == last[1] and follows and names[place] == found[-1].font:
            # with what lies between: joiners have no place of their own, yet they shape what they join
            added = line[place : last[0]] if backwards else line[last[0] + 1 : place + 1]
            text = added + found[-1].text if backwards else found[-1].text + added
            found[-1] = Run(text, names[place], found[-1].direction)
        else:
            found.append(Run(line[place], names[place], "rtl" if backwards else "ltr"))
        last = place, level
    return found


def _in_order(line: str, rtl: bool) -> Iterator[tuple[int, int]]:
    """(place in the line, embedding level) of each character that is seen, from left to right."""
    storage: dict[str, Any] = algorithm.get_empty_storage()
    storage["base_level"], storage["base_dir"] = (1, "R") if rtl else (0, "L")
    algorithm.get_embedding_levels(_plain(line), storage, False, False)
    for place, character in enumerate(storage["chars"]):
        character["place"] = place
    algorithm.explicit_embed_and_overrides(storage, False)
    algorithm.resolve_weak_types(storage, False)
    for run in storage["runs"]:
        _resolve_brackets(storage["chars"][run["start"] : run["start"] + run["length"]], run["sor"])
    algorithm.resolve_neutral_types(storage, False)
    algorithm.resolve_implicit_levels(storage, False)
    algorithm.reorder_resolved_levels(storage, False)
    for character in storage["chars"]:
        yield character["place"], character["level"]


def _resolve_brackets(characters: list[dict[str, Any]], before: str) -> None:
    """UAX 9, N0, which the library leaves out: a pair of brackets goes the way of what it holds. `before`: the
    direction at the start of this level run."""
    own = "LR"[characters[0]["level"] % 2]
    ways = [STRONG.get(character["type"], "") for character in characters]
    for first, last in _pairs(characters):
        inside = set(ways[first + 1 : last]) - {""}
        if not inside:
            continue
        context = next((way for way in reversed(ways[:first]) if way), before)
        way = own if own in inside else context
        for place in (first, last):
            ways[place] = characters[place]["type"] = way


def _pairs(characters: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """Places of opening and closing brackets that belong together, by the opening one (UAX 9, BD16)."""
    pairs: list[tuple[int, int]] = []
    opened: list[tuple[str, int]] = []
    for place, character in enumerate(characters):
        letter = character["ch"]
        if character["type"] != "ON" or letter not in MIRRORED:
            continue
        if unicodedata.category(letter) == "Ps":
            if len(opened) == MOST_OPEN:
                return []
            opened.append((MIRRORED[letter], place))
        elif unicodedata.category(letter) == "Pe":
            at = next((i for i in reversed(range(len(opened))) if opened[i][0] == letter), None)
            if at is not None:
                pairs.append((opened[at][1], place))
                del opened[at:]
    return sorted(pairs)


def _plain(text: str) -> str:
    return "".join(STAND_INS.get(unicodedata.bidirectional(letter), letter) for letter in text)


__all__ = ["Run", "right_to_left", "runs"]
