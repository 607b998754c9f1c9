"""What an upload really is: size, duration, streams. Heavy (PyAV, Pillow); run by a replica, on one local file.

A file is opened by the reader of its own media type and by no other: FFmpeg would else also open playlists, which read
further files. Caps are looked at before anything is decoded; then one frame is, and the end of the file is looked for.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn
from xml.parsers import expat

import av
from av.container import InputContainer
from PIL import Image

from configs.settings import Settings
from deployments.drawing.svg_guard import Refused
from deployments.drawing.svg_guard import check as check_svg
from deployments.errors import UndecodableMedia, UnsupportedMedia

JSON = dict[str, Any]

DEMUXERS = {
    "video/mp4": "mov",
    "video/quicktime": "mov",
    "audio/mp4": "mov",
    "video/webm": "matroska",
    "video/x-matroska": "matroska",
    "audio/wav": "wav",
    "audio/flac": "flac",
    "audio/ogg": "ogg",
    "audio/mpeg": "mp3",
    "audio/aac": "aac",
}
"""Media type -> FFmpeg's reader."""

PICTURES = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/webp": "WEBP",
    "image/gif": "GIF",
    "image/tiff": "TIFF",
    "image/bmp": "BMP",
    "image/avif": "AVIF",
}
"""Media type -> Pillow's reader."""

OPEN_SECONDS = 20.0
"""Longest wait for a file's header, and for one packet."""
LOOK_BYTES = 8 << 20
"""How far into a file FFmpeg may look to learn what its streams are."""
FIRST_PACKETS = 2000
"""A stream whose first frame does not come within so many packets has none."""
MOST_FRAMES = 2000
"""Of an animated picture: more are not counted."""
LARGEST_SVG = 8 << 20
"""Bytes."""
ORIENTATION = 0x0112


def probe(path: Path, media_type: str, settings: Settings) -> JSON:
    """The asset's meta: width, height, duration_ms, fps, audio_channels, sample_rate, codec_info, has_alpha, … as far
    as they apply. `width` and `height` are those of the stored pixels; `rotation` (degrees counter-clockwise, for
    display) is there where it is not 0.

    Raises UnsupportedMedia for a media type without a reader, and UndecodableMedia for bytes that are damaged, cut off,
    or would decode beyond a cap.
    """
    if media_type == "image/svg+xml":
        return _svg(path, settings)
    if media_type in PICTURES:
        return _picture(path, media_type, settings)
    if media_type in DEMUXERS:
        return _stream(path, media_type, settings)
    known = ", ".join((*PICTURES, "image/svg+xml", *DEMUXERS))
    raise UnsupportedMedia(f"{media_type} is not read here; what is: {known}")


@contextmanager
def open_media(path: Path, media_type: str) -> Iterator[InputContainer]:
    """The file opened by its own media type's reader, which opens no other file. Raises UndecodableMedia."""
    try:
        container = av.open(
            str(path),
            format=DEMUXERS[media_type],
            metadata_errors="replace",
            timeout=OPEN_SECONDS,
            options={"probesize": str(LOOK_BYTES), "protocol_whitelist": "file"},
        )
    except (av.FFmpegError, ValueError, OSError) as error:
        raise UndecodableMedia(f"these bytes claim to be {media_type} and cannot be opened as such") from error
    with container:
        yield container


def _refuse(message: str) -> NoReturn:
    raise UndecodableMedia(message)


def _within(value: float, cap: float, what: str, setting: str) -> None:
    if value > cap:
        _refuse(f"{what} is {value:.0f}, over the cap of {cap:.0f} ({setting})")


# sound and video


def _stream(path: Path, media_type: str, settings: Settings) -> JSON:
    with open_media(path, media_type) as container:
        _within(len(container.streams), settings.max_streams, "the number of streams", "MAX_STREAMS")
        video, audio = _first(container.streams.video), _first(container.streams.audio)
        wanted = "video" if media_type.startswith("video/") else "sound"
        if (video if wanted == "video" else audio) is None:
            _refuse(f"the file has no {wanted} stream")
        for stream in filter(_readable, container.streams.video):
            width, height = stream.codec_context.width, stream.codec_context.height
            _within(width * height, settings.max_image_pixels, "the number of pixels of a frame", "MAX_IMAGE_PIXELS")
        duration = _duration_ms(container)
        if duration is not None:
            _within(duration, settings.max_duration_ms, "the duration in ms", "MAX_DURATION_MS")
        _whole(container, path)
        frame = _decoded(container, video if wanted == "video" else audio)
        if duration is None:
            duration = _measured_ms(container, settings.max_duration_ms)
    meta: JSON = {"duration_ms": duration, "codec_info": {"container": container.format.name}}
    if video is not None and wanted == "video":
        meta |= _video_meta(video, frame)
        meta["codec_info"]["video"] = _video_codec(video, frame)
    if audio is not None:
        meta |= {"audio_channels": audio.channels, "sample_rate": audio.sample_rate}
        meta["codec_info"]["audio"] = {"codec": audio.codec_context.name} | _profile(audio)
    return meta


def _first(streams: tuple[Any, ...]) -> Any:
    """The first stream that can be decoded and is no cover picture."""
    cover = av.stream.Disposition.attached_pic
    return next((stream for stream in streams if _readable(stream) and not stream.disposition & cover), None)


def _readable(stream: Any) -> bool:
    """Whether there is a decoder: a stream of an unknown codec has no context."""
    return stream.codec_context is not None


def _duration_ms(container: InputContainer) -> int | None:
    """By the header's word; None where it says nothing."""
    if container.duration is not None and container.duration > 0:
        return round(container.duration / 1000)
    lasts = [stream.duration * stream.time_base for stream in container.streams if stream.duration and stream.time_base]
    return round(max(lasts) * 1000) if lasts else None


def _whole(container: InputContainer, path: Path) -> None:
    """Refuses a file that ends before its own index or header says so."""
    size = path.stat().st_size
    for stream in container.streams:
        entries = stream.index_entries
        if len(entries):
            last = entries[len(entries) - 1]
            if last.pos + last.size > size:
                _refuse(f"the file is cut off: its index names bytes past its end at {size}")
    if container.format.name == "wav":
        _whole_wav(path, size)


def _whole_wav(path: Path, size: int) -> None:
    """A WAV has no index; its data chunk says how long it is (0 or all ones: a recorder that could not know)."""
    with path.open("rb") as file:
        at = 12
        while at + 8 <= size and at < LOOK_BYTES:
            file.seek(at)
            name, length = file.read(4), int.from_bytes(file.read(4), "little")
            if name == b"data":
                if length not in (0, 0xFFFFFFFF) and at + 8 + length > size:
                    _refuse(f"the file is cut off: it promises {length} bytes of sound and has {size - at - 8}")
                return
            at += 8 + length + length % 2


def _decoded(container: InputContainer, stream: Any) -> Any:
    """The stream's first frame. Raises UndecodableMedia when none comes."""
    stream.codec_context.thread_count = 1
    try:
        for count, packet in enumerate(container.demux(stream)):
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                frames = []
            if frames:
                return frames[0]
            if count > FIRST_PACKETS:
                break
    except (av.FFmpegError, EOFError, ValueError) as error:
        raise UndecodableMedia("the file's first frame cannot be decoded") from error
    _refuse("the file has no frame that can be decoded")


def _measured_ms(container: InputContainer, cap_ms: int) -> int:
    """The duration of a file whose header does not say, from its packets' times (none is decoded)."""
    start, end = math.inf, -math.inf
    try:
        container.seek(0)
        for packet in container.demux():
            if packet.pts is None or packet.time_base is None:
                continue
            start = min(start, float(packet.pts * packet.time_base))
            end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            _within((end - start) * 1000, cap_ms, "the duration in ms", "MAX_DURATION_MS")
    except av.FFmpegError as error:
        raise UndecodableMedia("the file is damaged: its packets cannot be read to the end") from error
    if end <= start:
        _refuse("the file does not say how long it lasts")
    return round((end - start) * 1000)


def _video_meta(stream: Any, frame: Any) -> JSON:
    rate = stream.average_rate or stream.guessed_rate or stream.base_rate
    meta: JSON = {"width": frame.width, "height": frame.height}
    if rate:
        meta["fps"] = round(float(rate), 6)
    if stream.frames:
        meta["frames"] = stream.frames
    turns = round((frame.rotation or 0) / 90) % 4
    if turns:
        meta["rotation"] = turns * 90
    if any(component.is_alpha for component in frame.format.components):
        meta["has_alpha"] = True
    return meta


def _video_codec(stream: Any, frame: Any) -> JSON:
    shape = stream.sample_aspect_ratio
    info: JSON = {"codec": stream.codec_context.name, "pix_fmt": frame.format.name} | _profile(stream)
    info |= {"color_space": int(frame.colorspace), "color_range": int(frame.color_range)}
    info |= {"color_transfer": int(frame.color_trc)}
    if shape and shape != Fraction(1):
        info["sample_aspect_ratio"] = [shape.numerator, shape.denominator]
    return info


def _profile(stream: Any) -> JSON:
    return {"profile": stream.profile} if stream.profile else {}


# pictures


def _picture(path: Path, media_type: str, settings: Settings) -> JSON:
    """Pillow's header, then the caps, then one decode: a picture's end is known only by decoding it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # our own cap stands instead of Pillow's warning; damaged EXIF harms nobody
        try:
            with Image.open(path, formats=[PICTURES[media_type]]) as picture:
                width, height = picture.size
                _within(width * height, settings.max_image_pixels, "the number of pixels", "MAX_IMAGE_PIXELS")
                frames = _frames(picture)
                meta: JSON = {
                    "width": width,
                    "height": height,
                    "has_alpha": picture.has_transparency_data,
                    "codec_info": {"container": PICTURES[media_type].lower(), "mode": picture.mode},
                }
                orientation = picture.getexif().get(ORIENTATION, 1)
                if picture.info.get("icc_profile"):
                    meta["codec_info"]["icc_profile"] = True
                picture.draft("L", (1, 1))  # a JPEG is then decoded at an eighth: enough to find its end
                picture.load()
        except Image.DecompressionBombError as error:
            raise UndecodableMedia(f"the picture is over the cap of {settings.max_image_pixels} pixels") from error
        except (OSError, ValueError, SyntaxError, EOFError, KeyError, TypeError, OverflowError, MemoryError) as error:
            raise UndecodableMedia(f"these bytes claim to be {media_type} and cannot be decoded as such") from error
    if frames > 1:
        meta["frames"] = frames
    if isinstance(orientation, int) and 2 <= orientation <= 8:
        meta["orientation"] = orientation
    return meta


def _frames(picture: Image.Image) -> int:
    """How many pictures the file holds, counted up to a bound."""
    if not getattr(picture, "is_animated", False):
        return 1
    count = getattr(picture, "n_frames", 1)
    _within(count, MOST_FRAMES, "the number of frames", "2000")
    return int(count)


def _svg(path: Path, settings: Settings) -> JSON:
    """The root element's size alone; entities and document types are refused before anything is expanded."""
    found: JSON = {}

    def start(name: str, attributes: dict[str, str]) -> None:
        if not found:
            found.update({"name": name.rpartition(":")[2], "attributes": attributes})

    def refuse(*_: Any) -> NoReturn:
        _refuse("an SVG must not declare a document type or entities")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except expat.ExpatError as error:
        raise UndecodableMedia(f"these bytes claim to be an SVG and are not well-formed: {error}") from error
    if found["name"] != "svg":
        _refuse("these bytes claim to be an SVG, and their first element is another")
    _within(path.stat().st_size, LARGEST_SVG, "the SVG's size in bytes", f"at most {LARGEST_SVG}")
    try:
        check_svg(path.read_text("utf-8", "replace"), settings.max_image_pixels)
    except Refused as error:
        raise UndecodableMedia(f"this SVG is not drawn: {error}") from error
    width, height = _svg_size(found["attributes"])
    _within(width * height, settings.max_image_pixels, "the number of pixels", "MAX_IMAGE_PIXELS")
    return {"width": width, "height": height, "has_alpha": True, "codec_info": {"container": "svg"}}


UNITS = {"": 1.0, "px": 1.0, "pt": 4 / 3, "pc": 16.0, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96.0}
"""Pixels a unit, at 96 to the inch (CSS)."""


def _svg_size(attributes: dict[str, str]) -> tuple[int, int]:
    """width and height, else those of the viewBox, else 300 × 150 (CSS's default)."""
    box = attributes.get("viewBox", "").replace(",", " ").split()
    spare = [_length(value) for value in box[2:4]] if len(box) == 4 else [300.0, 150.0]
    sides = [_length(attributes.get(name, "")) or other for name, other in zip(("width", "height"), spare, strict=True)]
    if not all(side and math.isfinite(side) for side in sides):
        _refuse("the SVG's size is no positive number")
    width, height = (max(1, math.ceil(side)) for side in sides if side)
    return width, height


def _length(text: str) -> float | None:
    """Pixels; None for what is absent, a percentage, or no positive length."""
    number = text.strip().rstrip("abcdefghijklmnopqrstuvwxyz%")
    unit = text.strip()[len(number) :]
    try:
        value = float(number) * UNITS[unit]
    except (ValueError, KeyError):
        return None
    return value if value > 0 else None


__all__ = ["DEMUXERS", "open_media", "probe"]
