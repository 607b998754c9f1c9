"""Compiling the compositor: once on a machine, by one process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher

from kernels import anonymise, motion, sound, stretch, tonemap, yuv
from kernels.compiled import alone, unlocked

ROOT = Path(__file__).parents[2]
ONE_LOOP = """
from numba.core import event
from kernels.composite_loops import loops_of

with event.install_recorder("numba:run_pass") as passes:
    loops_of("multiply", buffered=True)
print(len(passes.buffer))
"""
A_COMPOSITION = """
import numpy as np
from numba.core import event
from kernels.composite import Layer, composite

layers = [Layer(np.full((3, 200, 4), 255, np.uint8)), Layer(np.full((3, 200, 4), 100, np.uint8), mode="screen")]
with event.install_recorder("numba:run_pass") as passes:
    composite(layers, 200, 3)
print(len(passes.buffer))
"""


@pytest.mark.parametrize(
    "program", [ONE_LOOP, pytest.param(A_COMPOSITION, marks=pytest.mark.slow)], ids=["one loop", "a composition"]
)
def test_a_second_process_compiles_nothing(tmp_path: Path, program: str) -> None:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-W", "ignore", "-c", program]
    passes = []
    for _ in range(2):
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        passes.append(int(done.stdout))
    assert passes[0] > 0 == passes[1]


def test_one_process_compiles_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config: Any = numba.config
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "cache"))
    entered = threading.Event()

    def other() -> None:
        with alone("x"):
            entered.set()

    with alone("x"):
        thread = threading.Thread(target=other)
        thread.start()
        assert not entered.wait(0.2)
    assert entered.wait(10)
    thread.join()


def test_what_is_not_the_same_is_compiled_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config: Any = numba.config
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "cache"))
    entered = threading.Event()

    def other() -> None:
        with alone("y"):
            entered.set()

    with alone("x"):
        thread = threading.Thread(target=other, daemon=True)
        thread.start()
        assert entered.wait(10)
    thread.join()


VIDEO = (anonymise, motion, sound, stretch, tonemap, yuv)
INNER = {"_at"}
"""Called by compiled code alone, with which it comes from the cache."""


@pytest.mark.parametrize("kernel", VIDEO, ids=lambda kernel: str(kernel.__name__))
def test_every_compiled_function_of_video_is_compiled_when_a_replica_starts(kernel: Any) -> None:
    kernel.warm()
    functions = [one for name, one in vars(kernel).items() if isinstance(one, Dispatcher) and name not in INNER]
    assert functions
    assert all(one.signatures for one in functions)


def test_nobody_waits_without_a_cache_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config: Any = numba.config
    monkeypatch.setattr(config, "CACHE_DIR", "")
    monkeypatch.chdir(tmp_path)
    with alone("x"), alone("x"):  # within one another: had the first a lock, the second would wait for ever
        assert list(tmp_path.iterdir()) == []


def test_what_may_not_be_written_is_read_without_being_compiled_or_copied() -> None:
    array = np.arange(12, dtype=np.uint16).reshape(3, 4)[:, 1:]
    locked = array.view()
    locked.flags.writeable = False
    free = unlocked(locked)
    assert (free == array).all()
    assert np.shares_memory(free, array)
    assert (numba.typeof(free), free.strides) == (numba.typeof(array), array.strides)
    assert numba.typeof(locked) != numba.typeof(array)
    assert unlocked(array) is array
