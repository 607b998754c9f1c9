"""First bytes, against files that other libraries wrote."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from deployments.media.sniff import HEAD, TABLE, sniff

PICTURES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif", "TIFF": "image/tiff",
            "BMP": "image/bmp", "AVIF": "image/avif"}  # fmt: skip
SOUNDS = {
    "wav": ("pcm_s16le", "audio/wav"),
    "flac": ("flac", "audio/flac"),
    "mp3": ("libmp3lame", "audio/mpeg"),
    "ogg": ("libopus", "audio/ogg"),
    "adts": ("aac", "audio/aac"),
    "ipod": ("aac", "audio/mp4"),
}
MOVIES = {"mp4": "video/mp4", "mov": "video/quicktime", "webm": "video/webm", "matroska": "video/x-matroska"}


def sound(path: Path, container: str, codec: str) -> bytes:
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(codec, rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 48000), np.int16), format="s16", layout="mono")
        frame.sample_rate = 48000
        for part in av.AudioResampler(stream.format.name, "mono", 48000, frame_size=960).resample(frame):
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    return path.read_bytes()


def movie(path: Path, container: str) -> bytes:
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream("libvpx-vp9" if container == "webm" else "libx264", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(3):
            out.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        out.mux(stream.encode(None))
    return path.read_bytes()


@pytest.mark.parametrize(("form", "media_type"), PICTURES.items())
def test_pictures(form: str, media_type: str) -> None:
    data = io.BytesIO()
    Image.new("RGB", (20, 20), "red").save(data, form)
    found = sniff(data.getvalue())
    assert found is not None
    assert (found.kind, found.media_type) == ("image", media_type)


@pytest.mark.parametrize("container", SOUNDS)
def test_sounds(container: str, tmp_path: Path) -> None:
    codec, media_type = SOUNDS[container]
    found = sniff(sound(tmp_path / "sound", container, codec)[:HEAD])
    assert found is not None
    assert (found.kind, found.media_type) == ("audio", media_type)


@pytest.mark.parametrize(("container", "media_type"), MOVIES.items())
def test_movies(container: str, media_type: str, tmp_path: Path) -> None:
    found = sniff(movie(tmp_path / "movie", container)[:HEAD])
    assert found is not None
    assert (found.kind, found.media_type) == ("video", media_type)


@pytest.mark.parametrize(
    "text",
    [
        '<svg xmlns="http://www.w3.org/2000/svg"/>',
        '\ufeff<?xml version="1.0"?>\n<!-- made by hand -->\n<svg width="3">',
        '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x"><svg>',
        '<!DOCTYPE svg [<!ENTITY a "b">]><svg>',
    ],
)
def test_svg(text: str) -> None:
    found = sniff(text.encode())
    assert found is not None
    assert found.media_type == "image/svg+xml"


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"GIF8", b"PK\x03\x04", b"MZ\x90\x00", b"<html><svg></svg></html>", b"#EXTM3U\nfile:///etc/passwd",
     b"%PDF-1.7", b"\x7fELF", b"ffconcat version 1.0\n", b"\0" * 64, b"RIFF\x10\0\0\0AVI LIST",
     b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"],
)  # fmt: skip
def test_what_is_not_served_is_not_known(data: bytes) -> None:
    assert sniff(data) is None


def test_an_itunes_film_is_no_sound() -> None:
    """Its compatible brands name M4A too; the major brand decides."""
    head = b"\0\0\0\x20ftypM4V \0\0\0\x01M4V M4A mp42isom"
    found = sniff(head)
    assert found is not None
    assert found.kind == "video"


def test_shared_clips(shared_data: Path) -> None:
    for path in (shared_data / "media").glob("*.mp4"):
        found = sniff(path.read_bytes()[:HEAD])
        assert found is not None
        assert found.media_type == "video/mp4"


def test_each_media_type_has_one_extension() -> None:
    pairs = {(media.media_type, media.ext) for media, _ in TABLE}
    assert len(pairs) == len({media_type for media_type, _ in pairs})
