"""Painting faces: the ellipse covers the box, held cells carry nothing of later frames, fast and reference agree."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest

from kernels import anonymise
from kernels.anonymise import Ellipse, Planes

STYLES: tuple[anonymise.Style, ...] = ("blur", "mosaic", "solid")


def planes(height: int, width: int, seed: int = 0) -> Planes:
    random = np.random.default_rng(seed)
    half = ((height + 1) // 2, (width + 1) // 2)
    sizes = ((height, width), half, half)
    y, u, v = (random.integers(16, 236, size, dtype=np.uint8) for size in sizes)
    return y, u, v


def copy(source: Planes) -> Planes:
    y, u, v = (plane.copy() for plane in source)
    return y, u, v


def equal(a: Planes, b: Planes) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("box", [(40.3, 30.7, 51.2, 70.9), (-20.0, -10.0, 60.0, 60.0), (100.0, 60.0, 90.0, 40.0)])
@pytest.mark.parametrize("masked", [False, True])
def test_fast_equals_reference(style: anonymise.Style, box: tuple[float, float, float, float], masked: bool) -> None:
    source = planes(121, 161)
    face = anonymise.circumscribe(*box, 1.3)
    shape = anonymise.grid(face, 4, 8)
    cells, twin = anonymise.reduce(source, face, shape), anonymise.reduce_reference(source, face, shape)
    assert all(np.array_equal(a, b) for a, b in zip(cells, twin, strict=True))
    mask = planes(121, 161, seed=1) if masked else None
    fast, plain = copy(source), copy(source)
    anonymise.paint(fast, face, cells, style, mask)
    anonymise.paint_reference(plain, face, cells, style, mask)
    assert equal(fast, plain)
    assert not equal(fast, source)


def test_the_ellipse_passes_through_the_grown_boxs_corners() -> None:
    face = anonymise.circumscribe(10, 20, 30, 50, 1.2)
    for sx, sy in itertools.product((-1, 1), repeat=2):
        x, y = 25 + sx * 15 * 1.2, 45 + sy * 25 * 1.2
        assert math.isclose(((x - face.cx) / face.a) ** 2 + ((y - face.cy) / face.b) ** 2, 1)


@pytest.mark.parametrize("style", STYLES)
def test_nothing_of_the_box_is_left(style: anonymise.Style) -> None:
    """Two frames that differ in every sample of the grown box and beyond are painted alike inside it."""
    face = anonymise.circumscribe(60, 50, 41, 55, 1.3)
    first, second = planes(200, 200, 1), planes(200, 200, 2)
    cells = anonymise.quantise(anonymise.reduce(first, face, anonymise.grid(face, 4, 8)))
    for frame in (first, second):
        anonymise.paint(frame, face, cells, style)
    left, top, right, bottom = 80.5 - 26.65, 77.5 - 35.75, 80.5 + 26.65, 77.5 + 35.75
    for index, (a, b) in enumerate(zip(first, second, strict=True)):
        scale = 2 if index else 1
        rows = slice(math.ceil(top / scale), int(bottom / scale))
        columns = slice(math.ceil(left / scale), int(right / scale))
        assert np.array_equal(a[rows, columns], b[rows, columns])


def test_only_the_rectangle_is_touched() -> None:
    source = planes(90, 120)
    painted = copy(source)
    face = anonymise.circumscribe(30, 30, 20, 24, 1.2)
    anonymise.paint(painted, face, anonymise.reduce(source, face, (1, 1)), "solid")
    x0, y0, x1, y1 = anonymise.rectangle(face, 90, 120)
    changed = np.argwhere(painted[0] != source[0])
    assert changed.min(axis=0).tolist() >= [y0, x0]
    assert changed.max(axis=0).tolist() < [y1, x1]
    assert x0 > 0
    assert x1 < 120
    assert y0 > 0
    assert y1 < 90
    for a, b in zip(painted[1:], source[1:], strict=True):
        changed = np.argwhere(a != b)
        assert (changed.min(axis=0) * 2 + 1 >= [y0, x0]).all()
        assert (changed.max(axis=0) * 2 < [y1, x1]).all()


@pytest.mark.parametrize(
    ("a", "b", "shape"),
    [(40, 50, (4, 3)), (50, 40, (3, 4)), (16, 16, (4, 4)), (15, 15, (3, 3)), (7, 7, (1, 1)), (3, 40, (1, 1))],
)
def test_cells_are_few_and_not_small(a: float, b: float, shape: tuple[int, int]) -> None:
    rows, columns = anonymise.grid(Ellipse(100, 100, a, b), 4, 8)
    assert (rows, columns) == shape
    assert (rows, columns) == (1, 1) or (2 * b / rows >= 8 and 2 * a / columns >= 8)


def test_cell_means_are_exact() -> None:
    """Against a mean taken with numpy on the four quarters of a square face."""
    source = planes(64, 64)
    cells = anonymise.reduce(source, Ellipse(32, 32, 16, 16), (2, 2))
    for j, i in itertools.product((0, 1), repeat=2):
        quarter = source[0][16 + 16 * j : 32 + 16 * j, 16 + 16 * i : 32 + 16 * i]
        assert cells.y[j, i] == np.float32(quarter.mean())
        assert cells.u[j, i] == np.float32(source[1][8 + 8 * j : 16 + 8 * j, 8 + 8 * i : 16 + 8 * i].mean())


def test_quantised_cells_are_coarse_and_legal() -> None:
    random = np.random.default_rng(3)
    raw = anonymise.Cells(*(random.uniform(0, 255, (4, 4)).astype(np.float32) for _ in range(3)))
    cells = anonymise.quantise(raw)
    assert len(np.unique(cells.y)) <= 9
    assert cells.y.min() >= 16
    assert cells.y.max() <= 235
    assert all(c.min() >= 16 and c.max() <= 240 for c in cells[1:])


def test_a_face_outside_the_frame_changes_nothing() -> None:
    source = planes(40, 40)
    painted = copy(source)
    face = anonymise.circumscribe(400, 400, 20, 20, 1.3)
    anonymise.paint(painted, face, anonymise.reduce(source, face, (4, 4)), "blur")
    assert equal(painted, source)


def test_blur_stays_between_its_cells() -> None:
    """The spline is a convex mean: no sample leaves the range of the cells."""
    source = planes(100, 100)
    face = Ellipse(50, 50, 30, 30)
    cells = anonymise.quantise(anonymise.reduce(source, face, (4, 4)))
    anonymise.paint(source, face, cells, "blur")
    inner = source[0][35:65, 35:65]
    assert cells.y.min() <= inner.min()
    assert inner.max() <= cells.y.max()


@pytest.mark.parametrize("box", [(0, 0, 0, 10), (0, 0, 10, -1), (math.nan, 0, 5, 5)])
def test_a_box_without_size_is_refused(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="a box needs"):
        anonymise.circumscribe(*box, 1.3)


def test_real_faces_are_covered(shared_data: Path) -> None:
    """Every box of the known truth lies inside the ellipse that is painted for it."""
    frames = json.loads((shared_data / "media" / "face_clip.boxes.json").read_text())["frames"]
    for x1, y1, x2, y2 in (face["box"] for frame in frames[::10] for face in frame):
        blank = planes(360, 640)
        face = anonymise.circumscribe(x1, y1, x2 - x1, y2 - y1, 1.0)
        white = anonymise.Cells(*(np.full((1, 1), 255, np.float32) for _ in range(3)))
        anonymise.paint(blank, face, white, "solid")
        inside = blank[0][math.ceil(max(y1, 0)) : int(y2), math.ceil(max(x1, 0)) : int(x2)]
        assert (inside == 255).all()
