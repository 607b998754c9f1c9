"""Words into cues, by the rules that broadcasters publish. Pure Python.

Hard rules: at most two lines of 42 columns, 0.833 to 7 s, two frames between cues, no overlap, no cue over a long
pause. Among the cuts that keep them the cheapest is taken: cues end where sentences or clauses do, and can be read in
time.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

from deployments.engines.video_captions.models import Cue, Word

COLUMNS = 42
"""Of a line; a wide character (CJK) takes two."""
LEAST_MS = 833
MOST_MS = 7000
PER_SECOND = 20
"""Columns that can be read in a second."""
LONG_PAUSE_MS = 1000
"""A silence between words that no cue spans."""
GAP_MS = 80
"""Two frames at 25 a second, where the asset has no frame rate of its own."""
LEAD_MS = 500
"""How much sooner than its first word a cue may appear, where it would be too short otherwise."""

UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
"""Whisper's languages that put no spaces between words."""

SENTENCE_ENDS = tuple(".?!…。？！")
CLAUSE_ENDS = tuple(",;:—–، 、，；：")
CLOSERS = "\"'”’»)]」』"

# Costs of a cut between two cues, and of what a cue is like. Only their order of size matters.
COST_SENTENCE, COST_PAUSE, COST_CLAUSE, COST_INSIDE = 0.0, 0.5, 1.0, 4.0
COST_SPANNED_SENTENCE = 1.5
COST_HURRY = 6.0
COST_TOO_SHORT = 30.0
COST_LONE_WORD = 1.0
SHORT_PAUSE_MS = 300


def make(
    words: Sequence[Word], language: str, *, duration_ms: int | None = None, fps: float | None = None
) -> list[Cue]:
    """Cues, in order, that show every word once.

    Words come in order of their times, in milliseconds; `duration_ms` is the asset's and no cue outlasts it where that
    can be; `fps` sets the two frames between cues. A cue has less than two frames' gap, or starts late, only where the
    speech leaves no room: more than 84 columns in 0.833 s.
    """
    glue = "" if language in UNSPACED else " "
    fitting = [piece for word in words if word.text.strip() for piece in _pieces(word)]
    gap = min(200, math.ceil(2000 / fps)) if fps else GAP_MS
    groups = _groups(fitting, glue, gap)
    return _timed(groups, glue, gap, duration_ms)


def columns(text: str) -> int:
    """How wide a text is on a screen."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def lines(words: Sequence[str], glue: str = " ") -> list[str] | None:
    """The words on one line or on two, or None where they don't fit."""
    whole = glue.join(words)
    if columns(whole) <= COLUMNS:
        return [whole]
    best: tuple[float, list[str]] | None = None
    for cut in range(1, len(words)):
        pair = [glue.join(words[:cut]), glue.join(words[cut:])]
        top, bottom = columns(pair[0]), columns(pair[1])
        if top <= COLUMNS and bottom <= COLUMNS:
            # even lines, the lower one rather the longer, and the cut at a clause's end if it is near
            cost = abs(bottom - top) + (4 if top > bottom else 0) - (12 if _ends(words[cut - 1], "clause") else 0)
            if best is None or cost < best[0]:
                best = cost, pair
    return best[1] if best else None


def _pieces(word: Word) -> list[Word]:
    """The word, or where it is wider than a line, its parts, each with its share of the time."""
    text = word.text.strip()
    if columns(text) <= COLUMNS:
        return [word.model_copy(update={"text": text})]
    parts, part = [], ""
    for character in text:
        if columns(part + character) > COLUMNS:
            parts.append(part)
            part = ""
        part += character
    parts.append(part)
    span = word.end_ms - word.start_ms
    edges = [word.start_ms + span * number // len(parts) for number in range(len(parts) + 1)]
    return [
        word.model_copy(update={"text": text, "start_ms": start, "end_ms": end})
        for text, (start, end) in zip(parts, pairwise(edges), strict=True)
    ]


def _groups(words: Sequence[Word], glue: str, gap: int) -> list[Sequence[Word]]:
    """The cheapest way to cut the words into cues: best[n] is the cost of the first n."""
    best = [0.0] + [math.inf] * len(words)
    start_of = [0] * (len(words) + 1)
    for start in range(len(words)):
        for end in range(start + 1, len(words) + 1):
            group = words[start:end]
            if end - start > 1 and not _together(group, glue):
                break
            following = words[end] if end < len(words) else None
            cost = best[start] + _cost(group, following, glue, gap)
            if cost < best[end]:
                best[end], start_of[end] = cost, start
    groups: list[Sequence[Word]] = []
    end = len(words)
    while end:
        groups.append(words[start_of[end] : end])
        end = start_of[end]
    return groups[::-1]


def _together(group: Sequence[Word], glue: str) -> bool:
    """Whether the hard rules let these words share a cue; if not, no longer group can."""
    if group[-1].start_ms - group[-2].end_ms >= LONG_PAUSE_MS or group[-1].end_ms - group[0].start_ms > MOST_MS:
        return False
    return lines([word.text for word in group], glue) is not None


def _cost(group: Sequence[Word], following: Word | None, glue: str, gap: int) -> float:
    cost = 0.0 if following is None else _cost_of_cut(group[-1], following)
    spoken = group[-1].end_ms - group[0].start_ms
    room = math.inf if following is None else following.start_ms - gap - group[0].start_ms
    shown = min(room, max(spoken, MOST_MS))
    if shown < LEAST_MS:
        cost += COST_TOO_SHORT * (1 + (LEAST_MS - shown) / LEAST_MS)
    wanted = columns(glue.join(word.text for word in group)) / PER_SECOND * 1000
    if wanted > shown:
        cost += COST_HURRY * (wanted - shown) / wanted
    cost += COST_SPANNED_SENTENCE * sum(
        _ends(word.text, "sentence") and not after.text[:1].islower() for word, after in pairwise(group)
    )
    return cost + (COST_LONE_WORD if len(group) == 1 else 0) + 0.01  # fewer cues where all else is equal


def _cost_of_cut(before: Word, after: Word) -> float:
    if _ends(before.text, "sentence") and not after.text[:1].islower():
        return COST_SENTENCE
    if after.start_ms - before.end_ms >= SHORT_PAUSE_MS:
        return COST_PAUSE
    return COST_CLAUSE if _ends(before.text, "clause") else COST_INSIDE


def _ends(text: str, what: str) -> bool:
    bare = text.rstrip(CLOSERS)
    return bare.endswith(SENTENCE_ENDS) or (what == "clause" and bare.endswith(CLAUSE_ENDS))


def _timed(groups: Sequence[Sequence[Word]], glue: str, gap: int, duration_ms: int | None) -> list[Cue]:
    """Cues shown from the first word on, held until they can be read, never into the next."""
    cues: list[Cue] = []
    free = 0  # the first moment at which a cue may start
    spoken_until = 0  # where the last cue's speech ends, gap included: it may be held less long for this one
    for number, group in enumerate(groups):
        text = lines([word.text for word in group], glue)
        assert text is not None
        first, last = group[0].start_ms, group[-1].end_ms
        start = max(free, first)
        limit = groups[number + 1][0].start_ms - gap if number + 1 < len(groups) else duration_ms
        wanted = max(last, start + LEAST_MS, start + math.ceil(sum(map(columns, text)) / PER_SECOND * 1000))
        end = min(wanted, start + MOST_MS, math.inf if limit is None else max(limit, 0))
        if end - start < LEAST_MS:
            start = max(min(start, int(end) - LEAST_MS), first - LEAD_MS, spoken_until, 0)
            if cues and cues[-1].end_ms > start - gap:
                cues[-1] = cues[-1].model_copy(update={"end_ms": start - gap})
            end = max(end, start + LEAST_MS)
        cues.append(Cue(index=number + 1, start_ms=start, end_ms=int(end), lines=text))
        free = int(end) + gap
        spoken_until = max(min(int(end), max(last, start + LEAST_MS)) + gap, 0)
    return cues


__all__ = ["COLUMNS", "GAP_MS", "LEAST_MS", "LONG_PAUSE_MS", "MOST_MS", "PER_SECOND", "columns", "lines", "make"]
