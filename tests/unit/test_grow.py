"""Grown coverage against the exact coverage of the larger shape, and against its plain definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kernels.grow import grown, grown_reference
from kernels.mask import ellipse_points, polygon_coverage, rectangle_points

SIDE = 120


def disc(radius: float) -> np.ndarray:
    points = ellipse_points(60.3 - radius, 59.7 - radius, 2 * radius, 2 * radius, 0)
    return polygon_coverage(points, SIDE, SIDE)


def half(angle: float, edge: float) -> np.ndarray:
    """All that lies left of a line through the middle, turned, moved by `edge`."""
    return polygon_coverage(rectangle_points(-400 + edge, -400, 460.2, 920, angle), SIDE, SIDE)


@pytest.mark.parametrize(("radius", "by"), [(20.3, 6.0), (20.3, -6.0), (30.0, 1.5), (12.0, 3.0), (40.0, -20.4)])
def test_a_grown_disc_is_a_larger_disc(radius: float, by: float) -> None:
    assert np.abs(grown(disc(radius), by) - disc(radius + by)).max() <= 12 / 255


@pytest.mark.parametrize("slope", range(0, 46, 5))
@pytest.mark.parametrize("by", [1.5, 6.0, 20.0, -8.3])
def test_a_grown_half_plane_is_one_further_on(slope: int, by: float) -> None:
    normal = np.array([np.cos(np.radians(slope)), np.sin(np.radians(slope))])
    along = np.array([-normal[1], normal[0]])

    def covered(further: float) -> np.ndarray:
        middle = np.array([60.2, 60.4]) + normal * further
        corners = [middle + 300 * along, middle - 300 * along]
        return polygon_coverage(np.array([*corners, *(c - 300 * normal for c in corners[::-1])]), SIDE, SIDE)

    inner = np.s_[30:90, 30:90]
    off = np.abs(grown(covered(0), by) - covered(by))[inner]
    assert off.max() <= 15 / 255
    assert (off[off > 1 / 512] ** 2).mean() ** 0.5 <= 9 / 255 if (off > 1 / 512).any() else True


def test_a_rectangle_grows_to_rounded_corners_at_any_part_of_a_pixel() -> None:
    given = polygon_coverage(rectangle_points(30.2, 40.7, 50, 30, 0), SIDE, SIDE)
    got = grown(given, 5.3)
    assert got[55].sum() == pytest.approx(50 + 2 * 5.3, abs=0.01)
    assert got[:, 55].sum() == pytest.approx(30 + 2 * 5.3, abs=0.01)
    assert got.sum() == pytest.approx(50 * 30 + 2 * 5.3 * (50 + 30) + np.pi * 5.3**2, rel=2e-3)  # Steiner's formula


def test_a_thin_line_and_a_dot_grow() -> None:
    line = np.zeros((40, 40), np.float32)
    line[20, 5:35] = 1
    assert grown(line, 4.0)[:, 20].sum() == pytest.approx(9, abs=0.05)
    dot = np.zeros((40, 40), np.float32)
    dot[20, 20] = 1
    assert grown(dot, 8.0).sum() == pytest.approx(np.pi * 8.5**2, rel=0.05)
    assert not grown(np.zeros((9, 9), np.float32), 3.0).any()
    assert (grown(np.ones((9, 9), np.float32), -3.0) == 1).all()  # what lies beyond takes no part


def test_a_soft_edge_grows_from_where_it_is_one_half() -> None:
    ramp = np.clip((np.arange(80, dtype=np.float32) - 10) / 20, 0, 1)[None, ::-1].repeat(9, 0)
    got = grown(np.ascontiguousarray(ramp), 15.0)[4]
    middle = 80 - 20.5  # pixel edges: where the ramp is one half
    assert got.sum() >= middle + 15 - 0.1
    assert (got[: int(middle + 14)] == 1).all()
    assert got[int(middle + 16)] == pytest.approx(ramp[4, int(middle + 16)], abs=0.01)


@pytest.mark.parametrize("by", [2.5, -3.0, 7.25])
def test_it_agrees_with_its_definition(by: float) -> None:
    rng = np.random.default_rng(5)
    shapes = [disc(9)[40:80, 40:80], polygon_coverage(rng.uniform(0, 40, (7, 2)), 40, 40)]
    for shape in shapes:
        expected = grown_reference(torch.from_numpy(np.ascontiguousarray(shape)).double(), by).numpy()
        assert np.abs(grown(np.ascontiguousarray(shape), by) - expected).max() <= 1 / 255
