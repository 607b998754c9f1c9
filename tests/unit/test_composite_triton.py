"""The CUDA kernel against the float64 reference: in Triton's interpreter, and on a GPU where there is one; and what its
compiler makes of it, for which no GPU is needed."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from kernels import composite as module
from kernels.composite import Layer, composite, composite_batch

ROOT = Path(__file__).parents[2]
needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="triton is not installed: it comes with the extra `cuda`"
)
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


def agrees(device: str, interpret: str) -> list[int]:
    """Modes that agree, and modes that do in linear light."""
    environment = os.environ | {"TRITON_INTERPRET": interpret}
    command = [sys.executable, "-W", "ignore", "-m", "tests.unit.kernel_parity", device]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return [int(line) for line in done.stdout.split()]


@needs_triton
def test_every_mode_agrees_with_the_reference_in_the_interpreter() -> None:
    every, linear = agrees("cpu", "1")
    assert every >= 27
    assert linear == 6


@needs_triton
@needs_cuda
def test_every_mode_agrees_with_the_reference_on_the_gpu() -> None:
    assert agrees("cuda", "0")[0] >= 27


@needs_triton
@needs_cuda
def test_compositions_of_any_size_and_number_of_layers_are_drawn_by_what_was_compiled_ahead() -> None:
    from kernels.composite_triton import stack

    module.warm("cuda")
    programs = {device: len(cache[0]) for device, cache in stack.device_caches.items()}
    for size in ((1, 1), (16, 16), (17, 33), (640, 1)):
        for count in (1, 2, 16):
            composite([Layer(np.full((*size[::-1], 4), 200, np.uint8), mode="hue")] * count, *size, device="cuda")
    assert {device: len(cache[0]) for device, cache in stack.device_caches.items()} == programs


@needs_triton
@pytest.mark.parametrize(
    ("form", "rows", "most_registers"), [("OVER", 8, 96), ("MULTIPLIED", 4, 96), ("TOGETHER", 4, 128)]
)
def test_the_compiler_reads_four_pixels_at_once_and_keeps_all_in_registers(
    form: str, rows: int, most_registers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For compute capability 9.0: ptxas comes with triton. Registers bound how many programs hide latencies."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from kernels import blend_triton
    from kernels.composite_triton import TILE_WIDTH, WARPS, stack

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    pointers = {"planes": "*u32", "masks": "*u8", "spans": "*i32", "rows": "*i32", "hiders": "*i32", "out": "*u32"}
    constants = {"BX": TILE_WIDTH, "BY": rows, "LINEAR": False, "FORMS": getattr(blend_triton, form).value}
    types = pointers | {"width": "i32", "height": "i32"} | dict.fromkeys(constants, "constexpr")
    aligned = {(i,): [["tt.divisibility", 16]] for i in range(len(pointers))}
    source = ASTSource(stack, types, constexprs=constants, attrs=aligned)
    made = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": WARPS})
    assert set(re.findall(r"sizePerThread = \[([\d, ]+)\]", made.asm["ttgir"])) == {"1, 4"}  # a warp reads 512 bytes
    each = rows // WARPS
    assert made.asm["ptx"].count("ld.global.v4.b32") == 2 * each  # the first layer's, and the next one's
    assert made.asm["ptx"].count("st.global.v4.b32") == each
    (tmp_path / "stack.ptx").write_text(made.asm["ptx"])
    command = [triton.knobs.nvidia.ptxas.path, "-v", "-arch=sm_90a", str(tmp_path / "stack.ptx"), "-o", os.devnull]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert "0 bytes spill stores, 0 bytes spill loads" in said
    registers = re.search(r"Used (\d+) registers", said)
    assert registers
    assert int(registers[1]) <= most_registers


@needs_triton
def test_no_composition_has_a_program_of_its_own() -> None:
    """What Triton compiles for follows from the types of the kernel's arguments, their alignment and its constants."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler.compiler import make_backend
    from triton.runtime.jit import create_function_from_signature

    from kernels import composite_cuda
    from kernels.composite_triton import WARPS, stack

    compiled_for = create_function_from_signature(
        stack.signature, stack.params, make_backend(GPUTarget("cuda", 90, 32))
    )
    programs = set()
    for width, height in ((1, 1), (16, 16), (17, 33), (130, 1)):
        for count in (0, 1, 2, 15, 16):
            pixels = np.zeros((height, width + count, 4), np.uint8)
            mask = np.zeros((height, width), np.uint8)
            layers = [Layer(pixels, x=-i, mode="hue", mask=mask) for i in range(count)]
            resident = composite_cuda.upload([[*layers, Layer(pixels, mode="hue")]] * (count + 1), width, height, "cpu")
            out = torch.empty((count + 1, height, -(-width // 4) * 4), dtype=torch.int32)
            given = composite_cuda._arguments(resident, out, composite_cuda.FLAT, False)
            programs.add(str(compiled_for(*given, num_warps=WARPS)[1]))
    assert len(programs) == 1
    assert "'*u32', 'D'" in programs.pop()  # known to be aligned to 16 bytes


class Kernel:
    """Stands for the CUDA execution where there is none."""

    BRANCHED = frozenset({"normal", "screen"})
    asked: list[object]

    def __init__(self) -> None:
        self.asked = []

    def composite_batch(self, stacks: list, width: int, height: int, device: object, *, linear: bool) -> list[str]:
        self.asked.append((len(stacks), device, linear))
        return ["kernel"] * len(stacks)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    stand_in = Kernel()
    monkeypatch.setattr(module, "cuda_kernel", lambda: stand_in)
    monkeypatch.setattr(module, "_by_reference", lambda *given: "reference")
    return stand_in


def test_stacks_on_a_cuda_device_go_to_the_kernel_together(kernel: Kernel) -> None:
    assert composite_batch([[], []], 4, 3, linear=True, device="cuda:0") == ["kernel", "kernel"]
    assert kernel.asked == [(2, "cuda:0", True)]


def test_a_mode_without_a_branch_in_the_kernel_goes_to_the_reference(kernel: Kernel) -> None:
    pixels = np.full((3, 4, 4), 255, np.uint8)
    for mode, by in (("screen", "kernel"), ("multiply", "reference"), ("add", "reference")):
        assert composite([Layer(pixels), Layer(pixels, mode=mode)], 4, 3, device="cuda") == by


def test_without_a_device_stacks_are_drawn_one_after_the_other() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 4), np.uint8)
    stacks = [[Layer(pixels)], [], [Layer(pixels, 1, 1, 0.5), Layer(pixels, mode="hue")]]
    for layers, drawn in zip(stacks, composite_batch(stacks, 4, 3, threads=2), strict=True):
        assert drawn.tobytes() == composite(layers, 4, 3).tobytes()
