"""The compositor from 1 to 32 layers and from 512² to 8K, against other compositors on the same stacks; and pictures
made larger and smaller, against other libraries' filters of the same kind."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from kernels.composite import Layer
from kernels.resample import premultiplied, resize
from tests.bench.measure import Call, Row, interleaved, milliseconds, optional, picture
from tests.bench.stacks import MIXED, SIZE, copies, ours, peers, stack

DEPTHS = (1, 2, 4, 8, 16, 32)
SIZES = {"512²": (512, 512), "1080p": SIZE, "4K": (3840, 2160), "8K": (7680, 4320)}
SLOW_UP_TO = 1920 * 1080
"""Pixels up to which psd-tools, which takes seconds, is asked too, and once."""
ROUNDS = 5
RESIZES = (
    ((451, 300), (1920, 1080)),
    ((1920, 1080), (3840, 2160)),
    ((4000, 3000), (1440, 1080)),
    ((4000, 3000), (400, 300)),
)
"""From and to: width and height."""


def run(home: Path) -> list[Row]:
    modes = [MIXED[i % len(MIXED)] if i else MIXED[0] for i in range(max(DEPTHS))]
    rows = [_row(f"{n} layers of 1080p" if n > 1 else "1 layer of 1080p", stack(modes[:n]), SIZE) for n in DEPTHS]
    rows += [_row(f"8 layers of {name}", stack(MIXED, size), size) for name, size in SIZES.items()]
    return rows + [_resized(*sizes, opaque) for opaque in (True, False) for sizes in RESIZES]


def _row(what: str, layers: list[Layer], size: tuple[int, int]) -> Row:
    calls = {"ours": ours(layers, size)} | copies(layers, 1) | peers(layers)
    took = interleaved(calls, ROUNDS)
    mine = took.pop("ours")
    if len(layers) == len(MIXED) and size[0] * size[1] <= SLOW_UP_TO and (call := _psd_tools(layers, size)):
        took["psd-tools"] = milliseconds(call)
    return Row(what, mine, against={"memcpy": took.pop("memcpy 0")} | took)


def _resized(before: tuple[int, int], after: tuple[int, int], opaque: bool) -> Row:
    """Areas where it gets smaller, Lanczos where it grows: ours and OpenCV's of 4 lobes, the others' of 3."""
    pixels = cv2.GaussianBlur(picture(1, *before), (0, 0), 1.5)
    if opaque:
        pixels[..., 3] = 255
    grows = after > before
    image, kinds = Image.fromarray(pixels), (cv2.INTER_LANCZOS4, Image.Resampling.LANCZOS)
    of_cv2, of_pillow = kinds if grows else (cv2.INTER_AREA, Image.Resampling.BOX)

    def by_cv2() -> object:
        work = pixels if opaque else premultiplied(pixels)
        return cv2.resize(work, after, interpolation=of_cv2)

    calls: dict[str, Call] = {
        "one thread": lambda: resize(pixels, *after),
        "two threads": lambda: resize(pixels, *after, threads=2),
        "OpenCV": by_cv2,
        "Pillow": lambda: np.asarray(image.resize(after, of_pillow)),
    }
    if pyvips := optional("pyvips"):

        def by_vips() -> object:
            given = pyvips.Image.new_from_array(pixels, interpretation="srgb")
            work = given if opaque else given.premultiply()
            across, down = before[0] / after[0], before[1] / after[1]
            drawn = work.resize(1 / across, vscale=1 / down, kernel="lanczos3") if grows else work.shrink(across, down)
            return (drawn if opaque else drawn.unpremultiply()).cast("uchar").numpy()

        calls["pyvips"] = by_vips
    took = interleaved(calls, ROUNDS)
    what = f"{before[0]}×{before[1]} to {after[0]}×{after[1]}, {'opaque' if opaque else 'with alphas'}"
    return Row(what, took.pop("two threads"), against=took)


def _psd_tools(layers: list[Layer], size: tuple[int, int]) -> Call | None:
    """The stack as a document in memory, drawn anew; None where it is not installed."""
    if optional("psd_tools") is None:
        return None
    from psd_tools import PSDImage
    from psd_tools.constants import BlendMode

    document = PSDImage.new("RGBA", size)
    for layer in layers:
        mode = getattr(BlendMode, layer.mode.upper())
        document.create_pixel_layer(Image.fromarray(layer.pixels), blend_mode=mode)
    return lambda: document.composite(force=True)
