"""Sound and video by PyAV: streams, duration, whether the file is whole, and its first frame."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer

from configs.settings import Settings
from deployments.errors import UndecodableMedia
from deployments.media.limits import refuse, within
from deployments.media.readers import DEMUXERS

JSON = dict[str, Any]

OPEN_SECONDS = 20.0
"""Longest wait for a file's header, and for one packet."""
LOOK_BYTES = 8 << 20
"""How far into a file FFmpeg may look to learn what its streams are."""
FIRST_PACKETS = 2000
"""A stream whose first frame does not come within so many packets has none."""


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


def stream_meta(path: Path, media_type: str, settings: Settings) -> JSON:
    """See probe; caps are looked at before the first frame is decoded."""
    with open_media(path, media_type) as container:
        within(len(container.streams), settings.max_streams, "the number of streams", "MAX_STREAMS")
        video, audio = _first(container.streams.video), _first(container.streams.audio)
        wanted = "video" if media_type.startswith("video/") else "sound"
        if (video if wanted == "video" else audio) is None:
            refuse(f"the file has no {wanted} stream")
        for stream in filter(_readable, container.streams.video):
            width, height = stream.codec_context.width, stream.codec_context.height
            within(width * height, settings.max_image_pixels, "the number of pixels of a frame", "MAX_IMAGE_PIXELS")
        duration = _duration_ms(container)
        if duration is not None:
            within(duration, settings.max_duration_ms, "the duration in ms", "MAX_DURATION_MS")
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
                refuse(f"the file is cut off: its index names bytes past its end at {size}")
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
                    refuse(f"the file is cut off: it promises {length} bytes of sound and has {size - at - 8}")
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
    raise UndecodableMedia("the file has no frame that can be decoded")


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
            within((end - start) * 1000, cap_ms, "the duration in ms", "MAX_DURATION_MS")
    except av.FFmpegError as error:
        raise UndecodableMedia("the file is damaged: its packets cannot be read to the end") from error
    if end <= start:
        refuse("the file does not say how long it lasts")
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


__all__ = ["open_media", "stream_meta"]
