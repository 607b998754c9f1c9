"""Single frames by number: decord where it agrees with PyAV, PyAV elsewhere, the same frames from both."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from deployments.errors import UndecodableMedia
from deployments.media import sampled
from deployments.media.sampled import Sampled

ASKED = [0, 3, 7, 19]


def movie(path: Path, times_ms: Sequence[int]) -> Path:
    """Grey frames, the n-th of level 10 n, shown at these times, with B-frames."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"bf": "2", "crf": "10"})
        stream.width, stream.height, stream.pix_fmt, stream.time_base = 96, 64, "yuv420p", Fraction(1, 1000)
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, at in enumerate(times_ms):
            frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), number * 10, np.uint8))
            frame.pts, frame.time_base = at, Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def levels(opened: Sampled, numbers: Sequence[int]) -> list[float]:
    pictures = list(opened.frames(numbers))
    assert all(picture.shape == (64, 96, 3) and picture.dtype == np.uint8 for picture in pictures)
    return [float(picture.mean()) for picture in pictures]


@pytest.fixture
def even(tmp_path: Path) -> Path:
    return movie(tmp_path / "even.mp4", range(0, 800, 40))


def test_decord_serves_what_it_agrees_on(even: Path) -> None:
    pytest.importorskip("decord")
    opened = Sampled(even, threads=1)
    assert opened.reader == "decord"
    assert levels(opened, ASKED) == pytest.approx([10 * number for number in ASKED], abs=3)


def test_without_decord_pyav_gives_the_same_frames(even: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampled, "find_spec", lambda name: None)
    opened = Sampled(even, threads=1)
    assert opened.reader == "pyav"
    assert levels(opened, ASKED) == pytest.approx([10 * number for number in ASKED], abs=3)


def test_decord_is_left_where_its_times_differ(even: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decord = pytest.importorskip("decord")
    stamped = decord.VideoReader.get_frame_timestamp
    monkeypatch.setattr(decord.VideoReader, "get_frame_timestamp", lambda self, at: stamped(self, at) * 1.01)
    assert Sampled(even, threads=1).reader == "pyav"


def test_uneven_times_are_read_right_by_either(tmp_path: Path) -> None:
    times = [0, 40, 200, 210, 500, 540, 1000, 1500]
    opened = Sampled(movie(tmp_path / "vfr.mp4", times), threads=1)
    assert opened.times * 1000 == pytest.approx(np.array(times), abs=0.5)
    assert levels(opened, [2, 5, 7]) == pytest.approx([20, 50, 70], abs=3)


def test_on_the_shared_clips_both_show_the_same(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("decord")
    path = shared_data / "media" / "broll_clip.mp4"
    asked = [0, 49, 50, 164, 321]
    quick = Sampled(path, threads=2)
    assert quick.reader == "decord"
    monkeypatch.setattr(sampled, "find_spec", lambda name: None)
    for ours, theirs in zip(Sampled(path, threads=2).frames(asked), quick.frames(asked), strict=True):
        assert np.abs(ours.astype(int) - theirs).mean() < 2


def test_numbers_that_are_not_there_and_what_is_no_video(even: Path, tmp_path: Path) -> None:
    opened = Sampled(even, threads=1)
    with pytest.raises(IndexError):
        next(opened.frames([20]))
    with pytest.raises(ValueError, match="rise"):
        next(opened.frames([3, 1]))
    (tmp_path / "x.mp4").write_bytes(b"not a film")
    with pytest.raises(UndecodableMedia):
        Sampled(tmp_path / "x.mp4", threads=1)
