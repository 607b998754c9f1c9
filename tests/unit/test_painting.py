"""DEVICE and the compositor: what is painted where, what meta says of it, and how the works of a replica share the
device. CUDA is pretended: its part is given to the painter, and run in Triton's interpreter."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from configs.settings import Device, Settings
from deployments.engines.image_core import meeting, work
from deployments.engines.image_core.meeting import Meeting
from deployments.engines.image_core.painting import Painter, painter
from deployments.operation import Inputs
from kernels.composite import Layer, composite, composite_batch
from tests.unit.image_bench import Bench, pixels_of

ROOT = Path(__file__).parents[2]
FLAT: dict[str, Any] = {
    "width": 131,
    "height": 4,
    "background_color": "#204060",
    "layers": [
        {"color": "#c08040c0", "blend_mode": "overlay", "x": 3, "y": 1, "width": 90, "height": 2},
        {"type": "group", "layers": [{"color": "#ffffff80", "blend_mode": "screen", "x": 40}]},
        {
            "gradient": {"stops": [[0, "#ff0000ff"], [1, "#00ff0000"]]},
            "blend_mode": "hue",
            "opacity": 0.7,
            "mask": {"type": "ellipse", "x": 10, "y": 0, "width": 100, "height": 4},
        },
    ],
}
TREE = FLAT | {"layers": [*FLAT["layers"], {"adjustment": {"kind": "invert"}}]}

IN_THE_INTERPRETER = """
from functools import partial
import numpy as np
from deployments.engines.image_core.painting import Painter
from kernels import composite_cuda
from tests.unit import test_painting as given

by = Painter("cuda", partial(composite_cuda.composite_batch, device="cpu"))
for space in ("srgb", "linear"):
    composition = given.FLAT | {"color_space": space}
    expected, meta = given.rendered(composition, None)
    assert meta["device"] == "cpu" and "device_requested" not in meta, meta
    pixels, meta = given.rendered(composition, by)
    assert meta["device"] == "cuda" and "device_requested" not in meta, meta
    assert np.abs(pixels.astype(int) - expected).max() <= 1
"""


def rendered(composition: dict[str, Any], by: Painter | None) -> tuple[np.ndarray, dict[str, Any]]:
    """A render's pixels and meta."""
    bench = Bench(Settings(mattebox_home=Path("/nowhere"), device="cpu"))
    plan = bench.plan({"composition": composition})
    output = work.render(plan, cast(Inputs, bench.stored), bench.tools(), by)
    assert isinstance(output.data, bytes)
    return pixels_of(output.data), {name: output.meta[name] for name in output.meta if name.startswith("device")}


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton comes with the extra `cuda`")
def test_a_render_on_cuda_is_that_of_the_cpu_within_one_of_255() -> None:
    command = [sys.executable, "-W", "ignore", "-c", IN_THE_INTERPRETER]
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("space", ["srgb", "linear"])
def test_a_render_on_a_gpu_is_that_of_the_cpu_within_one_of_255(space: str) -> None:
    composition = FLAT | {"color_space": space}
    pixels, meta = rendered(composition, painter("cuda"))
    assert meta == {"device": "cuda"}
    assert np.abs(pixels.astype(int) - rendered(composition, None)[0]).max() <= 1


class Drawn:
    """The CUDA part of a painter, which notes what it is asked for and draws it on the CPU."""

    def __init__(self, room: int = 1000) -> None:
        self.asked: list[int] = []
        self.room = room

    def __call__(self, stacks: list[list[Layer]], width: int, height: int, *, linear: bool) -> list[np.ndarray]:
        self.asked.append(len(stacks))
        if sum(len(layers) for layers in stacks) > self.room:
            raise torch.OutOfMemoryError
        return composite_batch(stacks, width, height, linear=linear)


@pytest.mark.parametrize(
    ("requested", "composition", "meta"),
    [
        ("cuda", FLAT, {"device": "cuda"}),
        ("auto", FLAT, {"device": "cuda"}),
        ("cpu", FLAT, {"device": "cpu"}),
        ("cuda", TREE, {"device": "cpu", "device_requested": "cuda"}),
        ("auto", TREE, {"device": "cpu"}),
    ],
)
def test_device_decides_and_meta_says_what_ran(
    requested: Device, composition: dict[str, Any], meta: dict[str, str]
) -> None:
    draw = Drawn()
    pixels, said = rendered(composition, Painter(requested, draw))
    assert said == meta
    assert draw.asked == ([1] if meta["device"] == "cuda" else [])
    assert (pixels == rendered(composition, None)[0]).all()


@pytest.mark.parametrize(
    ("requested", "meta"), [("cuda", {"device": "cpu", "device_requested": "cuda"}), ("auto", {"device": "cpu"})]
)
def test_what_finds_no_device_or_no_room_on_it_is_painted_on_the_cpu(requested: Device, meta: dict[str, str]) -> None:
    expected = rendered(FLAT, None)[0]
    for draw in (None, Drawn(room=1)):
        pixels, said = rendered(FLAT, Painter(requested, draw))
        assert said == meta
        assert (pixels == expected).all()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_device_the_settings_painter_is_the_cpus() -> None:
    for requested in ("auto", "cpu", "cuda"):
        meta = painter(requested).paint([], 2, 2, threads=1, linear=False).meta
        assert meta == {"device": "cpu"} | ({"device_requested": "cuda"} if requested == "cuda" else {})


def stacks(count: int) -> list[list[Layer]]:
    rng = np.random.default_rng(0)
    return [[Layer(rng.integers(0, 256, (4, 6, 4), np.uint8), mode="multiply")] for _ in range(count)]


def held(draw: Drawn, given: list[list[Layer]], sizes: list[tuple[int, int]]) -> tuple[list[np.ndarray], list[int]]:
    """Pictures of stacks that all came while a first one was being drawn, and how many each later draw took."""
    began, go_on = threading.Event(), threading.Event()

    def slowly(*args: Any, **options: Any) -> list[np.ndarray]:
        if not began.is_set():
            began.set()
            go_on.wait()
        return draw(*args, **options)

    together = Meeting(slowly)
    with ThreadPoolExecutor(len(given) + 1) as pool:
        first = pool.submit(together.draw, [], 1, 1, False)
        began.wait()
        later = [pool.submit(together.draw, one, *size, False) for one, size in zip(given, sizes, strict=True)]
        while sum(len(queue) for queue in together._waiting.values()) < len(given):
            time.sleep(0.001)
        go_on.set()
        first.result()
        return [one.result() for one in later], draw.asked[1:]


def test_works_that_wait_for_the_device_are_drawn_together_by_size() -> None:
    given = stacks(7)
    sizes = [(6, 4)] * 5 + [(5, 4)] * 2
    drawn, asked = held(Drawn(), given, sizes)
    assert sorted(asked) == [2, 5]
    for layers, size, pixels in zip(given, sizes, drawn, strict=True):
        assert (pixels == composite(layers, *size)).all()


def test_a_launch_takes_no_more_pixels_than_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meeting, "MOST_PIXELS", 2 * 6 * 4)
    drawn, asked = held(Drawn(), stacks(5), [(6, 4)] * 5)
    assert sorted(asked) == [1, 2, 2]
    assert len(drawn) == 5


def test_who_finds_no_room_together_is_drawn_alone_and_told_what_that_raises() -> None:
    draw = Drawn(room=1)
    drawn, asked = held(draw, stacks(3), [(6, 4)] * 3)
    assert (len(drawn), asked) == (3, [3, 1, 1, 1])
    with pytest.raises(torch.OutOfMemoryError):
        Meeting(draw).draw([*stacks(1)[0], *stacks(1)[0]], 6, 4, False)
    assert (Meeting(draw).draw(stacks(1)[0], 6, 4, False) == composite(stacks(1)[0], 6, 4)).all()
