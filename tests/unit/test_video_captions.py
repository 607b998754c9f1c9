"""Transcripts of the shared recordings: words, times, cues, languages; and clean ends."""

from __future__ import annotations

import importlib.util
import json
import threading
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from deployments.engines.video_captions.backends import BACKENDS
from deployments.errors import UndecodableMedia
from deployments.operation import Output, Stopped
from tests.unit.speech import (
    RATE,
    missing,
    planned,
    run,
    samples,
    spoken,
    text,
    transcript,
    write_silent_video,
)


@pytest.fixture(scope="session")
def wer(shared: Path) -> Callable[[str, str], float]:
    spec = importlib.util.spec_from_file_location("wer", shared / "tools" / "wer.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.wer


@pytest.fixture(scope="module", params=["whisper_openai", "faster_whisper"])
def face_clip(
    request: pytest.FixtureRequest, weights: Callable[[str], Path], shared_data: Path
) -> tuple[Output, list[tuple[int, int]]]:
    for module in BACKENDS[request.param].requires:
        pytest.importorskip(module)
    path = shared_data / "media/face_clip.mp4"
    return run(planned(model="base", backend=request.param), path, weights, duration_ms=23_640, fps=25.0)


def test_speech_is_transcribed_within_six_percent(
    face_clip: tuple[Output, list[tuple[int, int]]], shared_data: Path, wer: Callable[[str, str], float]
) -> None:
    clip = json.loads((shared_data / "media/clips.json").read_text())["face_clip.mp4"]
    output, seen = face_clip
    made = transcript(output)
    assert wer(clip["transcript"], text(made)) <= 0.06
    assert wer(clip["transcript"], " ".join(line for cue in made.cues for line in cue.lines)) <= 0.06
    assert made.language == "en"
    assert output.meta["model_used"] == "whisper-base"
    assert output.meta["device"] == "cpu"
    assert seen[-1] == (23_640, 23_640)


def test_sentences_begin_and_end_when_they_are_spoken(
    face_clip: tuple[Output, list[tuple[int, int]]], shared_data: Path
) -> None:
    """Each known sentence's edges are near an edge of some word: the truth is good to 0.2 s."""
    clip = json.loads((shared_data / "media/clips.json").read_text())["face_clip.mp4"]
    words = [word for segment in transcript(face_clip[0]).segments for word in segment.words]
    for sentence in clip["words"]:
        assert min(abs(word.start_ms / 1000 - sentence["start"]) for word in words) <= 0.4
        assert min(abs(word.end_ms / 1000 - sentence["end"]) for word in words) <= 0.4
    edges = [edge for word in words for edge in (word.start_ms, word.end_ms)]
    assert edges == sorted(edges)


def test_each_cue_is_inside_its_speakers_shot(
    face_clip: tuple[Output, list[tuple[int, int]]], shared_data: Path
) -> None:
    """By half a second: the first speaker's last word sounds 0.37 s over the cut."""
    clip = json.loads((shared_data / "media/clips.json").read_text())["face_clip.mp4"]
    shots = [(shot["start"] * 40, shot["end"] * 40) for shot in clip["shots"]]
    spoken = [(round(said["start"] * 1000), round(said["end"] * 1000)) for said in clip["words"]]
    shown = [
        max(range(len(spoken)), key=lambda n: min(cue.end_ms, spoken[n][1]) - max(cue.start_ms, spoken[n][0]))
        for cue in transcript(face_clip[0]).cues
    ]
    assert set(shown) == set(range(len(shots)))
    for cue, speaker in zip(transcript(face_clip[0]).cues, shown, strict=True):
        assert cue.start_ms >= shots[speaker][0] - 500
        assert cue.end_ms <= shots[speaker][1] + 500


def test_a_clip_in_which_nobody_speaks_gets_no_cues(weights: Callable[[str], Path], shared_data: Path) -> None:
    made = transcript(run(planned(model="base"), shared_data / "media/broll_clip.mp4", weights)[0])
    assert made.cues == []


def test_a_pause_is_kept_out_of_words_and_cues(weights: Callable[[str], Path], shared_data: Path) -> None:
    """Kennedy's pauses, read off the wave: 2.2 to 3.2 s and 4.4 to 5.3 s."""
    made = transcript(run(planned(model="base"), shared_data / "media/audio/jfk.flac", weights)[0])
    words = [word for segment in made.segments for word in segment.words]
    for pause in (2700, 4800):
        assert not any(word.start_ms <= pause <= word.end_ms for word in words)


@pytest.mark.slow
def test_times_do_not_drift_over_a_long_silence(
    weights: Callable[[str], Path], shared_data: Path, tmp_path: Path, wer: Callable[[str, str], float]
) -> None:
    speech = samples(shared_data / "media/audio/jfk.flac")
    path = tmp_path / "long.wav"
    write_wave(path, np.concatenate([speech, np.zeros(50 * RATE, np.float32), speech]))
    made = transcript(run(planned(model="base", language="auto"), path, weights)[0])
    words = [word for segment in made.segments for word in segment.words]
    half = len(words) // 2
    assert len(words) == 2 * half == 44
    for before, after in zip(words[:half], words[half:], strict=True):
        assert after.text == before.text
        assert after.start_ms - before.start_ms == pytest.approx(61_000, abs=150)
    assert made.language == "en"


def write_wave(path: Path, wave: np.ndarray) -> None:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray((wave * 32767).astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = RATE, 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def test_another_language_is_detected(
    weights: Callable[[str], Path], shared_data: Path, wer: Callable[[str, str], float]
) -> None:
    known = json.loads((shared_data / "media/audio/audio.json").read_text())["french.flac"]
    path = shared_data / "media/audio/french.flac"
    made = transcript(run(planned(model="base", language="auto"), path, weights)[0])
    assert made.language == "fr"
    assert wer(known["transcript"], text(made)) <= 0.06
    assert "d'habitude," in [word.text for segment in made.segments for word in segment.words]


@pytest.mark.parametrize(
    ("name", "language"), [("silence.wav", "auto"), ("noise.wav", "en"), ("noise.wav", "auto"), ("chords.wav", "en")]
)
def test_what_is_no_speech_gives_no_cues(
    weights: Callable[[str], Path], shared_data: Path, name: str, language: str
) -> None:
    path = shared_data / "media/audio" / name
    made = transcript(run(planned(model="base", language=language), path, weights)[0])
    assert (made.cues, made.segments) == ([], [])
    assert made.meta["warnings"] == ["nobody is heard speaking"]
    assert made.language == ("und" if language == "auto" else "en")


def test_a_video_without_sound_gives_no_cues_and_needs_no_model(tmp_path: Path) -> None:
    write_silent_video(tmp_path / "mute.mp4")
    made = transcript(run(planned(), tmp_path / "mute.mp4", missing, duration_ms=400)[0])
    assert made.cues == []
    assert made.meta["warnings"] == ["the asset has no sound"]
    assert made.meta["duration_ms"] == 400


def test_the_work_ends_when_nobody_waits(tmp_path: Path) -> None:
    write_wave(tmp_path / "x.wav", spoken((0, 5), total=5))
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        run(planned(), tmp_path / "x.wav", missing, stop)


def test_what_is_no_media_is_undecodable(tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_bytes(b"not a film")
    with pytest.raises(UndecodableMedia):
        run(planned(), tmp_path / "x.mp4", missing)
