"""The compositor: the stack of eight, modes, masks, groups, growth, memory; against memcpy and other compositors."""

from __future__ import annotations

import hashlib
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageChops

from kernels.adjust import adjust
from kernels.adjustment_layers import recolor, recolored
from kernels.blend import DISSOLVE, MODES
from kernels.composite import Layer
from kernels.composite_tree import Node, composite_tree
from tests.bench.measure import Call, Row, interleaved, optional, picture

MIXED = ("normal", "multiply", "screen", "overlay", "darken", "lighten", "linear_dodge", "normal")
SIZE = (1920, 1080)
GREENS = {"range": [70, 100, 140, 170], "hue": 40, "saturation": -30, "lightness": 10}
ADJUSTMENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "curves": ("curves", {"rgb": [[0, 10], [128, 140], [255, 245]]}),
    "hue and saturation": ("hue_saturation", {"hue": 40, "saturation": 20, "lightness": 5}),
    "a range of hues": ("hue_saturation", {"ranges": [GREENS]}),
    "colorize": ("hue_saturation", {"colorize": True, "hue": 210, "saturation": 40}),
    "vibrance": ("vibrance", {"vibrance": 50, "saturation": 10}),
    "black and white": ("black_white", {"reds": 60}),
    "black and white, tinted": ("black_white", {"tint_color": "#e1d3b3ff"}),
    "a photo filter": ("photo_filter", {"density": 40}),
}
"""Layers that adjust what lies below: a kind and its numbers."""
DIVIDING = {"color_burn", "color_dodge", "vivid_light", "divide", "soft_light"}
FRAME, ALLOWED = 3840 * 2160 * 4, 64 << 20


def stack(modes: Sequence[str], size: tuple[int, int] = SIZE) -> list[Layer]:
    """Noise over an opaque base; at most eight different pictures."""
    pixels = [picture(seed, *size, opaque=seed == 0) for seed in range(min(8, len(modes)))]
    return [Layer(pixels[i % 8 if i < 8 else 1 + i % 7], mode=m, opaque=i == 0) for i, m in enumerate(modes)]


def ours(layers: list[Layer], size: tuple[int, int] = SIZE) -> Call:
    return _drawing([Node(layer) for layer in layers], size)


def _drawing(nodes: Sequence[Node], size: tuple[int, int]) -> Call:
    return lambda: composite_tree(nodes, *size, threads=2)


def copies(layers: list[Layer], buffers: int = 3) -> dict[str, Call]:
    """memcpy of the layers' bytes on two threads, over several buffers: pages lie well or badly."""
    pool = ThreadPoolExecutor(2)

    def copier(source: np.ndarray, target: np.ndarray) -> Call:
        half = len(source) // 2

        def copy() -> None:
            other = pool.submit(np.copyto, target[:half], source[:half])
            np.copyto(target[half:], source[half:])
            other.result()

        return copy

    sources = [np.concatenate([layer.pixels for layer in layers]) for _ in range(buffers)]
    return {f"memcpy {i}": copier(source, np.empty_like(source)) for i, source in enumerate(sources)}


def arithmetic() -> dict[str, Call]:
    """Hashes of 64 KiB, which stay in a core's own cache, by one thread, and as many by each of two at once."""
    pool, small = ThreadPoolExecutor(2), bytes(1 << 16)

    def hashes() -> None:
        for _ in range(64):
            hashlib.sha256(small).digest()

    def both() -> None:
        other = pool.submit(hashes)
        hashes()
        other.result()

    return {"one thread": hashes, "two threads": both}


def peers(layers: list[Layer]) -> dict[str, Call]:
    """Other compositors on the same stack, pictures already in their own form."""
    calls: dict[str, Call] = {"Pillow": _pillow(layers)}
    skia, pyvips = optional("skia"), optional("pyvips")
    height, width = layers[0].pixels.shape[:2]
    if skia:
        names = {"normal": "kSrcOver", "linear_dodge": "kPlus"}
        images = [skia.Image.fromarray(layer.pixels, skia.kRGBA_8888_ColorType) for layer in layers]
        paints = [
            skia.Paint(BlendMode=getattr(skia.BlendMode, names.get(layer.mode, "k" + layer.mode.title())))
            for layer in layers
        ]

        def draw() -> object:
            surface = skia.Surface(width, height)
            for image, paint in zip(images, paints, strict=True):
                surface.getCanvas().drawImage(image, 0, 0, skia.SamplingOptions(), paint)
            return surface.toarray()

        calls["skia-python"] = draw
    if pyvips:
        modes = [{"normal": "over", "linear_dodge": "add"}.get(layer.mode, layer.mode) for layer in layers[1:]]

        def compose() -> object:
            images = [pyvips.Image.new_from_array(layer.pixels, interpretation="srgb") for layer in layers]
            return images[0].composite(images[1:], modes).cast("uchar").numpy()

        calls["pyvips"] = compose
    return calls


def _pillow(layers: list[Layer]) -> Call:
    images = [Image.fromarray(layer.pixels) for layer in layers]
    formulas: dict[str, Callable[[Image.Image, Image.Image], Image.Image]] = {
        "multiply": ImageChops.multiply,
        "screen": ImageChops.screen,
        "overlay": ImageChops.overlay,
        "darken": ImageChops.darker,
        "lighten": ImageChops.lighter,
        "linear_dodge": ImageChops.add,
    }

    def compose() -> object:
        out = images[0]
        for layer, image in zip(layers[1:], images[1:], strict=True):
            if layer.mode in formulas:
                blended = formulas[layer.mode](out, image)
                blended.putalpha(image.getchannel("A"))
                image = blended
            out = Image.alpha_composite(out, image)
        return np.asarray(out)

    return compose


def run(home: Path) -> list[Row]:
    layers = stack(MIXED)
    others = peers(layers)
    took = interleaved({"ours": ours(layers)} | copies(layers) | arithmetic() | others)
    floor = min(value for name, value in took.items() if name.startswith("memcpy"))
    shared = took["two threads"] / took["one thread"]
    against = {name: took[name] for name in others}
    rows = [
        Row("8 layers 1080p, 7 modes", took["ours"], against={"memcpy": floor} | against),
        Row("the same over memcpy", took["ours"] / floor, "×", at_most=2),
        Row("two threads' arithmetic over one's", shared, "×"),
        *_modes(),
        *_groups(),
        *_steps(),
        *_growth(),
    ]
    for name, least in (("pyvips", 15), ("Pillow", 30), ("skia-python", 35)):
        if name in others:
            rows.append(Row(f"{name} over ours", took[name] / took["ours"], "×", at_least=least))
    return [*rows, _memory()]


def _modes() -> list[Row]:
    normal = stack(["normal"] * 8)
    mask = picture(9, *SIZE)[..., 0].copy()
    calls = {
        mode: ours([replace(layer, mode=mode) if i else layer for i, layer in enumerate(normal)]) for mode in MODES
    }
    calls["26 modes"] = ours(stack(list(MODES)[:1] + [mode for mode in MODES if mode != DISSOLVE][1:]))
    calls["masks"] = ours([replace(layer, mask=mask) if i else layer for i, layer in enumerate(normal)])
    calls["top"] = ours([*normal[:7], normal[0]])
    took = interleaved(calls, 5)
    rows = [Row("8 normal layers", took["normal"]), Row("26 layers, a mode each", took["26 modes"])]
    for mode, row in MODES.items():
        goal = None if mode == DISSOLVE else 4.0 if row.form == "colors" else 2.8 if mode in DIVIDING else 1.7
        rows.append(Row(f"{mode} over normal", took[mode] / took["normal"], "×", at_most=goal))
    rows.append(Row("a mask, a layer", (took["masks"] - took["normal"]) / 7, at_most=0.3))
    rows.append(Row("an opaque layer on top of 7", took["top"], at_most=1))
    return rows


def _groups() -> list[Row]:
    """Six layers, four of which are a group, against the same six without it."""
    rows = []
    for size in ((960, 540), SIZE):
        layers = stack(("normal", "normal", "multiply", "screen", "overlay", "multiply"), size)
        first, *middle, last = (Node(layer) for layer in layers)
        groups = {
            "an isolated group of 4": Node(None, tuple(middle), mode="multiply", opacity=0.8),
            "4 passed through by 0.8": Node(None, tuple(middle), opacity=0.8),
            "3 clipped to 1": replace(middle[0], clips=tuple(middle[1:])),
        }
        calls = {name: _drawing([first, node, last], size) for name, node in groups.items()}
        took = interleaved(calls | {"flat": ours(layers, size)})
        rows += [
            Row(
                f"{name} among 6 layers of {size[0]}×{size[1]}",
                took[name],
                against={"the same layers flat": took["flat"]},
            )
            for name in groups
        ]
    return rows


def _steps() -> list[Row]:
    """Six layers of 1080p with one thing more, against the same six without it; and a layer's own adjustments."""
    layers = stack(("normal", "normal", "multiply", "screen", "overlay", "multiply"))
    *below, last = (Node(layer) for layer in layers)
    hard = Node(replace(layers[3], mode="hard_mix"), fill=0.5)
    trees = {
        f"6 layers and {name}": [*below, Node(None, (), recolor(kind, numbers), mode="normal"), last]
        for name, (kind, numbers) in ADJUSTMENTS.items()
    }
    trees |= {
        "6 layers, 3 of them passed through by a fill of 0.8": [
            *below[:2],
            Node(None, tuple(below[2:]), fill=0.8),
            last,
        ],
        "6 layers, 1 of them hard mix filled by 0.5": [*below[:3], hard, below[4], last],
    }
    calls = {name: _drawing(nodes, SIZE) for name, nodes in trees.items()}
    calls["6 layers in linear light"] = lambda: composite_tree([*below, last], *SIZE, threads=2, linear=True)
    took = interleaved(calls | {"flat": ours(layers)}, 5)
    rows = [Row(name, took[name], against={"the same layers flat": took["flat"]}) for name in calls]
    pixels, own = layers[1].pixels, {"contrast": 1.2, "saturation": 1.3, "hue": 20.0, "temperature": 0.2}
    vivid = recolor(*ADJUSTMENTS["vibrance"])
    mine = {
        "contrast, saturation, hue and warmth of a layer": lambda: adjust(pixels, own, threads=2),
        "vibrance of a layer": lambda: recolored(pixels, vivid, threads=2),
    }
    return [*rows, *(Row(name, milliseconds) for name, milliseconds in interleaved(mine, 5).items())]


def _growth() -> list[Row]:
    many = [layer for _ in range(4) for layer in stack(MIXED)]
    many = [layer if i == 0 else replace(layer, opaque=False, opacity=0.9) for i, layer in enumerate(many)]
    few = many[:8]
    large, huge = (3840, 2160), (7680, 4320)
    two = ("normal", "multiply")
    at_4k, at_8k = stack(two, large), stack(two, huge)
    calls = {"8": ours(few), "32": ours(many), "4K": ours(at_4k, large), "8K": ours(at_8k, huge)}
    calls |= {"4K copy": at_4k[0].pixels.copy, "8K copy": at_8k[0].pixels.copy}
    took = interleaved(calls, 5)
    copied = took["8K copy"] / took["4K copy"]  # beyond 32 MiB each result is pages that the kernel has to clear first
    return [
        Row("32 layers over 8", took["32"] / took["8"], "×", at_most=4.4),
        Row("8K over 4K, 2 layers", took["8K"] / took["4K"], "×", {"a copy of one layer": copied}, at_most=4.4),
    ]


def _memory() -> Row:
    """Of a fresh process: its highest resident memory over what it held with the inputs, less the output."""
    done = subprocess.run([sys.executable, "-m", "tests.bench.stacks"], capture_output=True, text=True, check=True)
    return Row(
        "memory over inputs and output, 8 layers 4K", float(done.stdout), "MiB", at_most=(FRAME / 2 + ALLOWED) / 2**20
    )


def rise() -> float:
    """MiB by which eight layers of 4K raise this process's peak over inputs and output, kernels loaded before."""
    size = (3840, 2160)
    layers = stack(MIXED, size)
    ours([Layer(np.zeros((1, 1, 4), np.uint8))], (1, 1))()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ours(layers, size)()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 - FRAME / 2**20


if __name__ == "__main__":
    print(rise())
