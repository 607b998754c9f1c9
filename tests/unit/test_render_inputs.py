"""Hard inputs: a flash and a beep stay together; what cannot be read is a clean error."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from deployments.errors import UndecodableMedia
from deployments.operation import JSON
from kernels import tonemap
from tests.unit.test_video_render import Shop, clip, decoded, file, luma, shop, timeline

__all__ = ["shop"]
FLASH_S = 1.2
BEEP_HZ = 1000
LARGEST_OFFSET_S = 0.020


def flash_and_beep(
    path: Path,
    *,
    rate: int = 48000,
    size: tuple[int, int] = (64, 48),
    pixels: str = "yuv420p",
    codec: str = "libx264",
    turn: int = 0,
    late_s: float = 0.0,
    times_ms: Callable[[int], int] = lambda n: n * 40,
    switch: int | None = None,
    color: tuple[int, int, int] | None = None,
) -> Path:
    """2 s: white from the first frame at or after FLASH_S for three frames, a tone as long from that frame's time on.

    late_s: the sound begins that late; switch: another rate from the middle on (two files' streams in one Matroska
    cannot, so ADTS frames change it); color: matrix, primaries, transfer.
    """
    times = [t for n in range(120) if (t := times_ms(n)) < 2000]
    first = next(n for n, t in enumerate(times) if t >= FLASH_S * 1000)
    begin, end = times[first] / 1000, times[min(first + 3, len(times) - 1)] / 1000
    seconds = np.arange(round(2 * rate)) / rate
    tone = 0.5 * np.sin(2 * np.pi * BEEP_HZ * seconds) * ((seconds >= begin) & (seconds < end))
    wide = "10" in pixels
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.codec_context.time_base = Fraction(1, 1000)
        if color:
            context = stream.codec_context
            context.colorspace, context.color_primaries, context.color_trc = color
        if turn:
            stream.set_display_rotation(turn)
        audio: Any = out.add_stream("aac" if path.suffix == ".mp4" else "libopus", rate=rate, layout="mono")
        for number, ms in enumerate(times):
            bright = first <= number < first + 3
            frame = av.VideoFrame(*size, pixels)
            for index, plane in enumerate(frame.planes):
                kind: Any = np.uint16 if wide else np.uint8
                value = 128 if index else 235 if bright else 50
                np.frombuffer(memoryview(plane), kind)[:] = value * 4 if wide else value
            frame.pts, frame.time_base = ms, Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        for at in range(round(late_s * rate), len(tone), 960):
            part = np.ascontiguousarray(tone[None, at : at + 960].astype(np.float32))
            piece = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
            piece.sample_rate, piece.pts, piece.time_base = rate, at, Fraction(1, rate)
            out.mux(audio.encode(piece))
        out.mux(audio.encode(None))
    return path


def flash_of(path: Path) -> float:
    """Seconds at which the first bright frame is shown."""
    for frame in decoded(path):
        if frame.to_ndarray(format="gray")[frame.height // 2, frame.width // 2] > 120:
            return float(frame.pts * frame.time_base)
    raise AssertionError("no frame is bright")


def beep_of(path: Path) -> float:
    """Seconds at which the tone begins: where its level passes a quarter of the largest."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        frames = list(container.decode(stream))
    begin = float(frames[0].pts * frames[0].time_base)
    sound = np.concatenate([frame.to_ndarray().astype(float).mean(axis=0) for frame in frames])
    rate = frames[0].sample_rate
    level = np.convolve(np.abs(sound), np.ones(rate // 500), "same")
    return begin + float(np.argmax(level > level.max() / 4)) / rate


CASES: dict[str, JSON] = {
    "plain": {},
    "rotated": {"turn": 90},
    "variable rate": {"times_ms": lambda n: n * 20 + (n % 3) * 9},
    "odd size": {"size": (65, 49), "codec": "libvpx-vp9", "suffix": ".webm"},
    "ten bits": {"pixels": "yuv420p10le"},
    "hdr pq": {"pixels": "yuv420p10le", "codec": "libx265", "color": (9, 9, 16)},
    "hdr hlg": {"pixels": "yuv420p10le", "codec": "libx265", "color": (9, 9, 18)},
    "late sound": {"late_s": 0.5},
    "44100": {"rate": 44100},
    "22050": {"rate": 22050},
    "opus": {"suffix": ".webm", "codec": "libvpx-vp9"},
}
WAYS: dict[str, JSON] = {
    "whole": {},
    "cut": {"in_ms": 700, "out_ms": 1900},
    "half speed": {"speed": 0.5},
    "double speed": {"speed": 2.0},
    "placed": {"start_ms_on_timeline": 310},
}


@pytest.mark.parametrize("case", list(CASES))
@pytest.mark.parametrize("way", ["whole", "cut"])
def test_flash_and_beep_stay_together(case: str, way: str, shop: Shop, tmp_path: Path) -> None:
    made = dict(CASES[case])
    suffix = made.pop("suffix", ".mp4")
    source = flash_and_beep(tmp_path / f"flash{suffix}", **made)
    asset = shop.asset(source, "video/webm" if suffix == ".webm" else "video/mp4")
    output = file(shop.render(timeline(asset.id, **WAYS[way]) | {"render_profile": "draft_480p_fast"}))
    assert abs(flash_of(output) - beep_of(output)) <= LARGEST_OFFSET_S
    before = flash_of(source) - WAYS[way].get("in_ms", 0) / 1000
    assert flash_of(output) == pytest.approx(before, abs=0.041)


@pytest.mark.parametrize("way", ["half speed", "double speed", "placed"])
def test_speed_and_place_keep_them_together(way: str, shop: Shop, tmp_path: Path) -> None:
    asset = shop.asset(flash_and_beep(tmp_path / "flash.mp4"))
    output = file(shop.render(timeline(asset.id, **WAYS[way])))
    assert abs(flash_of(output) - beep_of(output)) <= LARGEST_OFFSET_S


def test_silent_clips_between_others_shift_nothing(shop: Shop, tmp_path: Path) -> None:
    silent = shop.asset(clip(tmp_path / "silent.mp4", [n * 40 for n in range(20)], grey=True))
    beeping = shop.asset(flash_and_beep(tmp_path / "flash.mp4", rate=44100))
    clips = [{"asset_id": silent.id}, {"asset_id": beeping.id}, {"asset_id": silent.id}]
    output = file(shop.render({"sequence": {"tracks": [{"kind": "video", "clips": clips}]}}))
    assert abs(flash_of(output) - beep_of(output)) <= LARGEST_OFFSET_S
    assert flash_of(output) == pytest.approx(2.0, abs=0.001)


def test_no_sound_makes_no_stream(shop: Shop, tmp_path: Path) -> None:
    silent = shop.asset(clip(tmp_path / "silent.mp4", [0, 40, 80], grey=True))
    output = shop.render(timeline(silent.id, out_ms=80) | {"normalize_audio": True})
    assert output.meta["audio"] == "none"
    with av.open(str(file(output))) as made:
        assert not made.streams.audio


@pytest.mark.parametrize(("transfer", "code"), [("pq", 16), ("hlg", 18)])
def test_hdr_becomes_sdr(transfer: str, code: int, shop: Shop, tmp_path: Path) -> None:
    """The flat grey of each frame, against the reference; the file says that it is BT.709."""
    source = flash_and_beep(tmp_path / "hdr.mp4", pixels="yuv420p10le", codec="libx265", color=(9, 9, code))
    asset = shop.asset(source)
    assert asset.meta["codec_info"]["video"]["color_transfer"] == code
    output = file(shop.render(timeline(asset.id)))
    wide = (np.full((2, 2), 200, np.uint16), np.full((1, 1), 512, np.uint16), np.full((1, 1), 512, np.uint16))
    dark = float(tonemap.reference(wide, transfer)[0, 0, 0])  # type: ignore[arg-type]
    first = next(decoded(output))
    assert first.to_ndarray()[:48].mean() == pytest.approx(dark, abs=2)
    assert (int(first.colorspace), int(first.color_trc), first.format.name) == (1, 1, "yuv420p")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_truncated_matroska_gives_what_it_holds_or_a_clean_error(share: float, shop: Shop, tmp_path: Path) -> None:
    source = flash_and_beep(tmp_path / "whole.webm", codec="libvpx-vp9")
    data = source.read_bytes()
    (tmp_path / "cut.webm").write_bytes(data[: int(len(data) * share)])
    try:
        asset = shop.asset(tmp_path / "cut.webm", "video/webm")
        output = file(shop.render(timeline(asset.id)))
    except UndecodableMedia:
        return
    assert len(luma(output, 48)) > 0
    if share > 0.8:
        assert abs(flash_of(output) - beep_of(output)) <= LARGEST_OFFSET_S
