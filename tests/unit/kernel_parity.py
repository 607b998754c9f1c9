"""The CUDA compositor against the float64 reference: `python -m tests.unit.kernel_parity DEVICE`, `cpu` with
TRITON_INTERPRET=1. The tests and the bench of CUDA run it; Triton reads that variable when it is imported."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import torch

from kernels import composite_cuda
from kernels.blend import MODES
from kernels.composite import Layer, composite_reference
from tests.unit import test_composite as cpu

SMALL = (131, 3)
"""More than one tile, none of them whole: the interpreter is slow."""
LINEAR = ("normal", "dissolve", "multiply", "overlay", "soft_light", "luminosity")


def off(layers: list[Layer], size: tuple[int, int], device: str, *, linear: bool = False) -> np.ndarray:
    """bool [h, w]: pixels that break the policy of kernels.composite."""
    expected = cpu.rounded(composite_reference(layers, *size, dtype=torch.float64, linear=linear))
    (drawn,) = composite_cuda.composite_batch([layers], *size, device, linear=linear)
    apart = cpu.difference(drawn, expected) > 1
    if apart.any() and any(layer.mode in cpu.DISCONTINUOUS for layer in layers):
        cpu.SIZE = size
        apart &= cpu.steady(layers, expected)
    return apart


def modes(device: str, size: tuple[int, int] = SMALL, *, linear: bool = False) -> dict[str, int]:
    """Pixels off by mode: each of the kernel's twice in a masked stack, even ones over an opaque base."""
    found = {}
    for number, mode in enumerate(mode for mode in MODES if mode in composite_cuda.BRANCHED):
        if not linear or mode in LINEAR:
            stack = cpu.stack(number, ["normal", mode, "normal", mode], opaque=number % 2 == 0, masks=True, size=size)
            found[mode] = int(off(stack, size, device, linear=linear).sum())
    return found


def geometry(device: str) -> None:
    """Layers of every kind of memory, and stacks beside each other."""
    rng = np.random.default_rng(2)
    wide = rng.integers(0, 256, (9, 300, 4), np.uint8)
    solid = np.broadcast_to(np.array([[[10, 20, 30, 255]]], np.uint8).repeat(160, 1), (9, 160, 4))
    part = wide[1:7, 40:171]  # rows that do not follow each other in memory
    column = np.ascontiguousarray(wide[:, 1:2])
    for size in ((131, 5), (2, 1)):
        stack = [
            Layer(solid, -2, 0, opaque=True),
            *(Layer(part, x, y, 0.7, "multiply") for x, y in ((0, 0), (3, 1), (-5, -2), (126, 2))),
            Layer(column, 2, 1, mode="soft_light"),
            Layer(part, 5, 0, 0.4, "dissolve", seed=2**32 - 1),
            Layer(wide, -30, -1, 0.5, mask=rng.integers(0, 256, size[::-1], np.uint8)),
        ]
        assert not off(stack, size, device).any(), size
        top = Layer(np.broadcast_to(wide[:1], (10, 300, 4)) | np.array([0, 0, 0, 255], np.uint8), -7, -1, opaque=True)
        hidden = [*stack, top, Layer(part, 1, 0, mode="screen")]
        assert not off(hidden, size, device).any(), size
        stacks = [stack, [], hidden, [top], [Layer(solid), Layer(part, mode="hue")], stack[:3]]
        together = composite_cuda.composite_batch(stacks, *size, device)
        for layers, drawn in zip(stacks, together, strict=True):
            (alone,) = composite_cuda.composite_batch([layers], *size, device)
            assert drawn.shape == (size[1], size[0], 4)
            assert drawn.tobytes() == alone.tobytes()
        assert (together[3] == np.asarray(top.pixels)[1 : 1 + size[1], 7 : 7 + size[0]]).all()
    twice = composite_cuda.upload([[Layer(wide), replace(Layer(wide), mode="multiply")], [Layer(wide)]], 300, 9, device)
    assert twice.arena.numel() == wide.size // 4, "a picture lies there once"
    nothing = composite_cuda.upload([[Layer(solid)]], 160, 9, device)
    assert nothing.arena.numel() == 160, "one row of a colour"


if __name__ == "__main__":
    for found in (modes(sys.argv[1]), modes(sys.argv[1], linear=True)):
        assert not any(found.values()), found
        print(len(found))
    geometry(sys.argv[1])
