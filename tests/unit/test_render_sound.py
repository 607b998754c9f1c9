"""The sound of renders: mixed, ducked, faded, stretched, brought to a loudness; and where it stands in time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from artifacts import Asset
from deployments.operation import JSON
from kernels.sound import CEILING, Loudness
from tests.unit.renders import Shop, file, samples, timeline
from tests.unit.test_render_timeline import animated, joined, tracks

RATE = 48000
LAYOUTS = {1: "mono", 2: "stereo"}


def movie(
    path: Path, sound: np.ndarray | None, seconds: float = 2.0, rate: int = RATE, flash: tuple[float, ...] = ()
) -> Path:
    """25 grey frames a second, white for the frames that begin in the 40 ms from each `flash`, and AAC of `sound`.

    sound: [n] or [2, n]."""
    with av.open(str(path), "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=25, options={"qp": "10"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        audio: Any = None if sound is None else out.add_stream("aac", rate=rate, layout=LAYOUTS[sound.ndim])
        if audio is not None:
            audio.bit_rate = 160000
        for number in range(round(seconds * 25)):
            bright = any(abs(number / 25 - at) < 0.019 for at in flash)
            luma = np.full((72, 64), 128, np.uint8)
            luma[:48] = 235 if bright else 60
            frame = av.VideoFrame.from_ndarray(luma, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if audio is not None and sound is not None:
            channels = np.atleast_2d(sound)
            for at in range(0, channels.shape[1], 1024):
                part = np.ascontiguousarray(channels[:, at : at + 1024].astype(np.float32))
                piece = av.AudioFrame.from_ndarray(part, format="fltp", layout=LAYOUTS[sound.ndim])
                piece.sample_rate, piece.pts, piece.time_base = rate, at, Fraction(1, rate)
                out.mux(audio.encode(piece))
            out.mux(audio.encode(None))
    return path


def sine(hertz: float, seconds: float = 2.0, level: float = 0.25, rate: int = RATE) -> np.ndarray:
    return level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def level_of(heard: np.ndarray, hertz: float, rate: int = RATE) -> float:
    """The amplitude of one frequency."""
    turn = np.exp(-2j * np.pi * hertz * np.arange(len(heard)) / rate)
    return float(2 * np.abs((heard * turn).mean()))


@pytest.fixture(scope="module")
def low(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Asset:
    return shop.asset(movie(tmp_path_factory.mktemp("low") / "low.mp4", sine(300)))


@pytest.fixture(scope="module")
def high(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Asset:
    return shop.asset(movie(tmp_path_factory.mktemp("high") / "high.mp4", sine(2000)))


def heard(shop: Shop, request: JSON) -> np.ndarray:
    return np.asarray(samples(file(shop.render(request))).mean(axis=0))


def part(sound: np.ndarray, begin: float, end: float) -> np.ndarray:
    return sound[round(begin * RATE) : round(end * RATE)]


def test_audio_tracks_are_mixed_under_the_video(shop: Shop, low: Asset, high: Asset) -> None:
    music = {"asset_id": high.id, "in_ms": 500, "start_ms_on_timeline": 1000, "out_ms": 1200, "volume_db": -6.0206}
    sound = heard(shop, tracks(("video", [{"asset_id": low.id}]), ("audio", [music])))
    for begin, end, loud in ((0.1, 0.9, 0.0), (1.1, 1.6, 0.125), (1.75, 1.95, 0.0)):
        assert level_of(part(sound, begin, end), 2000) == pytest.approx(loud, abs=0.01)
        assert level_of(part(sound, begin, end), 300) == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_a_poor_first_clip_takes_nothing_from_the_others(kind: str, shop: Shop, tmp_path: Path) -> None:
    """8 kHz and one channel, then, or under it, 48 kHz with 9 kHz on the left alone."""
    poor = shop.asset(movie(tmp_path / "poor.mp4", sine(300, rate=8000), rate=8000))
    rich = shop.asset(movie(tmp_path / "rich.mp4", np.stack([sine(9000), 0 * sine(9000)])))
    if kind == "video":
        request, begin = tracks(("video", [{"asset_id": poor.id}, {"asset_id": rich.id}])), 2.0
    else:
        request, begin = tracks(("video", [{"asset_id": poor.id}]), ("audio", [{"asset_id": rich.id}])), 0.0
    output = shop.render(request)
    with av.open(str(file(output))) as made:
        assert (made.streams.audio[0].rate, made.streams.audio[0].layout.name) == (RATE, "stereo")
    left, right = samples(file(output))
    assert level_of(part(left, begin + 0.3, begin + 1.7), 9000) == pytest.approx(0.25, abs=0.02)
    assert level_of(part(right, begin + 0.3, begin + 1.7), 9000) == pytest.approx(0, abs=0.01)
    for side in (left, right):
        assert level_of(part(side, 0.3, 1.7), 300) == pytest.approx(0.25, abs=0.02)


def test_a_transition_passes_the_sound_over_with_equal_power(shop: Shop, low: Asset, high: Asset) -> None:
    first, second = {"asset_id": low.id, "out_ms": 1000}, {"asset_id": high.id, "in_ms": 1000}
    sound = heard(shop, joined(first, second, "crossfade", 800))
    for at in (0.7, 0.9, 1.0, 1.1, 1.3):
        share = (at - 0.6) / 0.8
        piece = part(sound, at - 0.02, at + 0.02)
        assert level_of(piece, 300) == pytest.approx(0.25 * np.cos(share * np.pi / 2), abs=0.02)
        assert level_of(piece, 2000) == pytest.approx(0.25 * np.sin(share * np.pi / 2), abs=0.02)


def test_fades_and_volume_keyframes(shop: Shop, low: Asset) -> None:
    faded = heard(shop, timeline(low.id, audio_fade_in_ms=500, audio_fade_out_ms=1000))
    for at, share in ((0.25, 0.5), (0.75, 1.0), (1.25, 0.75), (1.75, 0.25)):
        assert level_of(part(faded, at - 0.02, at + 0.02), 300) == pytest.approx(0.25 * share, abs=0.01)
    keys = [{"ms": 500, "value": 0}, {"ms": 1500, "value": -20}]
    said = animated(
        shop, timeline(low.id), ("clip", "volume_db", keys), ("sequence", "volume_db", [{"ms": 0, "value": -6}])
    )
    sound = heard(shop, said)
    for at, db in ((0.3, -6), (1.0, -16), (1.8, -26)):
        wanted = 0.25 * 10 ** (db / 20)
        assert level_of(part(sound, at - 0.02, at + 0.02), 300) == pytest.approx(wanted, rel=0.05)


def test_music_is_ducked_while_the_video_speaks(shop: Shop, high: Asset, tmp_path: Path) -> None:
    speech = sine(300)
    speech[: RATE // 2] = 0
    speech[RATE:] = 0
    talk = shop.asset(movie(tmp_path / "talk.mp4", speech))
    request = tracks(("video", [{"asset_id": talk.id}]), ("audio", [{"asset_id": high.id}]))
    ducked = heard(shop, request | {"ducking": {"amount_db": 18, "release_ms": 100}})
    for begin, end, db in ((0.1, 0.4, 0), (0.75, 0.98, -18), (1.7, 1.9, 0)):
        wanted = 0.25 * 10 ** (db / 20)
        assert level_of(part(ducked, begin, end), 2000) == pytest.approx(wanted, rel=0.12)
    plain, sent = shop.plan(request), shop.plan(request | {"ducking": True})
    assert plain.cache_key != sent.cache_key


@pytest.mark.parametrize("target", [-23.0, -14.0])
def test_loudness_is_brought_to_its_target(target: float, shop: Shop, high: Asset) -> None:
    output = shop.render(timeline(high.id) | {"target_loudness_lufs": target})
    meter = Loudness(RATE, 1)
    sound = samples(file(output))
    meter.feed(sound.astype(np.float32))
    assert meter.integrated() == pytest.approx(target, abs=0.3)
    assert np.abs(sound).max() <= CEILING * 1.06  # AAC may swing over what it was given
    assert output.meta["target_loudness_lufs"] == target
    normal = shop.plan(timeline(high.id) | {"normalize_audio": True})
    assert normal.parameters["mix"]["loudness"] == -23


@pytest.mark.parametrize("speed", [0.5, 1.6, 4.0])
def test_speed_keeps_the_pitch(speed: float, shop: Shop, low: Asset) -> None:
    sound = heard(shop, timeline(low.id, speed=speed))
    inner = sound[len(sound) // 5 : -len(sound) // 5]
    spectrum = np.abs(np.fft.rfft(inner * np.hanning(len(inner))))
    assert np.argmax(spectrum) * RATE / len(inner) == pytest.approx(300, abs=6)
    assert len(sound) / RATE == pytest.approx(2 / speed, abs=0.06)


def test_cut_sound_is_the_sources(shop: Shop, speakers: Asset, shared_data: Path) -> None:
    """The second from 2.5 s, up to the codec's own error, without any shift."""
    output = shop.render(timeline(speakers.id, in_ms=2500, out_ms=3500))
    assert output.meta["audio"] == "encoded"
    with av.open(str(file(output))) as made:
        rate = made.streams.audio[0].rate
        assert made.duration == pytest.approx(1_000_000, abs=45_000)
    source = samples(shared_data / "media" / "face_clip.mp4").mean(axis=0)[int(2.5 * rate) : int(3.5 * rate)]
    cut = samples(file(output)).mean(axis=0)[: len(source)]
    assert len(cut) == len(source)
    shifts = range(-64, 65)
    scores = [float(np.corrcoef(source[64:-64], np.roll(cut, shift)[64:-64])[0, 1]) for shift in shifts]
    assert max(scores) > 0.98
    assert shifts[int(np.argmax(scores))] == 0


def test_sound_that_mp4_does_not_take_is_encoded(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "c.webm"
    with av.open(str(path), "w", format="webm") as out:
        video = out.add_stream("libvpx-vp9", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = out.add_stream("libopus", rate=48000, layout="stereo")
        resampler = av.AudioResampler("s16", "stereo", 48000)
        tone = np.sin(np.arange(48000) * 0.05)[None].repeat(2, 0).astype(np.float32)
        for start in range(0, 48000, 960):
            part = av.AudioFrame.from_ndarray(np.ascontiguousarray(tone[:, start : start + 960]), "fltp", "stereo")
            part.sample_rate, part.pts, part.time_base = 48000, start, Fraction(1, 48000)
            out.mux(sound.encode(resampler.resample(part)[0]))
        for _ in range(25):
            out.mux(video.encode(av.VideoFrame(64, 48, "yuv420p")))
        out.mux(video.encode(None))
        out.mux(sound.encode(None))
    output = shop.render(timeline(shop.asset(path, "video/webm").id))
    assert output.meta["audio"] == "encoded"
    with av.open(str(file(output))) as made:
        assert made.streams.audio[0].codec_context.name == "aac"
    before, after = samples(path)[0, 4800:38400], samples(file(output))[0]
    scores = [float(np.corrcoef(before, after[4800 + n : 38400 + n])[0, 1]) for n in range(-60, 61)]
    assert max(scores) > 0.99
    assert abs(int(np.argmax(scores)) - 60) <= 48  # a millisecond: webm's clock; the tone's period is 126


def test_the_sound_of_several_clips_is_joined(shop: Shop, speakers: Asset, shared_data: Path) -> None:
    """Against the source's own samples: 1.0 to 1.8 s, 0.2 s of silence, 5.0 to 5.6 s at half the amplitude."""
    clips = [
        {"asset_id": speakers.id, "in_ms": 1000, "out_ms": 1800},
        {"asset_id": speakers.id, "in_ms": 5000, "out_ms": 5600, "start_ms_on_timeline": 1000, "volume_db": -6.0206},
    ]
    request = {"sequence": {"tracks": [{"kind": "video", "clips": clips}]}, "render_profile": "draft_480p_fast"}
    output = shop.render(request)
    assert output.meta["audio"] == "encoded"
    with av.open(str(file(output))) as made:
        rate = made.streams.audio[0].rate
    source, joined = samples(shared_data / "media" / "face_clip.mp4").mean(axis=0), samples(file(output)).mean(axis=0)
    assert len(joined) == pytest.approx(1.6 * rate, abs=2100)
    for start, first, last, gain in ((0.0, 1.0, 1.8, 1.0), (1.0, 5.0, 5.6, 0.5)):
        a = source[int((first + 0.05) * rate) : int((last - 0.05) * rate)]
        b = joined[int((start + 0.05) * rate) :][: len(a)]
        assert np.corrcoef(a, b)[0, 1] > 0.97
        assert np.abs(b).mean() == pytest.approx(gain * np.abs(a).mean(), rel=0.08)
    assert np.abs(joined[int(0.85 * rate) : int(0.95 * rate)]).max() < 0.01
