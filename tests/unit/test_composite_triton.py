"""The CUDA kernel against the float64 reference: in Triton's interpreter, and on a GPU where there is one."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from kernels import composite as module
from kernels.composite import Layer, composite

ROOT = Path(__file__).parents[2]
needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="triton is not installed: it comes with the extra `cuda`"
)

IN_THE_INTERPRETER = """
import sys
import torch
from kernels import composite_triton
from kernels.blend import MODES
from kernels.composite import composite_reference
from tests.unit import test_composite as cpu

cpu.SIZE = size = (100, 9)  # more than one tile either way, none of them whole: the interpreter is slow
for number, mode in enumerate(mode for mode in MODES if mode in composite_triton.BRANCHED):
    layers = cpu.stack(number, ["normal", mode, "normal", mode], opaque=number % 2 == 0, masks=True, size=size)
    expected = cpu.rounded(composite_reference(layers, *size, dtype=torch.float64))
    off = cpu.difference(composite_triton.composite(layers, *size, sys.argv[1]), expected) > 1
    if mode in cpu.DISCONTINUOUS:
        off &= cpu.steady(layers, expected)
    assert not off.any(), (mode, int(off.sum()))
print(number + 1, "modes agree")
"""


def agrees(device: str, interpret: str) -> str:
    """Run in a process of its own: Triton reads TRITON_INTERPRET when it is imported."""
    environment = os.environ | {"TRITON_INTERPRET": interpret}
    command = [sys.executable, "-W", "ignore", "-c", IN_THE_INTERPRETER, device]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@needs_triton
def test_every_mode_agrees_with_the_reference_in_the_interpreter() -> None:
    assert int(agrees("cpu", "1").split()[0]) >= 27


@needs_triton
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_every_mode_agrees_with_the_reference_on_the_gpu() -> None:
    assert int(agrees("cuda", "0").split()[0]) >= 27


def test_a_cuda_device_goes_to_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    class Kernel:
        @staticmethod
        def composite(layers: object, width: int, height: int, device: object) -> object:
            asked.append(device)
            return module.composite_reference([], width, height)

    monkeypatch.setattr(module, "cuda_kernel", lambda: Kernel)
    composite([], 4, 3, device="cuda:0")
    assert asked == ["cuda:0"]


def test_a_mode_without_a_branch_in_the_kernel_goes_to_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    class Kernel:
        BRANCHED = frozenset({"normal", "screen"})

        @staticmethod
        def composite(layers: object, width: int, height: int, device: object) -> str:
            return "kernel"

    monkeypatch.setattr(module, "cuda_kernel", lambda: Kernel)
    monkeypatch.setattr(module, "_by_reference", lambda *given: "reference")
    pixels = np.full((3, 4, 4), 255, np.uint8)
    for mode, by in (("screen", "kernel"), ("multiply", "reference"), ("add", "reference")):
        assert composite([Layer(pixels), Layer(pixels, mode=mode)], 4, 3, device="cuda") == by
