"""docs/blend_modes.md is followed to the letter in a copy of the repository, and the new mode is drawn there."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("artifacts", "configs", "deployments", "kernels", "tests")
STEP = re.compile(
    r"^(At the end of|Below) `([^`\n]+)` in `([\w/.]+)`:\n\n```python\n(.*?)```$", re.MULTILINE | re.DOTALL
)

ON_THE_CPU = """
from pathlib import Path
import numpy as np
import torch
from configs.settings import Settings
from deployments.engines.image_core import work
from kernels.composite import composite, composite_reference
from tests.unit import test_composite as cpu
from tests.unit.image_bench import Bench
from tests.unit.test_blend import test_the_reference_gives_the_values_that_were_worked_out_by_hand as by_hand

by_hand("negation")
bench = Bench(Settings(mattebox_home=Path("/nowhere")))
layers = [{"color": "#3380e6"}, {"color": "#4d8099", "blend_mode": "negation"}]
plan = bench.plan({"composition": {"width": 2, "height": 2, "layers": layers}})
pixels = work.compose(plan.parameters["composition"], {}, bench.tools())
# 1 - |1 - b - s| of 0x33, 0x4d; 0x80, 0x80; 0xe6, 0x99, in 255ths
assert (pixels == (0x33 + 0x4D, 510 - 0x80 - 0x80, 510 - 0xE6 - 0x99, 255)).all(), pixels
for opaque in (False, True):
    stack = cpu.stack(5, ["normal", "negation", "normal", "negation"], opaque=opaque, masks=True)
    expected = cpu.rounded(composite_reference(stack, *cpu.SIZE, dtype=torch.float64))
    assert cpu.difference(composite(stack, *cpu.SIZE, threads=2), expected).max() <= 1
"""
IN_THE_INTERPRETER = """
import torch
from kernels import composite_cuda
from kernels.composite import composite_reference
from tests.unit import test_composite as cpu

assert "negation" in composite_cuda.BRANCHED
stack = cpu.stack(5, ["normal", "negation", "normal", "negation"], opaque=False, masks=True, size=(70, 5))
expected = cpu.rounded(composite_reference(stack, 70, 5, dtype=torch.float64))
assert cpu.difference(composite_cuda.composite_batch([stack], 70, 5, "cpu")[0], expected).max() <= 1
"""


@pytest.fixture
def steps() -> list[tuple[str, str, str, str]]:
    found = STEP.findall((ROOT / "docs" / "blend_modes.md").read_text())
    assert [where for where, *_ in found] == ["At the end of", "At the end of", "Below", "Below"]
    return found


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in PACKAGES:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "fixtures"))
    return tmp_path


def follow(step: tuple[str, str, str, str], copy: Path) -> None:
    """A block goes before the bracket that closes a table, or below the first line that begins so."""
    where, what, file, block = step
    path = copy / file
    lines = path.read_text().splitlines(keepends=True)
    begins = re.compile(rf"{re.escape(what)}\b.* [({{]$" if where == "At the end of" else rf"{re.escape(what)}(?!\w)")
    at = next(i for i, line in enumerate(lines) if begins.match(line))
    if where == "At the end of":
        at = next(i for i in range(at + 1, len(lines)) if lines[i][0] in ")}") - 1
    path.write_text("".join([*lines[: at + 1], block, *lines[at + 1 :]]))


def run(code: str, copy: Path, **environment: str) -> None:
    """In a process of its own, which sees the copy and nothing compiled before."""
    environment = os.environ | {"PYTHONPATH": str(copy), "NUMBA_CACHE_DIR": str(copy / "numba")} | environment
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def test_a_newcomer_adds_a_mode_by_one_row_of_the_table_and_one_of_the_test(
    steps: list[tuple[str, str, str, str]], copy: Path
) -> None:
    for step in steps[:2]:
        follow(step, copy)
    run(ON_THE_CPU, copy)


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton comes with the extra `cuda`")
def test_two_more_lines_have_it_in_the_kernel(steps: list[tuple[str, str, str, str]], copy: Path) -> None:
    for step in (steps[0], *steps[2:]):
        follow(step, copy)
    run(IN_THE_INTERPRETER, copy, TRITON_INTERPRET="1")
