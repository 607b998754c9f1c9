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
from tests.unit.test_render_timeline import animated, joined, tracks
from tests.unit.test_video_render import Shop, file, samples, shop, timeline

__all__ = ["shop"]
RATE = 48000


def movie(
    path: Path, sound: np.ndarray | None, seconds: float = 2.0, rate: int = RATE, flash: tuple[float, ...] = ()
) -> Path:
    """25 grey frames a second, white for the frames that begin in the 40 ms from each `flash`, and AAC of `sound`."""
    with av.open(str(path), "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=25, options={"qp": "10"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        audio: Any = None if sound is None else out.add_stream("aac", rate=rate, layout="mono")
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
            for at in range(0, len(sound), 1024):
                part = np.ascontiguousarray(sound[None, at : at + 1024].astype(np.float32))
                piece = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
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
