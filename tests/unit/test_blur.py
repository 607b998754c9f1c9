"""The Gaussian against the sampled kernel and against another library."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage import data

from kernels.blur import DIRECT_BELOW, Edge, gaussian, gaussian_reference, gaussian_rgba

SIGMAS = [0.5, 1, 3.9, 4, 5, 7.9, 8, 11.9, 12, 13.7, 20, 24, 40, 48, 100]


def plane(seed: int = 0, shape: tuple[int, ...] = (150, 210)) -> np.ndarray:
    """Hard edges and noise, 0..1."""
    rng = np.random.default_rng(seed)
    values = (rng.random(shape) > 0.7).astype(np.float32)
    values[40:90, 60:160] = 1
    return values


@pytest.mark.parametrize("edge", ["zero", "replicate"])
@pytest.mark.parametrize("sigma", SIGMAS)
def test_it_agrees_with_the_reference(sigma: float, edge: Edge) -> None:
    expected = gaussian_reference(torch.from_numpy(plane()).double(), sigma, edge=edge).numpy()
    assert np.abs(gaussian(plane(), sigma, edge=edge) - expected).max() <= 1 / 255


@pytest.mark.parametrize(("edge", "mode"), [("zero", "constant"), ("replicate", "nearest")])
@pytest.mark.parametrize("sigma", SIGMAS)
def test_the_reference_is_the_gaussian_of_scipy(sigma: float, edge: Edge, mode: str) -> None:
    expected = gaussian_filter(plane().astype(np.float64), sigma, mode=mode, truncate=6)
    got = gaussian_reference(torch.from_numpy(plane()).double(), sigma, edge=edge).numpy()
    np.testing.assert_allclose(got, expected, atol=1e-6)


def colors(rectangles: int) -> list[np.ndarray]:
    """A photograph, gratings at any phase, noise, and `rectangles` pictures of hard-edged ones: uint8 [h, w, 3]."""
    rng = np.random.default_rng(5)
    found = [data.astronaut()[100:300, 150:380], rng.integers(0, 2, (140, 170, 3), np.uint8) * 255]
    for period in (2, 3, 8, 17, 64):
        columns = ((np.arange(180) + rng.integers(0, period)) % period < period / 2).astype(np.uint8) * 255
        found.append(np.ascontiguousarray(np.broadcast_to(columns[None, :, None], (130, 180, 3))))
    for _ in range(rectangles):
        picture = np.zeros((70, 85, 3), np.uint8)
        for _ in range(12):
            y, x = rng.integers(0, 70), rng.integers(0, 85)
            picture[y : y + rng.integers(1, 45), x : x + rng.integers(1, 45)] = rng.integers(0, 2, 3) * 255
        found.append(picture)
    return found


def pictures() -> list[np.ndarray]:
    """uint8 [h, w, 4], alphas of 0, 90 and 255."""
    rng = np.random.default_rng(6)
    return [np.dstack([c, rng.choice(np.array([0, 90, 255], np.uint8), c.shape[:2])]) for c in colors(6)]


@pytest.mark.parametrize("sigma", [0.5, 1, 2, 3.9, 4, 5, 12, 30])
def test_an_opaque_picture_is_blurred_within_the_bound(sigma: float) -> None:
    """100 pictures with hard edges, gratings, noise and a photograph. Below `DIRECT_BELOW` it is another library's."""
    for color in colors(100):
        expected = gaussian_filter(color.astype(np.float64), sigma, mode="nearest", truncate=6, axes=(0, 1))
        got = gaussian_rgba(np.dstack([color, np.full(color.shape[:2], 255, np.uint8)]), sigma)
        assert (got[..., 3] == 255).all()
        assert np.abs(got[..., :3] - expected).max() <= (1 if sigma >= DIRECT_BELOW else 4)


def test_one_clear_pixel_has_no_part_in_the_colours() -> None:
    picture = np.full((40, 50, 4), 255, np.uint8)
    picture[20, 30] = (0, 0, 0, 0)
    got = gaussian_rgba(picture, 2)
    assert (got[..., :3] == 255).all()
    assert got[20, 30, 3] < 250


def test_what_became_clear_is_black() -> None:
    picture = np.zeros((60, 60, 4), np.uint8)
    picture[:4, :4] = 200
    for sigma in (2, 6):
        got = gaussian_rgba(picture, sigma, edge="zero")
        assert (got[got[..., 3] == 0] == 0).all()
        assert (got[50:, 50:] == 0).all()


@pytest.mark.parametrize("edge", ["zero", "replicate"])
@pytest.mark.parametrize("sigma", [1, 3, 5, 12, 24, 30, 60])
def test_a_picture_is_blurred_premultiplied_within_one_of_255(sigma: float, edge: Edge) -> None:
    for picture in pictures():
        planes = picture.astype(np.float64)
        planes[..., :3] *= planes[..., 3:] / 255
        mode = "constant" if edge == "zero" else "nearest"
        expected = gaussian_filter(planes, sigma, mode=mode, truncate=6, axes=(0, 1))
        got = gaussian_rgba(picture, sigma, edge=edge).astype(np.float64)
        assert np.abs(got[..., 3] - expected[..., 3]).max() <= 1
        assert np.abs(got[..., :3] * expected[..., 3:] / 255 - expected[..., :3]).max() <= 1


@pytest.mark.parametrize("sigma", [2, 5, 30])
def test_bytes_do_not_follow_the_threads(sigma: float) -> None:
    picture = pictures()[0]
    assert gaussian_rgba(picture, sigma, threads=1).tobytes() == gaussian_rgba(picture, sigma, threads=2).tobytes()


def test_channels_are_blurred_alike() -> None:
    stacked = np.dstack([plane(seed) for seed in range(4)])
    for sigma in (5, 20):
        got = gaussian(stacked, sigma)
        for channel in range(4):
            np.testing.assert_allclose(got[..., channel], gaussian(stacked[..., channel].copy(), sigma), atol=1e-5)


def test_sigma_zero_is_a_copy() -> None:
    source = plane()
    got = gaussian(source, 0)
    assert (got == source).all()
    assert not np.shares_memory(got, source)


def test_the_sum_is_kept_where_nothing_reaches_the_edge() -> None:
    source = np.zeros((400, 400), np.float32)
    source[190:210, 190:210] = 1
    for sigma in (3, 20):
        assert gaussian(source, sigma).sum(dtype=np.float64) == pytest.approx(400, rel=1e-3)


@pytest.mark.parametrize("sigma", [-1, float("nan"), float("inf")])
def test_a_malformed_sigma_is_refused(sigma: float) -> None:
    with pytest.raises(ValueError, match="sigma"):
        gaussian(plane(), sigma)


def test_a_plane_of_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="float32"):
        gaussian(np.zeros((3, 3), np.uint8), 1)
