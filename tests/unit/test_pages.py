"""Lent pages: who has them, when they come back, what is kept, and that no result shows what they held before."""

from __future__ import annotations

import mmap
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from kernels import composite as flat
from kernels import composite_tree as trees
from kernels import pages
from kernels.adjust import adjust
from kernels.adjustment_layers import recolor
from kernels.composite import Layer, composite
from kernels.composite_tree import Node, composite_tree

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is kept")
RANDOM = np.random.default_rng(5)
OVER = pages.LARGE + 1
PAGE_OUT = 21
"""MADV_PAGEOUT of Linux: do as a kernel short of memory does, which without swap takes only what is marked as free."""


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    pages.forget()
    yield
    pages.forget()


def address(array: np.ndarray) -> int:
    return int(array.ctypes.data)


def rss_of(array: np.ndarray) -> int:
    """KiB that are resident of the mapping that an array lies in."""
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        first, *rest = line.split()
        if "-" in first and not first.endswith(":"):
            low, high = (int(part, 16) for part in first.split("-"))
            inside = low <= address(array) < high
        elif inside and first == "Rss:":
            return int(rest[0])
    return 0


@pytest.mark.parametrize(("size", "kept"), [(pages.LARGE, False), (OVER, True)])
def test_pages_are_kept_above_the_bound_and_not_at_it(size: int, kept: bool) -> None:
    array = pages.empty((size,))
    assert array.size == size
    assert pages.kept() == 0
    del array
    assert (pages.kept() >= size) is kept


def test_what_comes_back_serves_the_next_and_no_array_lives_in_it_meanwhile() -> None:
    first = pages.empty((OVER,))
    second = pages.empty((OVER,))
    where = address(first)
    assert abs(address(second) - where) >= OVER
    view = first[7::3].reshape(-1, 1)
    del first
    assert pages.kept() == 0
    tensor = torch.from_numpy(view)
    del view
    buffer = memoryview(tensor.numpy())
    del tensor
    assert pages.kept() == 0
    third = pages.empty((OVER,))
    assert address(third) != where
    del buffer, third
    pages.forget()
    again = pages.empty((OVER + 1,))
    where = address(again)
    del again
    assert address(pages.empty((OVER,))) == where


def test_a_piece_twice_as_large_serves_and_a_larger_one_does_not() -> None:
    large = pages.empty((4 * OVER,))
    where = address(large)
    del large
    half = pages.empty((2 * OVER,))
    assert address(half) == where
    del half
    kept = pages.kept()
    small = pages.empty((OVER,))
    assert pages.kept() == kept
    assert address(small) != where


def test_what_is_kept_is_bounded_by_number_and_by_bytes() -> None:
    many = [pages.empty((OVER,)) for _ in range(pages.MOST_PIECES + 2)]
    many.clear()
    assert OVER < pages.kept() <= pages.MOST_PIECES * (OVER + 2 * pages.HUGE_PAGE)
    half = pages.MOST_BYTES // 2
    two = [pages.empty((half,)) for _ in range(2)]  # each a little more than half, by its border
    two.clear()
    assert half <= pages.kept() <= pages.MOST_BYTES
    pages.forget()
    whole = pages.empty((pages.MOST_BYTES + 1,))
    del whole
    assert pages.kept() == 0


def test_the_kernel_may_take_what_is_kept_and_it_serves_all_the_same() -> None:
    array = pages.empty((OVER,))
    array[:] = 9
    where = address(array)
    assert rss_of(array) >= OVER // 1024
    assert isinstance(array.base, np.ndarray)
    assert isinstance(array.base.base, memoryview)
    piece = array.base.base.obj
    assert isinstance(piece, mmap.mmap)
    del array
    piece.madvise(PAGE_OUT)
    again = pages.empty((OVER,))
    assert address(again) == where
    assert rss_of(again) < OVER // 1024 // 4
    again[:] = 3
    assert (again == 3).all()


def test_an_array_that_ends_while_another_is_taken_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The garbage collector may end one inside any allocation, that of `take` included."""
    ending = [pages.empty((OVER,)), pages.empty((OVER,))]
    take = pages._kept.take

    def collected(size: int) -> mmap.mmap | None:
        with pages._kept.lock:
            ending.clear()
            return take(size)

    monkeypatch.setattr(pages._kept, "take", collected)
    done = threading.Thread(target=pages.empty, args=((OVER,),), daemon=True)
    done.start()
    done.join(20)
    assert not done.is_alive()


def test_threads_never_share_a_piece() -> None:
    wrong = []

    def draw(value: int) -> None:
        for _ in range(4):
            array = pages.empty((OVER,))
            array[:] = value
            if not (array == value).all():
                wrong.append(value)

    threads = [threading.Thread(target=draw, args=(value,)) for value in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_forked_child_has_pages_and_a_lock_of_its_own() -> None:
    array = pages.empty((OVER,))
    array[:] = 1
    spare = pages.empty((OVER,))
    del spare
    with pages._kept.lock:
        child = os.fork()
        if child == 0:
            held = pages.kept()
            array[:] = 2
            mine = pages.empty((OVER,))
            mine[:] = 3
            os._exit(0 if held == 0 and (array == 2).all() else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert (array == 1).all()


# What a result is drawn into must not be seen in it: each route draws into pages full of one value and of another.

WIDTH, HEIGHT = 61, 300
"""Not a whole number of tiles, nor of the reference's rows."""


def painted(opaque: bool = False, size: tuple[int, int] = (WIDTH, HEIGHT)) -> np.ndarray:
    pixels = RANDOM.integers(0, 256, (size[1], size[0], 4), np.uint8)
    pixels[..., 3] = 255 if opaque else pixels[..., 3] // 128 * 255
    return pixels


TURNED = {"hue": 40.0, "saturation": 1.2}
LAYERS: dict[str, list[Layer]] = {
    "none": [],
    "one that is clear": [Layer(np.zeros((HEIGHT, WIDTH, 4), np.uint8))],
    "one beside the canvas": [Layer(painted(), x=WIDTH)],
    "one over a corner": [Layer(painted(True), x=-20, y=-100, opaque=True)],
    "opaque under two": [Layer(painted(True), opaque=True), Layer(painted(), mode="multiply"), Layer(painted())],
    "opaque over one": [Layer(painted()), Layer(painted(True), opaque=True)],
    "opaque and larger": [Layer(painted(True, (WIDTH + 9, HEIGHT + 8)), x=-4, y=-3, opaque=True)],
    "one row for all": [Layer(np.broadcast_to(painted(True)[:1], (HEIGHT, WIDTH, 4)), opaque=True)],
    "masked and scattered": [Layer(painted(), mask=painted()[..., 0].copy(), mode="dissolve", opacity=0.5)],
}
ALL = [Node(layer) for layers in LAYERS.values() for layer in layers]
TREES: dict[str, list[Node]] = {
    "a group": [Node(None, tuple(ALL[2:5]), mode="screen", opacity=0.7)],
    "an adjustment of nothing": [Node(None, (), recolor("hue_saturation", {"hue": 40}), mode="normal")],
    "a knockout": [ALL[3], Node(LAYERS["one over a corner"][0], knockout="deep", fill=0)],
    "clips": [Node(LAYERS["one over a corner"][0], clips=tuple(ALL[:2]))],
}


def poisoned(monkeypatch: pytest.MonkeyPatch, draw: Callable[[], np.ndarray]) -> list[np.ndarray]:
    """The result drawn into pages of 0, of 255 and of 165; asserts that `draw` asks for some."""
    results, asked = [], []
    for value in (0, 255, 165):

        def full(shape: tuple[int, ...], value: int = value) -> np.ndarray:
            asked.append(shape)
            return np.full(shape, value, np.uint8)

        monkeypatch.setattr(pages, "empty", full)
        results.append(draw())
    assert asked
    return results


def assert_same(results: Sequence[np.ndarray]) -> None:
    for result in results[1:]:
        assert np.array_equal(results[0], result)


@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize(("compiled", "linear"), [(True, False), (True, True), (False, False)])
def test_no_stack_shows_what_its_pages_held(
    monkeypatch: pytest.MonkeyPatch, layers: list[Layer], compiled: bool, linear: bool
) -> None:
    if not compiled:
        monkeypatch.setattr(flat, "fast", None)
        monkeypatch.setattr(trees, "fast", None)
    nodes = [Node(layer) for layer in layers]
    assert_same(poisoned(monkeypatch, lambda: composite(layers, WIDTH, HEIGHT, threads=2, linear=linear)))
    assert_same(poisoned(monkeypatch, lambda: composite_tree(nodes, WIDTH, HEIGHT, threads=2, linear=linear)))


@pytest.mark.parametrize("nodes", TREES.values(), ids=TREES)
@pytest.mark.parametrize("compiled", [True, False])
def test_no_tree_shows_what_its_pages_held(monkeypatch: pytest.MonkeyPatch, nodes: list[Node], compiled: bool) -> None:
    if not compiled:
        monkeypatch.setattr(flat, "fast", None)
        monkeypatch.setattr(trees, "fast", None)
    assert_same(poisoned(monkeypatch, lambda: composite_tree(nodes, WIDTH, HEIGHT, threads=2)))


def test_no_recolored_layer_shows_what_its_pages_held(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = painted()
    assert_same(poisoned(monkeypatch, lambda: adjust(pixels, TURNED, threads=2)))


def test_a_real_large_result_in_used_pages_is_that_of_fresh_ones() -> None:
    size = (4096, 2100)
    layers = [Layer(painted(size=(900, 700)), x=50, y=60), Layer(painted(size=(300, 200)), x=4000, y=2000)]
    fresh = composite(layers, *size, threads=2)
    expected = fresh.copy()
    fresh[:] = 165
    where = address(fresh)
    del fresh
    used = composite(layers, *size, threads=2)
    assert address(used) == where
    assert np.array_equal(used, expected)
