"""Captions: the plan, the sound's clock, the windows, and what is heard, against the shared recordings' transcripts."""

from __future__ import annotations

import importlib.util
import json
import pickle
import subprocess
import sys
import threading
import types
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import whisper

from artifacts import Draft, Registry, Scope, Store
from artifacts.errors import NotFound
from artifacts.kinds import check_meta
from configs.models import Models, WeightsMissing
from configs.settings import Settings
from deployments.engines.video_captions import audio, routes, work
from deployments.engines.video_captions.backends import BACKENDS, settle
from deployments.engines.video_captions.models import CaptionsRequest, Cue, Segment, Transcript, Word
from deployments.engines.video_captions.plan import LANGUAGES, answer, plan
from deployments.engines.video_captions.windows import LONGEST, windows
from deployments.errors import BackendUnavailable, InvalidRequest, UndecodableMedia, UnknownBackend
from deployments.operation import Context, Output, Plan, Stopped
from deployments.route import Call

SCOPE = Scope("t_acme", "dev")
ASSET = "asset_aaaaaaaa"
RATE = 16_000
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class FakeAsset:
    id: str
    kind: str


@dataclass
class FakeRegistry:
    kind: str = "video"

    def asset(self, scope: Scope, id: str) -> FakeAsset:
        if id != ASSET:
            raise NotFound
        return FakeAsset(id, self.kind)


@dataclass
class Sound:
    """One input of the work."""

    file: Path
    meta: dict[str, Any]

    def path(self) -> Path:
        return self.file


def planned(settings: Settings | None = None, *, kind: str = "video", env: str = "dev", **body: Any) -> Plan:
    request = CaptionsRequest.model_validate({"asset_id": ASSET} | body)
    registry: Any = FakeRegistry(kind)
    return plan(request, Context(Scope("t_acme", env), "request"), registry, settings or Settings(threads=2))


def run(
    made: Plan, file: Path, weights: Callable[[str], Path], stop: threading.Event | None = None, **meta: Any
) -> tuple[Output, list[tuple[int, int]]]:
    seen: list[tuple[int, int]] = []
    inputs: Any = types.SimpleNamespace(one=lambda role: Sound(file, meta))
    tools: Any = types.SimpleNamespace(
        stop=stop or threading.Event(),
        progress=lambda done, total: seen.append((done, total)),
        weights=weights,
        settings=Settings(threads=2),
    )
    return work.write_captions(made, inputs, tools), seen


def transcript(output: Output) -> Transcript:
    assert isinstance(output.data, bytes)
    check_meta("asr_transcript", output.media_type, output.meta)
    return Transcript.model_validate_json(output.data)


def text(made: Transcript) -> str:
    return " ".join(segment.text for segment in made.segments)


@pytest.fixture(scope="session")
def wer(shared: Path) -> Callable[[str, str], float]:
    spec = importlib.util.spec_from_file_location("wer", shared / "tools" / "wer.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.wer


def write_sound(path: Path, tones: list[tuple[float, float, float]], *, rate: int = 48_000, channels: int = 2) -> None:
    """A file whose sound is the tones (start in s, length in s, Hz) and nothing at all, not even silence, between."""
    layout = "stereo" if channels == 2 else "mono"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=rate, layout=layout)
        for start, lasts, hertz in tones:
            wave = np.sin(2 * np.pi * hertz * np.arange(round(lasts * rate)) / rate) * 16_000
            for at in range(0, len(wave), 960):
                part = np.repeat(wave[at : at + 960].astype(np.int16), channels)[None]
                frame = av.AudioFrame.from_ndarray(part, format="s16", layout=layout)
                frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
                frame.pts = round(start * rate) + at
                out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def write_silent_video(path: Path) -> None:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(10):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))))
        out.mux(stream.encode(None))


# plan


def test_defaults_are_filled_in_from_the_settings() -> None:
    settings = Settings(video_captions_model="base")
    spelled = planned(settings, language="en", model="base", backend="whisper_openai", task="transcribe")
    assert planned(settings).cache_key == spelled.cache_key
    assert spelled.parameters == {"model": "whisper-base", "language": "en", "task": "transcribe"}
    assert spelled.weights_id == Models(settings).weights_id("whisper-base")
    assert spelled.parent_asset_id == ASSET


def test_each_parameter_makes_another_key() -> None:
    keys = {
        planned(**({"model": "base"} | body)).cache_key
        for body in ({}, {"language": "fr"}, {"task": "translate"}, {"model": "tiny.en"}, {"backend": "stub"})
    }
    assert len(keys) == 5


def test_tiny_is_the_english_one_and_a_warning_says_so() -> None:
    made = planned(model="tiny")
    assert made.parameters["model"] == "whisper-tiny.en"
    assert made.warnings[0].json().items() >= {"field": "model", "given": "tiny", "used": "whisper-tiny.en"}.items()
    assert made.cache_key == planned(model="tiny.en").cache_key
    assert planned(model="tiny", language="auto").parameters["language"] == "en"


@pytest.mark.parametrize("language", ["fr-CA", "FR", "fr_FR", " fr"])
def test_languages_are_normalised(language: str) -> None:
    assert planned(model="base", language=language).parameters["language"] == "fr"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"model": "enormous"}, "model"),
        ({"language": "klingon"}, "language"),
        ({"model": "tiny", "language": "fr"}, "language"),
        ({"model": "tiny", "task": "translate"}, "task"),
    ],
)
def test_what_cannot_be_done_names_its_field(body: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        planned(**body)
    assert caught.value.details["field"] == field


def test_pictures_unknown_backends_and_absent_assets_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="kind image"):
        planned(kind="image")
    with pytest.raises(UnknownBackend, match="whisper_openai, faster_whisper, stub"):
        planned(backend="telepathy")
    with pytest.raises(NotFound):
        planned(asset_id="asset_bbbbbbbb")


def test_constants_follow_the_library() -> None:
    assert set(whisper.tokenizer.LANGUAGES) - {"yue"} == LANGUAGES
    assert BACKENDS["whisper_openai"].version.startswith(whisper.__version__ + "+")


def test_the_light_rooms_reach_no_heavy_library() -> None:
    code = "import sys, deployments.engines.video_captions.plan, deployments.engines.video_captions.routes;"
    code += "print([n for n in ('torch', 'numpy', 'cv2', 'av', 'whisper', 'numba') if n in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).strip() == "[]"


# settle


def missing(name: str) -> Path:
    raise WeightsMissing(name, [("cache /srv/models", "has none")])


def test_weights_that_cannot_be_had_give_a_stub_that_says_so(tmp_path: Path) -> None:
    made = settle(planned(model="base"), missing, Settings())
    assert (made.backend, made.weights_id) == ("stub", None)
    assert made.cache_key != planned(model="base").cache_key
    output, _ = run(pickle.loads(pickle.dumps(made)), tmp_path / "none", missing, duration_ms=5000)
    assert output.meta["stub"] is True
    assert output.meta["stub_reason"] == "weights_missing"
    assert transcript(output).meta["stub"] is True
    assert "whisper-base" in made.warnings[-1].message
    assert "/srv" not in made.warnings[-1].message
    assert len(transcript(output).cues) == 1


@pytest.mark.parametrize(("env", "settings"), [("prod", {}), ("staging", {}), ("dev", {"allow_stubs": False})], ids=str)
def test_no_stub_answers_where_it_must_not(env: str, settings: dict[str, Any]) -> None:
    with pytest.raises(BackendUnavailable, match=r"weights of whisper-tiny\.en cannot be had here; `make models`"):
        settle(planned(env=env), missing, Settings(**settings))
    with pytest.raises(BackendUnavailable):
        planned(Settings(**settings), env=env, backend="stub")


def test_a_missing_library_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BackendUnavailable, match="pip install openai-whisper"):
        settle(planned(env="prod"), missing, Settings())


@pytest.mark.parametrize("absent", ["whisper-base-ct2", "whisper-base-ct2-vocabulary"])
def test_faster_whisper_needs_each_of_its_files(absent: str, tmp_path: Path) -> None:
    pytest.importorskip("faster_whisper")
    made = planned(model="base", backend="faster_whisper")
    assert made.weights_id == Models(Settings()).weights_id("whisper-base-ct2")
    assert settle(made, lambda name: tmp_path, Settings()) == made
    assert settle(made, lambda name: missing(name) if name == absent else tmp_path, Settings()).backend == "stub"


def test_each_backend_has_its_weights_in_the_table() -> None:
    models = Models(Settings())
    for backend in BACKENDS.values():
        for model in ("whisper-base", "whisper-tiny.en") if backend.open else ():
            assert all(models.weights_id(name) for name in backend.rows(model))


def test_a_backend_that_is_there_is_kept(tmp_path: Path) -> None:
    assert settle(planned(), lambda name: tmp_path, Settings()) == planned()
    assert settle(planned(backend="stub"), missing, Settings()).parameters["stub_reason"] == "asked_for"


# the sound's clock


def samples(path: Path) -> np.ndarray:
    parts = list(audio.pieces(path))
    assert all(part.dtype == np.float32 for part in parts)
    assert all(len(part) == audio.BLOCK for part in parts[:-1])
    return np.concatenate(parts)


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


# windows


def spoken(*spans: tuple[float, float], total: float) -> np.ndarray:
    wave = np.zeros(round(total * RATE), np.float32)
    noise = np.random.default_rng(1).normal(0, 0.1, len(wave)).astype(np.float32)
    for start, end in spans:
        wave[round(start * RATE) : round(end * RATE)] = noise[round(start * RATE) : round(end * RATE)]
    return wave


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


# what is heard


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


# routes


@pytest.fixture
def registry() -> Registry:
    return Registry(Store("memory://"))


def stored(registry: Registry, cues: list[Cue]) -> Any:
    words = [Word(start_ms=0, end_ms=900, text="Tea & cake", probability=1.0)]
    segments = [Segment(start_ms=0, end_ms=900, text="Tea & cake", words=words)]
    body = Transcript(language="en", segments=segments, cues=cues, meta={})
    meta = {"backend": "x", "backend_version": "1", "model_used": "x", "cache_key": "k", "duration_ms": 1000}
    data = body.model_dump_json().encode()
    main = Draft("", "asr_transcript", "application/json", data, meta | {"language": "en"})
    return registry.commit(SCOPE, cache_key=planned().cache_key, main=main)


def call(registry: Registry, id: str, scope: Scope = SCOPE) -> Call:
    nothing: Any = None
    return Call(Context(scope, "r"), {"artifact_id": id}, nothing, registry, nothing, Settings())


def handler(form: str) -> Any:
    (route,) = [route for route in routes.ROUTES if route.path == f"/video/captions/{{artifact_id}}/{form}"]
    assert route.method == "GET"
    return route.handle


async def test_transcripts_are_served_in_every_form(registry: Registry) -> None:
    record = stored(registry, [Cue(index=1, start_ms=0, end_ms=900, lines=["Tea & cake"])])
    srt = await handler("srt")(call(registry, record.id))
    assert srt.body.decode() == "1\n00:00:00,000 --> 00:00:00,900\nTea & cake\n"
    assert srt.media_type == "application/x-subrip; charset=utf-8"
    vtt = await handler("vtt")(call(registry, record.id))
    assert vtt.body.decode() == "WEBVTT\n\n1\n00:00:00.000 --> 00:00:00.900\nTea &amp; cake\n"
    body = (await handler("json")(call(registry, record.id))).body
    assert body["cues"] == [{"index": 1, "start_ms": 0, "end_ms": 900, "lines": ["Tea & cake"]}]
    assert body["segments"][0]["words"][0].keys() == {"start_ms", "end_ms", "text", "probability"}
    assert answer(planned(), record, registry).keys() == {"artifact_id", "language", "cues", "meta"}


async def test_ids_that_name_no_transcript_here_get_the_same_404(registry: Registry) -> None:
    record = stored(registry, [])
    mask = Draft(
        "", "mask", "image/png", b"x", {"width": 1, "height": 1, "feather": 0, "selection_hash": "", "source": ""}
    )
    other = registry.commit(SCOPE, cache_key="other", main=mask)
    messages = set()
    for id, scope in (
        ("transcript_aaaaaaaa", SCOPE),
        ("../../etc/passwd", SCOPE),
        (other.id, SCOPE),
        (record.id, Scope("t_other", "dev")),
    ):
        for form in ("srt", "vtt", "json"):
            with pytest.raises(NotFound) as caught:
                await handler(form)(call(registry, id, scope))
            messages.add((caught.value.message, caught.value.field))
    assert len(messages) == 1
