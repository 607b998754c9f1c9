"""Coverage against exact masks, against the sampled reference, and against areas known by arithmetic."""

from __future__ import annotations

import json
import math
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from kernels import mask as module
from kernels.mask import (
    alpha,
    ellipse_points,
    luminance,
    polygon_coverage,
    polygon_coverage_reference,
    polygon_levels,
    rectangle_points,
    to_bytes,
    unit_circle,
)

POLYGONS = ["poly-concave", "poly-convex", "lasso", "rect-subpixel", "star-evenodd", "star-nonzero", "feather-lasso"]


@pytest.fixture(scope="module")
def masks(shared_data: Path) -> Path:
    return shared_data / "image" / "masks"


def exact(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)).astype(np.float64) / 65535


def check(got: np.ndarray, expected: np.ndarray, tolerance: dict[str, float]) -> None:
    """Both as computed and as the eight bits that are stored."""
    for values in (got, to_bytes(got) / 255):
        error = np.abs(values - expected)
        assert error.mean() <= tolerance["mean"]
        assert error.max() <= tolerance["max"]


@pytest.mark.parametrize("case", POLYGONS)
def test_polygons_cover_what_they_should(masks: Path, case: str) -> None:
    truth = json.loads((masks / f"{case}.json").read_text())
    points = np.array(truth["shape"]["points"], np.float64)
    got = polygon_coverage(points, *truth["size"], fill_rule=truth["shape"]["rule"])
    check(got, exact(masks / truth["mask"]), truth["tolerance"])


@pytest.mark.parametrize("position", range(5))
def test_feathers_are_gaussians(masks: Path, position: int) -> None:
    truth = json.loads((masks / "feather-lasso.json").read_text())
    feathered = truth["feathered"][position]
    points = np.array(truth["shape"]["points"], np.float64)
    got = polygon_coverage(points, *truth["size"], feather=feathered["sigma"])
    check(got, exact(masks / feathered["file"]), truth["tolerance"])


def test_an_ellipse_covers_what_it_should(masks: Path) -> None:
    truth = json.loads((masks / "ellipse.json").read_text())
    (cx, cy), (rx, ry) = truth["shape"]["center"], truth["shape"]["radii"]
    got = polygon_coverage(ellipse_points(cx - rx, cy - ry, 2 * rx, 2 * ry), *truth["size"])
    check(got, exact(masks / truth["mask"]), truth["tolerance"])


@pytest.mark.parametrize("rule", ["nonzero", "evenodd"])
@pytest.mark.parametrize("size", [(1, 1), (31, 3), (32, 40), (33, 40), (64, 9), (97, 50)])
@pytest.mark.parametrize("count", [3, 9, 60, 1000])
def test_levels_are_the_rounded_coverage_and_what_it_leaves(
    count: int, size: tuple[int, int], rule: module.FillRule
) -> None:
    points = np.random.default_rng(count).uniform(-20, 120, (count, 2))
    plane = polygon_coverage(points, *size, fill_rule=rule)
    for inverted, values in ((False, plane), (True, 1 - plane)):
        got = polygon_levels(points, *size, fill_rule=rule, inverted=inverted)
        np.testing.assert_array_equal(got, np.rint(values * np.float32(255)).astype(np.uint8))
        np.testing.assert_array_equal(got, to_bytes(values))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_coverage_is_held_to_its_range_and_rounded_half_to_even(dtype: type) -> None:
    plane = np.array([[-1, 0, 0.5 / 255, 1.5 / 255], [0.5, 127.49 / 255, 1, 7]], dtype)
    expected = [[0, 0, round(float(plane[0, 2] * dtype(255))), 2], [128, 127, 255, 255]]
    np.testing.assert_array_equal(to_bytes(plane), expected)
    np.testing.assert_array_equal(to_bytes(plane[:, ::2]), np.array(expected)[:, ::2])


@pytest.mark.parametrize("rule", ["nonzero", "evenodd"])
@pytest.mark.parametrize("count", [3, 7, 40, 200])
def test_any_scribble_agrees_with_the_sampled_reference(count: int, rule: module.FillRule) -> None:
    points = np.random.default_rng(count).uniform(-20, 80, (count, 2))
    got = polygon_coverage(points, 60, 50, fill_rule=rule)
    expected = polygon_coverage_reference(torch.from_numpy(points), 60, 50, fill_rule=rule, lines=256)
    assert np.abs(got - expected.numpy()).max() <= 1 / 64


def test_without_numba_the_reference_does_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.array([[3.2, 1.1], [40.7, 22.3], [8.8, 35.0]])
    got = polygon_coverage(points, 48, 40)
    monkeypatch.setattr(module, "fast", None)
    assert np.abs(got - polygon_coverage(points, 48, 40)).max() <= 1 / 64


def test_ten_thousand_crossing_points_are_filled_in_seconds() -> None:
    points = np.random.default_rng(0).uniform(0, 300, (10_000, 2))
    done: list[np.ndarray] = []
    thread = threading.Thread(target=lambda: done.append(polygon_coverage(points, 300, 300)), daemon=True)
    thread.start()
    thread.join(60)
    assert done
    assert done[0][50:250, 50:250].mean() > 0.9


@pytest.mark.parametrize("rotation", [0, 30, 90, 222])
def test_areas_are_exact(rotation: float) -> None:
    rectangle = polygon_coverage(rectangle_points(20.3, 30.6, 40.25, 17.5, rotation), 90, 80)
    assert rectangle.sum(dtype=np.float64) == pytest.approx(40.25 * 17.5, rel=1e-5)
    ellipse = polygon_coverage(ellipse_points(20.3, 30.6, 40.25, 17.5, rotation), 90, 80)
    assert ellipse.sum(dtype=np.float64) == pytest.approx(math.pi / 4 * 40.25 * 17.5, rel=1e-5)


def test_a_reversed_polygon_covers_the_same() -> None:
    points = np.random.default_rng(5).uniform(0, 50, (9, 2))
    forward, backward = polygon_coverage(points, 50, 50), polygon_coverage(points[::-1], 50, 50)
    np.testing.assert_allclose(forward, backward, atol=1e-5)


def test_points_on_a_line_and_equal_points_cover_nothing() -> None:
    assert not polygon_coverage(np.array([[1, 1], [5, 5], [9, 9.0]]), 10, 10).any()
    assert not polygon_coverage(np.full((3, 2), 4.5), 10, 10).any()


def test_a_shape_beyond_the_canvas_is_full_inside_it() -> None:
    points = rectangle_points(-1e6, -1e6, 2e6, 2e6)
    np.testing.assert_allclose(polygon_coverage(points, 20, 10), 1, atol=1e-6)


@pytest.mark.parametrize("sigma", [3.0, 15.0, 250.0])
def test_a_shape_that_runs_off_the_canvas_does_not_fade_at_its_edge(sigma: float) -> None:
    points = rectangle_points(-3000, -3000, 6000, 6000)
    np.testing.assert_allclose(polygon_coverage(points, 40, 30, feather=sigma), 1, atol=1 / 255)


def test_half_a_plane_feathers_to_the_normal_distribution() -> None:
    sigma = 30.0
    got = polygon_coverage(rectangle_points(100, -9000, 9000, 18000), 200, 3, feather=sigma)[1]
    expected = [0.5 * (1 + math.erf((x + 0.5 - 100) / (sigma * math.sqrt(2)))) for x in range(200)]
    np.testing.assert_allclose(got, expected, atol=1 / 255)


def test_luminance_and_alpha_are_weighted_as_said() -> None:
    pixels = np.array([[[255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255], [90, 90, 90, 255], [255, 255, 255, 51]]])
    np.testing.assert_allclose(luminance(pixels.astype(np.uint8))[0], [0.30, 0.59, 0.11, 90 / 255, 0.2], atol=1e-6)
    np.testing.assert_allclose(alpha(pixels.astype(np.uint8))[0], [1, 1, 1, 1, 0.2], atol=1e-6)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270, 360, -90, 450])
def test_quarter_turns_are_exact(degrees: float) -> None:
    cos, sin = unit_circle(degrees)
    assert {abs(cos), abs(sin)} == {0.0, 1.0}
    assert (cos, sin) == pytest.approx((math.cos(math.radians(degrees)), math.sin(math.radians(degrees))), abs=1e-12)


@pytest.mark.parametrize("points", [np.zeros((2, 2)), np.zeros((3, 3)), np.array([[0, 0], [1, 1], [np.nan, 0]])])
def test_what_is_no_polygon_is_refused(points: np.ndarray) -> None:
    with pytest.raises(ValueError, match="three finite points"):
        polygon_coverage(points, 4, 4)
