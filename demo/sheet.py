"""The contact sheet: frames before and after, under the composed picture."""

from __future__ import annotations

from pathlib import Path

import av
from PIL import Image, ImageDraw, ImageFont

MARGIN, LABEL = 12, 28
COLUMNS = 3


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
    """A PNG: the picture on top, then a row of frames of the source and the same frames of the render."""
    rows = [("source", frames_at(before, COLUMNS)), ("render", frames_at(after, COLUMNS))]
    cell = rows[0][1][0].size
    width = COLUMNS * cell[0] // 2 + (COLUMNS + 1) * MARGIN
    small = (cell[0] // 2, cell[1] // 2)
    top = Image.open(picture).convert("RGB")
    top.thumbnail((width - 2 * MARGIN, small[1] * 2))
    height = top.height + len(rows) * (small[1] + LABEL) + LABEL + 3 * MARGIN
    sheet = Image.new("RGB", (width, height), "#f4f4f2")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(16)
    draw.text((MARGIN, 6), "composed picture", fill="#222222", font=font)
    sheet.paste(top, (MARGIN, LABEL))
    y = top.height + LABEL + MARGIN
    for label, frames in rows:
        draw.text((MARGIN, y + 5), label, fill="#222222", font=font)
        for column, frame in enumerate(frames):
            sheet.paste(
                frame.resize(small, Image.Resampling.LANCZOS), (MARGIN + column * (small[0] + MARGIN), y + LABEL)
            )
        y += LABEL + small[1]
    sheet.save(path, optimize=True)
    return path


__all__ = ["contact_sheet", "frames_at"]
