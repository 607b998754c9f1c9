"""Cues: the rules of docs and broadcasters, on any words that speech may give."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.engines.video_captions import cues
from deployments.engines.video_captions.models import Cue, Word

# The rules as the contract states them, spelled out again rather than read from the code.
COLUMNS, LINES, LEAST, MOST, PER_SECOND, GAP = 42, 2, 833, 7000, 20, 80
TEXTS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=14)
ENDS = st.sampled_from(["", "", "", "", ",", ".", "?", ";"])


@st.composite
def speech(draw: st.DrawFn, least_ms: int = 60, most_pause: int = 2500, most: int = 60) -> list[Word]:
    """Words as people speak: each with a time of its own, pauses between."""
    at, words = draw(st.integers(0, 3000)), []
    for _ in range(draw(st.integers(1, most))):
        text = draw(TEXTS) + draw(ENDS)
        lasts = draw(st.integers(max(least_ms, 45 * len(text)), 900))
        words.append(Word(start_ms=at, end_ms=at + lasts, text=text, probability=0.9))
        at += lasts + draw(st.one_of(st.just(0), st.just(0), st.integers(0, most_pause)))
    return words


anything = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 9000), st.text(min_size=1, max_size=60)), min_size=1, max_size=40
)
"""(pause, length in ms, text) of words that no mouth could say."""


def spoken(words: list[tuple[int, int, str]]) -> Iterator[Word]:
    at = 0
    for pause, lasts, text in words:
        yield Word(start_ms=at + pause, end_ms=at + pause + lasts, text=text, probability=0.5)
        at += pause + lasts


def letters(text: str) -> str:
    return "".join(text.split())


def groups(words: list[Word], made: list[Cue]) -> list[list[Word]]:
    """Which words each cue shows, found by counting words."""
    found, at = [], 0
    for cue in made:
        count = len(" ".join(cue.lines).split())
        found.append(words[at : at + count])
        at += count
    return found


def check_always(made: list[Cue]) -> None:
    assert [cue.index for cue in made] == list(range(1, len(made) + 1))
    for cue in made:
        assert 1 <= len(cue.lines) <= LINES
        assert all(0 < cues.columns(line) <= COLUMNS for line in cue.lines)
        assert LEAST <= cue.end_ms - cue.start_ms <= MOST
    for before, after in pairwise(made):
        assert after.start_ms - before.end_ms >= GAP


@given(speech())
@settings(max_examples=150, deadline=None)
def test_speech_keeps_every_rule(words: list[Word]) -> None:
    made = cues.make(words, "en")
    check_always(made)
    assert [text for cue in made for line in cue.lines for text in line.split()] == [word.text for word in words]
    for cue, group in zip(made, groups(words, made), strict=True):
        assert all(b.start_ms - a.end_ms < 1000 for a, b in pairwise(group)), "over a long pause"
        assert abs(cue.start_ms - group[0].start_ms) <= 700, "the cue is not there when its words are"
        following = made[cue.index].start_ms if cue.index < len(made) else None
        width = sum(map(len, cue.lines))
        if following is None or following - cue.end_ms > GAP:  # there was room to hold it longer
            lasts = cue.end_ms - cue.start_ms
            assert width / lasts * 1000 <= PER_SECOND or lasts == MOST


@given(anything)
@settings(max_examples=150, deadline=None)
def test_any_words_give_readable_cues_in_order(given_words: list[tuple[int, int, str]]) -> None:
    words = list(spoken(given_words))
    made = cues.make(words, "en")
    check_always(made)
    shown = "".join(letters("".join(cue.lines)) for cue in made)
    assert shown == "".join(letters(word.text) for word in words)


@given(speech(least_ms=250, most_pause=500))
@settings(max_examples=50, deadline=None)
def test_slow_speech_is_never_too_fast_to_read(words: list[Word]) -> None:
    slow = [word.model_copy(update={"text": word.text[:3]}) for word in words]
    for cue in cues.make(slow, "en"):
        assert sum(map(len, cue.lines)) / (cue.end_ms - cue.start_ms) * 1000 <= PER_SECOND


def said(text: str, at: int = 0, each: int = 300) -> list[Word]:
    return [
        Word(start_ms=at + each * n, end_ms=at + each * (n + 1) - 20, text=word, probability=1)
        for n, word in enumerate(text.split())
    ]


def test_cues_break_at_the_ends_of_sentences_and_clauses() -> None:
    text = "When the rain came down over the hills, everybody in the village ran to the old barn. Nobody spoke a word."
    made = cues.make(said(text), "en")
    assert [" ".join(cue.lines) for cue in made] == [
        "When the rain came down over the hills,",
        "everybody in the village ran to the old barn.",
        "Nobody spoke a word.",
    ]


def test_abbreviations_do_not_end_a_sentence() -> None:
    made = cues.make(said("I met Dr. no one at 5 p.m. sharp"), "en")
    assert len(made) == 1


def test_no_cue_spans_a_long_pause() -> None:
    words = said("and then") + said("it was over", at=3000)
    made = cues.make(words, "en")
    assert [cue.lines for cue in made] == [["and then"], ["it was over"]]
    assert made[1].start_ms == 3000


def test_a_short_word_is_held_until_it_can_be_read() -> None:
    (cue,) = cues.make([Word(start_ms=500, end_ms=600, text="No.", probability=1)], "en", duration_ms=5000)
    assert (cue.start_ms, cue.end_ms) == (500, 1333)


def test_the_last_cue_ends_with_the_asset() -> None:
    (cue,) = cues.make([Word(start_ms=4500, end_ms=4900, text="No.", probability=1)], "en", duration_ms=5000)
    assert (cue.start_ms, cue.end_ms) == (4167, 5000)


def test_two_frames_follow_the_frame_rate() -> None:
    words = said("one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen.", each=200)
    words += said("Next sentence here now.", at=words[-1].end_ms + 20, each=250)
    for fps, gap in ((24, 84), (25, 80), (50, 40), (12.5, 160)):
        made = cues.make(words, "en", fps=fps)
        assert all(b.start_ms - a.end_ms >= gap for a, b in pairwise(made))


def test_wide_characters_count_twice_and_take_no_spaces() -> None:
    words = [Word(start_ms=n * 250, end_ms=n * 250 + 240, text="字", probability=1) for n in range(40)]
    made = cues.make(words, "zh")
    assert "".join("".join(cue.lines) for cue in made) == "字" * 40
    assert max(len(line) for cue in made for line in cue.lines) <= 21


def test_no_words_no_cues() -> None:
    assert cues.make([], "en") == []
    assert cues.make([Word(start_ms=0, end_ms=10, text=" ", probability=1)], "en") == []
