"""What an upload really is: size, duration, streams. Heavy (PyAV, Pillow); run by a replica, on one local file.

A file is opened by the reader of its own media type and by no other: FFmpeg would else also open playlists, which read
further files. Caps are looked at before anything is decoded; then one frame is, and the end of the file is looked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from configs.settings import Settings
from deployments.errors import UnsupportedMedia
from deployments.media.pictures import picture_meta, svg_meta
from deployments.media.readers import DEMUXERS, PICTURES
from deployments.media.streams import open_media, stream_meta

JSON = dict[str, Any]


def probe(path: Path, media_type: str, settings: Settings) -> JSON:
    """The asset's meta: width, height, duration_ms, fps, audio_channels, sample_rate, codec_info, has_alpha, … as far
    as they apply. `width` and `height` are those of the stored pixels; `rotation` (degrees counter-clockwise, for
    display) is there where it is not 0.

    Raises UnsupportedMedia for a media type without a reader, and UndecodableMedia for bytes that are damaged, cut off,
    or would decode beyond a cap.
    """
    if media_type == "image/svg+xml":
        return svg_meta(path, settings)
    if media_type in PICTURES:
        return picture_meta(path, media_type, settings)
    if media_type in DEMUXERS:
        return stream_meta(path, media_type, settings)
    known = ", ".join((*PICTURES, "image/svg+xml", *DEMUXERS))
    raise UnsupportedMedia(f"{media_type} is not read here; what is: {known}")


__all__ = ["open_media", "probe"]
