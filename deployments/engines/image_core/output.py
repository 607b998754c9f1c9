"""What a render is written as: format, quality, size, and the name of its file."""

from __future__ import annotations

from configs import presets as preset_table
from configs.settings import Settings
from deployments.engines.image_core.found import Found, check_size
from deployments.engines.image_core.models import ImageRenderRequest
from deployments.errors import InvalidRequest, UnknownPreset
from deployments.operation import JSON, Warning

EXTENSIONS = {"PNG": "png", "WEBP": "webp", "JPEG": "jpg", "TIFF": "tif", "AVIF": "avif"}


def output_of(request: ImageRenderRequest, found: Found, settings: Settings) -> JSON:
    """The preset with the request's overrides, where the composition lies in the output, and the encoder where it is
    another than the format's own."""
    try:
        preset = preset_table.preset(request.preset_id)
    except preset_table.UnknownPreset as error:
        raise UnknownPreset(str(error), field="preset_id") from None
    format = request.format or preset.format
    quality = preset.quality
    if request.quality is not None:
        quality = min(100, max(1, request.quality))
        if quality != request.quality:
            said = f"quality is clamped to {quality}"
            found.warnings.append(Warning(said, "quality", request.quality, quality))
    width, height = request.composition.width, request.composition.height
    layout = preset.layout(width, height)
    if layout.enlarged:
        said = f"the preset enlarges {width}x{height} to {layout.content_width}x{layout.content_height}"
        found.warnings.append(Warning(said, "preset_id", f"{width}x{height}", f"{layout.width}x{layout.height}"))
    check_size(layout.width, layout.height, "composition.", settings)
    check_size(layout.content_width, layout.content_height, "composition.", settings)
    largest = preset_table.LARGEST_SIDE[format]
    if max(layout.width, layout.height) > largest:
        raise InvalidRequest(
            f"{format} holds at most {largest} pixels a side, and this is {layout.width}x{layout.height}; take PNG",
            field="format" if request.format else "preset_id",
        )
    encoder = {"encoder": settings.jpeg_encoder} if format == "JPEG" and settings.jpeg_encoder != "pillow" else {}
    return encoder | {
        "preset_id": request.preset_id,
        "format": format,
        "quality": None if format in ("PNG", "TIFF") else quality,
        "dpi": preset.dpi,
        "width": layout.width,
        "height": layout.height,
        "content": [layout.x, layout.y, layout.content_width, layout.content_height],
    }


def filename(parameters: JSON) -> str:
    """What a render is called when it is saved."""
    output = parameters["output"]
    size = f"{output['width']}x{output['height']}"
    return f"{parameters['composition_hash'][:12]}_{output['preset_id']}_{size}.{EXTENSIONS[output['format']]}"


__all__ = ["EXTENSIONS", "filename", "output_of"]
