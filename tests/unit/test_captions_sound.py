"""What speech is heard in: the sound's clock, and windows cut in pauses."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from deployments.engines.video_captions.windows import LONGEST, windows
from tests.unit.speech import (
    RATE,
    samples,
    spoken,
    write_sound,
)


def loud_spans(wave: np.ndarray) -> list[tuple[float, float]]:
    """(start, end) in seconds of what is not silence, to 5 ms."""
    level = np.abs(np.pad(wave, (0, -len(wave) % 80))).reshape(-1, 80).max(axis=1) > 0.05
    edges = np.flatnonzero(np.diff(np.concatenate(([False], level, [False])).astype(int))) * 80 / RATE
    return [(float(a), float(b)) for a, b in edges.reshape(-1, 2)]


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_gaps_and_late_starts_stay_where_they_are(tmp_path: Path, rate: int, channels: int) -> None:
    path = tmp_path / "gaps.mkv"
    with_picture = [(0.0, 0.2, 440.0), (1.5, 0.5, 440.0), (62.25, 0.5, 440.0)]
    write_sound(path, with_picture, rate=rate, channels=channels)
    wave = samples(path)
    expected = [(start, start + lasts) for start, lasts, _ in with_picture]
    assert np.allclose(loud_spans(wave), expected, atol=0.012)
    assert len(wave) / RATE == pytest.approx(62.75, abs=0.02)


def test_sound_that_starts_after_the_picture_begins_with_silence(tmp_path: Path) -> None:
    path = tmp_path / "late.mkv"
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        sound = out.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for _ in range(50):
            out.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))))
        out.mux(video.encode(None))
        frame = av.AudioFrame.from_ndarray(np.full((1, 8000), 16_000, np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = 16_000, Fraction(1, 16_000), 12_000
        out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    assert np.allclose(loud_spans(samples(path)), [(0.75, 1.25)], atol=0.01)


def test_a_stream_that_counts_from_elsewhere_starts_at_zero(tmp_path: Path) -> None:
    path = tmp_path / "counted.ts"
    with av.open(str(path), "w") as out:
        sound = out.add_stream("mp2", rate=48_000, layout="mono")
        wave = (np.sin(np.arange(96_000) / 20) * 16_000).astype(np.int16)
        for at in range(0, 96_000, 1152):
            frame = av.AudioFrame.from_ndarray(wave[None, at : at + 1152], format="s16", layout="mono")
            frame.sample_rate, frame.time_base, frame.pts = 48_000, Fraction(1, 48_000), 480_000 + at
            out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    ((start, end),) = loud_spans(samples(path))
    assert (start, end) == pytest.approx((0, 2), abs=0.06)


def test_decoding_agrees_with_the_file_itself(shared_data: Path) -> None:
    path = shared_data / "media/audio/chords.wav"
    plain = np.frombuffer(path.read_bytes()[44:], np.int16).astype(np.float32) / 32768
    assert np.array_equal(samples(path)[: len(plain)], plain)


def blocks(wave: np.ndarray) -> list[np.ndarray]:
    return [wave[at : at + RATE] for at in range(0, len(wave), RATE)]


def test_windows_hold_all_that_is_heard_and_are_cut_in_pauses() -> None:
    pauses = [(24.0, 24.5), (49.0, 49.4), (70.0, 70.5)]
    wave = spoken((0, 24), (24.5, 49), (49.4, 70), (70.5, 90), total=90)
    made = list(windows(blocks(wave)))
    assert all(0 < len(window.samples) <= LONGEST for window in made)
    for window in made:
        assert np.array_equal(window.samples, wave[window.start : window.start + len(window.samples)])
    for window in made[1:]:
        assert any(a <= window.start / RATE <= b for a, b in pauses)
    assert sum(len(window.samples) for window in made) == len(wave)


def test_long_silences_are_left_out_and_times_kept() -> None:
    wave = spoken((100, 104), (200, 203), total=300)
    made = list(windows(blocks(wave)))
    assert [round(window.start / RATE, 1) for window in made] == [99.8, 199.8]
    assert all(len(window.samples) < 8 * RATE for window in made)


def test_silence_gives_no_window() -> None:
    assert list(windows(blocks(np.zeros(95 * RATE, np.float32)))) == []
    assert list(windows([])) == []
