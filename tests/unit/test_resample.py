"""Resizing and warps: against the plain twins, other libraries, and pictures whose result is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from kernels import resample as module
from kernels.resample import resize, resize_reference, warp, warp_reference

IDENTITY = np.eye(2, 3)
WARPS = [(0, 1.0), (30, 1.0), (77, 0.7), (10, 0.3), (45, 0.1), (200, 2.3)]


def picture(opaque: bool, seed: int = 0) -> np.ndarray:
    """uint8 [90, 120, 4]: soft noise, a hole, hard edges."""
    pixels = np.random.default_rng(seed).integers(0, 256, (90, 120, 4), dtype=np.uint8)
    pixels = cv2.GaussianBlur(pixels, (0, 0), 1.0)
    pixels[20:40, 20:50, 3] = 0
    pixels[50:70, 60:90] = (255, 0, 128, 255)
    if opaque:
        pixels[..., 3] = 255
    return pixels


def premultiplied(pixels: np.ndarray) -> np.ndarray:
    values = pixels.astype(np.float64)
    values[..., :3] *= values[..., 3:] / 255
    return values


def matrix(degrees: float, scale: float) -> np.ndarray:
    """From an 80 x 70 window to the picture, about both middles."""
    cos, sin = np.cos(np.radians(degrees)) / scale, np.sin(np.radians(degrees)) / scale
    back = np.array([[cos, sin], [-sin, cos]])
    return np.hstack([back, (np.array([60, 45]) - back @ (40, 35))[:, None]])


@pytest.mark.parametrize("opaque", [False, True], ids=["alpha", "opaque"])
@pytest.mark.parametrize("size", [(60, 45), (77, 31), (119, 89), (1, 1), (200, 150), (333, 50), (120, 200), (130, 20)])
def test_resize_agrees_with_its_reference(size: tuple[int, int], opaque: bool) -> None:
    got = resize(picture(opaque), *size)
    assert np.abs(premultiplied(got) - resize_reference(picture(opaque), *size).numpy()).max() <= 1


@pytest.mark.parametrize("opaque", [False, True], ids=["alpha", "opaque"])
@pytest.mark.parametrize("size", [(77, 31), (600, 431), (1000, 20)])
def test_a_window_and_threads_change_no_byte(size: tuple[int, int], opaque: bool) -> None:
    large = np.tile(picture(opaque), (9, 8, 1))
    whole = resize(large, *size)
    assert resize(large, *size, threads=2).tobytes() == whole.tobytes()
    x, y, width, height = window = (size[0] // 3, size[1] // 4, size[0] // 2, size[1] // 2)
    part = resize(large, *size, window=window, threads=2)
    assert (part == whole[y : y + height, x : x + width]).all()


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (90, 3), (3, 90)])
@pytest.mark.parametrize("size", [(1, 1), (7, 9), (2, 40), (61, 2)])
def test_pictures_of_a_few_pixels_are_resized_like_others(shape: tuple[int, int], size: tuple[int, int]) -> None:
    small = picture(False)[: shape[0], 20 : 20 + shape[1]]
    error = np.abs(premultiplied(resize(small, *size)) - resize_reference(small, *size).numpy())
    assert error.max() <= 1


@pytest.mark.parametrize(
    "turned", [np.s_[:, ::-1], np.s_[::-1], np.s_[::2, 1::3]], ids=["mirror", "upside down", "steps"]
)
def test_rows_and_pixels_may_lie_in_any_order(turned: tuple) -> None:
    view = picture(False)[turned]
    assert (resize(view, 50, 40) == resize(view.copy(), 50, 40)).all()


def test_making_larger_is_the_lanczos_of_another_library() -> None:
    expected = cv2.resize(picture(True).astype(np.float32), (333, 250), interpolation=cv2.INTER_LANCZOS4)
    assert np.abs(resize(picture(True), 333, 250) - expected.clip(0, 255)).max() <= 1


@pytest.mark.parametrize("size", [(60, 45), (40, 30), (77, 31)])
def test_making_smaller_is_the_mean_of_areas(size: tuple[int, int]) -> None:
    got = resize(picture(True), *size)[..., :3].astype(int)
    expected = np.asarray(Image.fromarray(picture(True)[..., :3]).resize(size, Image.Resampling.BOX, reducing_gap=None))
    if 120 % size[0] == 0 and 90 % size[1] == 0:
        assert np.abs(got - expected).max() <= 1
    assert abs(got.mean() - expected.mean()) < 1


def test_the_colour_of_what_is_transparent_does_not_bleed() -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, :4] = (255, 0, 0, 255)
    pixels[:, 4:] = (0, 255, 0, 0)
    for size in ((3, 3), (30, 30)):
        got = resize(pixels, *size)
        assert (got[..., 1] == 0).all()
        assert (got[..., 0][got[..., 3] > 8] >= 250).all()


@pytest.mark.parametrize("size", [(3, 5), (90, 40), (200, 300)])
def test_a_plain_colour_stays_as_it_is(size: tuple[int, int]) -> None:
    pixels = np.empty((40, 90, 4), np.uint8)
    pixels[:] = (200, 100, 50, 255)
    assert (resize(pixels, *size) == (200, 100, 50, 255)).all()


def test_an_equal_size_changes_no_byte() -> None:
    assert resize(picture(False), 120, 90).tobytes() == picture(False).tobytes()


def test_a_size_below_one_is_refused() -> None:
    for size, window in (((0, 5), None), ((5, 5), (0, 0, 0, 3))):
        with pytest.raises(ValueError, match="at least one pixel"):
            resize(picture(False), *size, window=window)


def test_a_window_beyond_the_picture_is_refused() -> None:
    for window in ((-1, 0, 3, 3), (3, 0, 3, 3), (0, 4, 1, 2)):
        with pytest.raises(ValueError, match="a window lies within"):
            resize(picture(False), 5, 5, window=window)


@pytest.mark.parametrize("opaque", [False, True], ids=["alpha", "opaque"])
@pytest.mark.parametrize(("degrees", "scale"), WARPS)
def test_warp_agrees_with_its_reference(degrees: float, scale: float, opaque: bool) -> None:
    coverage = np.random.default_rng(1).random((70, 80)).astype(np.float32)
    coverage[:30] = 1
    one, two = (warp(picture(opaque), matrix(degrees, scale), coverage, threads=threads) for threads in (1, 2))
    assert one.tobytes() == two.tobytes()
    expected = warp_reference(picture(opaque), matrix(degrees, scale), coverage)
    assert np.abs(premultiplied(one) - premultiplied(expected)).max() <= 1


def test_without_numba_the_reference_does_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    coverage = np.ones((70, 80), np.float32)
    fast = warp(picture(False), matrix(30, 0.8), coverage)
    monkeypatch.setattr(module, "fast", None)
    slow = warp(picture(False), matrix(30, 0.8), coverage)
    assert np.abs(premultiplied(fast) - premultiplied(slow)).max() <= 1
    larger = resize(picture(False), 200, 77, window=(10, 5, 100, 60))
    monkeypatch.setattr(module, "passes", None)
    slow = resize(picture(False), 200, 77, window=(10, 5, 100, 60))
    assert np.abs(premultiplied(larger) - premultiplied(slow)).max() <= 2


def test_a_warp_that_moves_by_whole_pixels_changes_no_byte() -> None:
    moved = IDENTITY + np.array([[0, 0, 7], [0, 0, 3]])
    got = warp(picture(True), moved, np.ones((40, 60), np.float32))
    assert (got == picture(True)[3:43, 7:67]).all()


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_quarter_turns_are_those_of_numpy(turns: int) -> None:
    source = picture(True)[:60, :60]
    cos, sin = [(1, 0), (0, 1), (-1, 0), (0, -1)][turns]
    back = np.array([[cos, sin], [-sin, cos]], np.float64)
    turned = np.hstack([back, (np.array([30, 30]) - back @ (30, 30))[:, None]])
    assert (warp(source, turned, np.ones((60, 60), np.float32)) == np.rot90(source, -turns)).all()


def test_beyond_the_edge_the_edge_goes_on_and_coverage_ends_it() -> None:
    source = np.full((4, 4, 4), (9, 8, 7, 255), np.uint8)
    coverage = np.zeros((6, 6), np.float32)
    coverage[1:3] = 0.5
    got = warp(source, IDENTITY + np.array([[0, 0, -50], [0, 0, -50]]), coverage)
    assert (got[1:3] == (9, 8, 7, 128)).all()
    assert not got[3:].any()


def test_much_smaller_is_a_mean_and_not_a_sample() -> None:
    checks = np.zeros((512, 512, 4), np.uint8)
    checks[(np.indices((512, 512)).sum(0) % 2) == 0] = 255
    checks[..., 3] = 255
    cos, sin = 10 * np.cos(0.3), 10 * np.sin(0.3)
    inside = np.array([[cos, sin, 150.3], [-sin, cos, 250.7]])
    got = warp(checks, inside, np.ones((10, 10), np.float32))
    assert np.abs(got[..., 0].astype(int) - 128).max() <= 4
