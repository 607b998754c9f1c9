"""Strokes against exact masks, fading ones and growth against the plain execution and against known areas."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from kernels.brush import faded_reference, stroke_coverage
from kernels.grow import grown, grown_reference, near
from kernels.mask import ellipse_points, polygon_coverage, to_bytes


@pytest.mark.parametrize("case", ["brush-hard", "brush-hairline"])
def test_hard_strokes_cover_what_they_should(shared_data: Path, case: str) -> None:
    folder = shared_data / "image" / "masks"
    truth = json.loads((folder / f"{case}.json").read_text())
    points, shape = np.array(truth["shape"]["path"], np.float64), truth["shape"]
    got = stroke_coverage(points, *truth["size"], diameter=shape["width"], hardness=shape["hardness"])
    expected = np.asarray(Image.open(folder / truth["mask"])).astype(np.float64) / 65535
    for values in (got, to_bytes(got) / 255):
        error = np.abs(values - expected)
        assert error.mean() <= truth["tolerance"]["mean"]
        assert error.max() <= truth["tolerance"]["max"]


@pytest.mark.parametrize(("diameter", "hardness"), [(30, 0.0), (12, 0.5), (50, 0.9)])
def test_fading_strokes_agree_with_the_reference(diameter: float, hardness: float) -> None:
    points = np.array([[10, 12], [70, 40], [20, 50], [20, 50]], np.float64)
    got = stroke_coverage(points, 80, 60, diameter=diameter, hardness=hardness)
    fade = (1 - hardness) * diameter / 2
    expected = faded_reference(torch.from_numpy(points), 80, 60, radius=diameter / 2, fade=fade)
    assert np.abs(got - expected.numpy()).max() <= 1 / 255
    assert got[11, 10] > 0.97


@pytest.mark.parametrize("hardness", [0.0, 0.6, 1.0])
def test_a_point_is_a_dot(hardness: float) -> None:
    got = stroke_coverage(np.array([[20.0, 20.0]]), 40, 40, diameter=20, hardness=hardness)
    assert got[20, 20] > 0.97
    assert np.abs(got - got.T).max() < 1e-3
    if hardness == 1:
        assert math.isclose(got.sum(), math.pi * 100, rel_tol=1e-3)


def test_a_stroke_that_crosses_itself_is_no_denser_and_has_no_holes() -> None:
    loop = np.array([[10, 10], [50, 50], [50, 10], [10, 50]], np.float64)
    got = stroke_coverage(loop, 60, 60, diameter=8, hardness=1.0)
    assert got.max() <= 1
    assert got[30, 30] == 1
    assert got[29, 12] == 0


@pytest.mark.parametrize("pixels", [7.5, 2.0, -3.0, -6.5])
def test_a_grown_disc_is_a_larger_disc(pixels: float) -> None:
    disc = polygon_coverage(ellipse_points(20.2, 19.6, 40, 40), 80, 80)
    expected = polygon_coverage(ellipse_points(20.2 - pixels, 19.6 - pixels, 40 + 2 * pixels, 40 + 2 * pixels), 80, 80)
    error = np.abs(grown(disc, pixels) - expected)
    assert error.mean() <= 0.01
    assert abs(grown(disc, pixels).sum() / expected.sum() - 1) < 0.02


@pytest.mark.parametrize("pixels", [3.3, -2.4])
def test_growth_agrees_with_the_reference(pixels: float) -> None:
    plane = polygon_coverage(np.array([[5, 5], [40, 9], [22, 33]], np.float64), 48, 40)
    expected = grown_reference(torch.from_numpy(plane).double(), pixels)
    assert (np.abs(grown(plane, pixels) - expected.numpy()) > 1 / 255).mean() < 0.01  # of equally near ones either
    assert grown(np.zeros((4, 4), np.float32), 3).max() == 0


@pytest.mark.parametrize("pixels", [-1.0, 0.0, 1.0, 2.9, 40.0])
def test_near_is_every_pixel_within_the_distance(pixels: float) -> None:
    plane = (np.random.default_rng(2).random((21, 34)) > 0.97).astype(np.float32) * np.float32(0.5)
    places = np.stack(np.indices(plane.shape), -1).reshape(-1, 2)
    apart = np.hypot(*np.moveaxis(places[:, None] - places[plane.ravel() >= 0.5], -1, 0)).min(1)
    assert (near(plane, pixels).ravel() == (apart <= pixels)).all()
    assert not near(np.zeros_like(plane), pixels).any()
