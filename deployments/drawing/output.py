"""A finished picture through a preset: where it lies in the output, and its file. For pictures whose size is known only
when they are drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from configs.presets import Preset
from deployments.drawing.encode import COLOR_PROFILE, MEDIA_TYPES, encode
from deployments.errors import InvalidRequest
from kernels.resample import resize

JSON = dict[str, Any]
WHITE = (255, 255, 255)


def finished(
    pixels: np.ndarray, preset_id: str, preset: JSON, max_pixels: int, threads: int = 1
) -> tuple[str, bytes, JSON]:
    """uint8 [h, w, 4] straight RGBA to media type, bytes, and what meta says of them; padded with nothing. Raises
    InvalidRequest over the cap of pixels."""
    row = Preset.model_validate(preset)
    layout = row.layout(pixels.shape[1], pixels.shape[0])
    if max(layout.width * layout.height, layout.content_width * layout.content_height) > max_pixels:
        said = f"the output would be {layout.width}x{layout.height}, over the cap of {max_pixels} pixels"
        raise InvalidRequest(said, field="preset_id")
    out = np.zeros((layout.height, layout.width, 4), np.uint8)
    scaled = resize(pixels, layout.content_width, layout.content_height, threads=threads)
    left, top = max(layout.x, 0), max(layout.y, 0)
    right = min(layout.x + layout.content_width, layout.width)
    bottom = min(layout.y + layout.content_height, layout.height)
    out[top:bottom, left:right] = scaled[top - layout.y : bottom - layout.y, left - layout.x : right - layout.x]
    data = encode(out, row.format, quality=row.quality, dpi=row.dpi, background=WHITE, threads=threads)
    meta = {
        "preset_id": preset_id,
        "format": row.format,
        "color_profile": COLOR_PROFILE,
        "dpi": row.dpi,
        "width": layout.width,
        "height": layout.height,
        "device": "cpu",
    }
    return MEDIA_TYPES[row.format], data, meta


__all__ = ["finished"]
