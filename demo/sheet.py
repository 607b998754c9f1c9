"""The contact sheet: the composed picture, and beside it a frame of the clip before and after."""

from __future__ import annotations

from pathlib import Path

import av
from PIL import Image, ImageDraw, ImageFont

MARGIN, LABEL = 12, 26
SMALL = (320, 180)
"""A frame's largest size; the picture has the height of two, their label and the margin between them."""


def frames_at(path: Path, count: int) -> list[Image.Image]:
    """`count` frames spread over the clip, the first and the last second left out."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base
        length = float(container.duration or 0) / av.time_base
        wanted = [length * (index + 1) / (count + 1) for index in range(count)]
        found: list[Image.Image] = []
        for frame in container.decode(stream):
            if len(found) < count and frame.time is not None and frame.time >= wanted[len(found)]:
                found.append(frame.to_image())
    return found


def contact_sheet(picture: Path, before: Path, after: Path, path: Path) -> Path:
    """A PNG: the picture, then one over the other the clip's middle and the same frame of the render."""
    cells = [("the clip", frames_at(before, 1)[0]), ("the render of it", frames_at(after, 1)[0])]
    for _, frame in cells:
        frame.thumbnail(SMALL, Image.Resampling.LANCZOS)
    right, down = (max(frame.size[axis] for _, frame in cells) for axis in (0, 1))
    top = Image.open(picture).convert("RGB")
    tall = 2 * down + LABEL
    top = top.resize((round(top.width * tall / top.height), tall), Image.Resampling.LANCZOS)
    sheet = Image.new("RGB", (top.width + right + 3 * MARGIN, tall + LABEL + MARGIN), "#f4f4f2")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(15)
    draw.text((MARGIN, 5), "a picture composed of five layers", fill="#222222", font=font)
    sheet.paste(top, (MARGIN, LABEL))
    left = top.width + 2 * MARGIN
    for row, (label, frame) in enumerate(cells):
        y = row * (down + LABEL)
        draw.text((left, y + 5), label, fill="#222222", font=font)
        sheet.paste(frame, (left, y + LABEL))
    sheet.save(path, optimize=True)
    return path


__all__ = ["contact_sheet", "frames_at"]
