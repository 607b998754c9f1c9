"""Subtitle files, read back by pysubs2 and by FFmpeg."""

from __future__ import annotations

from pathlib import Path

import av
import pysubs2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.engines.video_captions.models import Cue
from deployments.engines.video_captions.srt import srt, vtt

TRICKY = [
    "AT&T &amp; <3 you",
    "<b>not bold</b> <i>",
    "a --> b {\\an8} c:\\Nile",
    "00:00:01,000 --> 00:00:02,000",
    "1977",
    "{comment}",
    "NOTE this",
    "élan 字幕 😀",
]


def cue(index: int, *lines: str) -> Cue:
    return Cue(index=index, start_ms=index * 2000, end_ms=index * 2000 + 1500, lines=list(lines))


def plain(text: str) -> str:
    return text.replace("\u2060", "")


def read_by_pysubs2(text: str) -> list[tuple[int, int, str]]:
    return [(line.start, line.end, plain(line.plaintext)) for line in pysubs2.SSAFile.from_string(text, "srt")]


def read_by_ffmpeg(text: str, path: Path) -> list[str]:
    path.write_text(text, encoding="utf-8")
    with av.open(str(path)) as container:
        return [plain(line.dialogue.decode()) for packet in container.demux() for line in packet.decode()]


@pytest.mark.parametrize("line", TRICKY)
def test_srt_shows_the_text_as_it_is(line: str, tmp_path: Path) -> None:
    made = srt([cue(1, line), cue(2, "first", line), cue(3, "last")])
    shown = line.replace("{", "(").replace("}", ")")  # braces hide what they hold
    texts = [shown, f"first\n{shown}", "last"]
    assert [text for _, _, text in read_by_pysubs2(made)] == texts
    assert read_by_ffmpeg(made, tmp_path / "x.srt") == texts


@pytest.mark.parametrize("line", TRICKY)
def test_vtt_shows_the_text_as_it_is(line: str, tmp_path: Path) -> None:
    made = vtt([cue(1, line), cue(2, "first", line), cue(3, "last")])
    assert made.count("-->") == 3
    if "{" not in line:  # FFmpeg hands braces on to ASS, which WebVTT does not know
        assert read_by_ffmpeg(made, tmp_path / "x.vtt") == [line, f"first\n{line}", "last"]


@given(st.lists(st.text("abc <>&{}\\/-N1\u2028\r\n\x00", min_size=1, max_size=30), min_size=1, max_size=5))
@settings(deadline=None)
def test_no_text_can_break_out_of_its_cue(texts: list[str]) -> None:
    made = [cue(number, text) for number, text in enumerate(texts, 1)]
    read = read_by_pysubs2(srt(made))
    shown = [(c.start_ms, c.end_ms) for c in made]
    assert [(start, end) for start, end, _ in read] == shown
    assert srt(made).count("-->") == vtt(made).count("-->") == len(made)


def test_times_are_written_in_full() -> None:
    late = Cue(index=1, start_ms=3_723_004, end_ms=360_000_000, lines=["x"])
    assert "01:02:03,004 --> 100:00:00,000" in srt([late])
    assert vtt([late]) == "WEBVTT\n\n1\n01:02:03.004 --> 100:00:00.000\nx\n"


def test_no_cues_make_an_empty_file() -> None:
    assert srt([]) == ""
    assert vtt([]) == "WEBVTT\n"
