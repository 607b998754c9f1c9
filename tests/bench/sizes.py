"""The compositor from 1 to 32 layers and from 512² to 8K, against other compositors on the same stacks."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from kernels.composite import Layer
from tests.bench.measure import Call, Row, interleaved, milliseconds, optional
from tests.bench.stacks import MIXED, SIZE, copies, ours, peers, stack

DEPTHS = (1, 2, 4, 8, 16, 32)
SIZES = {"512²": (512, 512), "1080p": SIZE, "4K": (3840, 2160), "8K": (7680, 4320)}
SLOW_UP_TO = 1920 * 1080
"""Pixels up to which psd-tools, which takes seconds, is asked too, and once."""
ROUNDS = 5


def run(home: Path) -> list[Row]:
    modes = [MIXED[i % len(MIXED)] if i else MIXED[0] for i in range(max(DEPTHS))]
    rows = [_row(f"{n} layers of 1080p" if n > 1 else "1 layer of 1080p", stack(modes[:n]), SIZE) for n in DEPTHS]
    return rows + [_row(f"8 layers of {name}", stack(MIXED, size), size) for name, size in SIZES.items()]


def _row(what: str, layers: list[Layer], size: tuple[int, int]) -> Row:
    calls = {"ours": ours(layers, size)} | copies(layers, 1) | peers(layers)
    took = interleaved(calls, ROUNDS)
    mine = took.pop("ours")
    if len(layers) == len(MIXED) and size[0] * size[1] <= SLOW_UP_TO and (call := _psd_tools(layers, size)):
        took["psd-tools"] = milliseconds(call)
    return Row(what, mine, against={"memcpy": took.pop("memcpy 0")} | took)


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
