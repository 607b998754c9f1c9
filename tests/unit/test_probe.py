"""What the probe says of files that other libraries wrote, and what it refuses."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from configs.settings import Settings
from deployments.errors import UndecodableMedia, UnsupportedMedia
from deployments.media.probe import probe
from deployments.media.sniff import HEAD, sniff


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(mattebox_home=tmp_path)


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def movie(
    path: Path, form: str = "mp4", codec: str = "libx264", *, frames: int = 20, size: tuple[int, int] = (64, 48),
    live: bool = False,
) -> Path:  # fmt: skip
    with av.open(str(path), "w", format=form, options={"live": "1"} if live else {}) as out:
        stream = out.add_stream(codec, rate=20)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for number in range(frames):
            pixels = np.full((size[1] * 3 // 2, size[0]), number * 5, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="yuv420p")))
        out.mux(stream.encode(None))
    return path


def picture(form: str, mode: str = "RGB", size: tuple[int, int] = (120, 90), **options: Any) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 4), dtype=np.uint8)
    data = io.BytesIO()
    Image.fromarray(noise, "RGBA").convert(mode).save(data, form, **options)
    return data.getvalue()


def test_shared_clips(shared_data: Path, settings: Settings) -> None:
    truth = json.loads((shared_data / "media" / "clips.json").read_text())
    clips = truth if isinstance(truth, list) else truth.get("clips", truth)
    meta = probe(shared_data / "media" / "face_clip.mp4", "video/mp4", settings)
    assert clips
    assert (meta["width"], meta["height"], meta["fps"], meta["frames"]) == (640, 360, 25, 591)
    assert meta["duration_ms"] == 23640
    assert (meta["sample_rate"], meta["codec_info"]["audio"]["codec"]) == (48000, "aac")
    assert meta["codec_info"]["video"]["codec"] == "h264"
    assert "rotation" not in meta


def test_shared_sounds(shared_data: Path, settings: Settings) -> None:
    for path in (shared_data / "media" / "audio").glob("*.wav"):
        meta = probe(path, "audio/wav", settings)
        assert (meta["sample_rate"], meta["audio_channels"]) == (16000, 1)
        seconds = (path.stat().st_size - 44) / 32000
        assert meta["duration_ms"] == pytest.approx(seconds * 1000, abs=10)


@pytest.mark.parametrize(
    ("form", "codec", "media_type"),
    [
        ("mp4", "libx264", "video/mp4"),
        ("mov", "libx264", "video/quicktime"),
        ("webm", "libvpx-vp9", "video/webm"),
        ("matroska", "libx264", "video/x-matroska"),
    ],
)
def test_movies(form: str, codec: str, media_type: str, tmp_path: Path, settings: Settings) -> None:
    meta = probe(movie(tmp_path / "m", form, codec), media_type, settings)
    assert (meta["width"], meta["height"], meta["fps"]) == (64, 48, 20)
    assert meta["duration_ms"] == pytest.approx(1000, abs=2)


def test_a_duration_that_the_header_omits_is_measured(tmp_path: Path, settings: Settings) -> None:
    path = movie(tmp_path / "m", "webm", "libvpx-vp9", live=True)
    with av.open(str(path)) as container:
        assert not container.duration or container.duration < 0
    assert probe(path, "video/webm", settings)["duration_ms"] == pytest.approx(1000, abs=60)


def test_rotation_is_told(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "m.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=20)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.set_display_rotation(90)
        out.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        out.mux(stream.encode(None))
    with av.open(str(path)) as container:
        expected = next(container.decode(video=0)).rotation % 360
    meta = probe(path, "video/mp4", settings)
    assert (meta["width"], meta["height"], meta["rotation"]) == (64, 48, expected)


@pytest.mark.parametrize(("form", "mode", "alpha"), [
    ("JPEG", "RGB", False), ("PNG", "RGBA", True), ("PNG", "RGB", False), ("WEBP", "RGBA", True), ("GIF", "P", False),
    ("TIFF", "RGB", False), ("BMP", "RGB", False), ("AVIF", "RGBA", True), ("JPEG", "CMYK", False),
])  # fmt: skip
def test_pictures(form: str, mode: str, alpha: bool, tmp_path: Path, settings: Settings) -> None:
    data = picture(form, mode)
    found = sniff(data[:HEAD])
    assert found
    meta = probe(write(tmp_path / "p", data), found.media_type, settings)
    assert (meta["width"], meta["height"], meta["has_alpha"]) == (120, 90, alpha)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_cut_off_pictures_are_refused(form: str, share: float, tmp_path: Path, settings: Settings) -> None:
    data = picture(form)
    found = sniff(data[:HEAD])
    assert found
    with pytest.raises(UndecodableMedia):
        probe(write(tmp_path / "p", data[: max(16, int(len(data) * share))]), found.media_type, settings)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_cut_off_clips_are_refused(share: float, shared_data: Path, tmp_path: Path, settings: Settings) -> None:
    data = (shared_data / "media" / "face_clip.mp4").read_bytes()
    with pytest.raises(UndecodableMedia):
        probe(write(tmp_path / "m", data[: int(len(data) * share)]), "video/mp4", settings)


def test_cut_off_sound_is_refused(shared_data: Path, tmp_path: Path, settings: Settings) -> None:
    data = next((shared_data / "media" / "audio").glob("*.wav")).read_bytes()
    with pytest.raises(UndecodableMedia, match="cut off"):
        probe(write(tmp_path / "a", data[: len(data) // 2]), "audio/wav", settings)


@pytest.mark.parametrize("media_type", ["video/mp4", "video/webm", "audio/mpeg", "audio/wav", "audio/flac", "audio/ogg",
                                        "audio/aac", "image/png", "image/jpeg", "image/svg+xml"])  # fmt: skip
@pytest.mark.parametrize("seed", range(3))
def test_garbage_is_refused(media_type: str, seed: int, tmp_path: Path, settings: Settings) -> None:
    data = np.random.default_rng(seed).integers(0, 256, 20000, dtype=np.uint8).tobytes()
    with pytest.raises(UndecodableMedia):
        probe(write(tmp_path / "g", data), media_type, settings)


def test_damage_in_the_header_never_escapes(shared_data: Path, tmp_path: Path, settings: Settings) -> None:
    """Flipped bytes: a meta or UndecodableMedia, nothing else."""
    data = bytearray((shared_data / "media" / "crowd_pan.mp4").read_bytes())
    random = np.random.default_rng(7)
    for _ in range(30):
        damaged = bytearray(data)
        for at in random.integers(0, 8000, 20):
            damaged[at] = random.integers(0, 256)
        with contextlib.suppress(UndecodableMedia):
            assert probe(write(tmp_path / "d", bytes(damaged)), "video/mp4", settings)["width"] > 0


@pytest.mark.parametrize(
    ("name", "has"), [("max_image_pixels", 640 * 360), ("max_duration_ms", 200), ("max_streams", 1)]
)
def test_caps_hold_on_both_sides(name: str, has: int, tmp_path: Path) -> None:
    """640 x 360, five frames at 25 a second, one stream: as much as the cap passes, one more does not."""
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for _ in range(5):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((360, 640, 3), np.uint8))))
        out.mux(stream.encode(None))
    if name == "max_streams":
        two = tmp_path / "two.mp4"
        with av.open(str(path)) as source, av.open(str(two), "w") as out:
            copies = [out.add_stream_from_template(source.streams.video[0]) for _ in range(2)]
            for packet in source.demux(video=0):
                if packet.dts is None:
                    continue
                data, pts, dts = bytes(packet), packet.pts, packet.dts
                for copy in copies:
                    twin = av.Packet(data)
                    twin.pts, twin.dts, twin.stream = pts, dts, copy
                    twin.time_base, twin.is_keyframe = packet.time_base, packet.is_keyframe
                    out.mux(twin)
        path, has = two, 2
    at = Settings(mattebox_home=tmp_path, **{name: has})
    assert probe(path, "video/mp4", at)["duration_ms"] == 200
    under = Settings(mattebox_home=tmp_path, **{name: has - 1})
    with pytest.raises(UndecodableMedia, match=name.upper()):
        probe(path, "video/mp4", under)


def test_a_picture_over_the_cap_is_not_decoded(tmp_path: Path) -> None:
    settings = Settings(mattebox_home=tmp_path, max_image_pixels=10_000)
    with pytest.raises(UndecodableMedia, match="MAX_IMAGE_PIXELS"):
        probe(write(tmp_path / "p", picture("PNG", size=(200, 200))[:60]), "image/png", settings)


def test_a_playlist_opens_no_other_file(shared_data: Path, tmp_path: Path, settings: Settings) -> None:
    lists = (f"#EXTM3U\n#EXTINF:1,\n{shared_data}/media/face_clip.mp4\n", f"ffconcat version 1.0\nfile {shared_data}\n")
    for text in lists:
        with pytest.raises(UndecodableMedia):
            probe(write(tmp_path / "l", text.encode()), "video/mp4", settings)


@pytest.mark.parametrize(("root", "size"), [
    ('<svg width="10" height="20"/>', (10, 20)), ('<svg width="1in" height="2.54cm"/>', (96, 96)),
    ('<svg viewBox="0 0 30 40"/>', (30, 40)), ('<svg/>', (300, 150)), ('<svg width="100%" viewBox="0,0,5,6"/>', (5, 6)),
])  # fmt: skip
def test_svg_sizes(root: str, size: tuple[int, int], tmp_path: Path, settings: Settings) -> None:
    meta = probe(write(tmp_path / "s", root.encode()), "image/svg+xml", settings)
    assert (meta["width"], meta["height"]) == size


@pytest.mark.parametrize("text", [
    '<!DOCTYPE svg [<!ENTITY a "aaaa">]><svg>&a;</svg>', '<svg width="1e9" height="1e9"/>', "<svg>", "<html/>", "",
    '<svg viewBox="0 0 -5 nan"/>',
])  # fmt: skip
def test_hostile_svg_is_refused(text: str, tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(UndecodableMedia):
        probe(write(tmp_path / "s", text.encode()), "image/svg+xml", settings)


def test_a_type_without_a_reader(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(UnsupportedMedia, match="video/mp4"):
        probe(write(tmp_path / "x", b"x"), "application/pdf", settings)
