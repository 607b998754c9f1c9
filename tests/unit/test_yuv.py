"""Blending pictures onto YUV planes, against a composite made in RGB with float64."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from kernels import yuv

MATRICES: tuple[yuv.Matrix, ...] = ("bt601", "bt709", "bt2020")


def picture(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 4), dtype=np.uint8)


def flat(height: int, width: int, color: tuple[int, int, int]) -> yuv.Planes:
    half = ((height + 1) // 2, (width + 1) // 2)
    y, u, v = (np.full(s, c, np.uint8) for s, c in zip(((height, width), half, half), color, strict=True))
    return y, u, v


def to_rgb(y: float, cb: float, cr: float, matrix: yuv.Matrix) -> NDArray[np.float64]:
    """The inverse of the standard's matrix, written out from Kr and Kb."""
    kr, kb = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}[matrix]
    luma, pb, pr = (y - 16) / 219, (cb - 128) / 224, (cr - 128) / 224
    red, blue = luma + 2 * (1 - kr) * pr, luma + 2 * (1 - kb) * pb
    return np.array([red, (luma - kr * red - kb * blue) / (1 - kr - kb), blue])


@pytest.mark.parametrize(
    ("matrix", "rgb", "expected"),
    [
        ("bt601", (1, 1, 1), (235, 128, 128)),
        ("bt601", (1, 0, 0), (81.481, 90.203, 240)),
        ("bt709", (1, 0, 0), (62.5594, 102.336, 240)),
        ("bt709", (0, 0, 1), (31.8118, 240, 117.729)),
        ("bt2020", (0, 0, 0), (16, 128, 128)),
    ],
)
def test_matrices_are_the_standards(matrix: yuv.Matrix, rgb: tuple[float, ...], expected: tuple[float, ...]) -> None:
    """The published code values of the primaries (ITU-R BT.601, BT.709)."""
    assert yuv.to_yuv(np.array(rgb, np.float64), matrix) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("at", [(10, 8), (11, 7), (-5, -3), (50, 33)])
def test_blend_equals_a_composite_in_rgb(matrix: yuv.Matrix, at: tuple[int, int]) -> None:
    """Luma within rounding of the float64 RGB composite, chroma within rounding of its 2 × 2 means."""
    base, rgba, x, y = (90, 110, 150), picture(21, 27), *at
    frame = flat(48, 64, base)
    mask = picture(21, 27, 5)[..., 0]
    yuv.blend(frame, yuv.layer(rgba, x, y, matrix, 0.7, mask))

    canvas = np.broadcast_to(to_rgb(*base, matrix), (48, 64, 3)).copy()
    alpha = np.zeros((48, 64))
    color = np.zeros((48, 64, 3))
    y0, y1, x0, x1 = max(0, y), min(48, y + 21), max(0, x), min(64, x + 27)
    part = (slice(y0 - y, y1 - y), slice(x0 - x, x1 - x))
    alpha[y0:y1, x0:x1] = (rgba[..., 3] / 255 * 0.7 * (mask / 255))[part]
    color[y0:y1, x0:x1] = (rgba[..., :3] / 255)[part]
    want = yuv.to_yuv(canvas * (1 - alpha[..., None]) + color * alpha[..., None], matrix)
    assert np.abs(frame[0] - want[..., 0]).max() <= 1.01
    means = want.reshape(24, 2, 32, 2, 3).mean(axis=(1, 3))
    assert np.abs(frame[1] - means[..., 1]).max() <= 1.01
    assert np.abs(frame[2] - means[..., 2]).max() <= 1.01


@pytest.mark.parametrize("size", [(48, 64), (47, 63)])
@pytest.mark.parametrize("at", [(3, 5), (-9, 20), (40, 40), (100, 0)])
def test_fast_equals_reference(size: tuple[int, int], at: tuple[int, int]) -> None:
    fast, plain = flat(*size, (77, 99, 180)), flat(*size, (77, 99, 180))
    layer = yuv.layer(picture(30, 33), *at, "bt709", 0.9)
    yuv.blend(fast, layer)
    yuv.blend_reference(plain, layer)
    assert all(np.array_equal(a, b) for a, b in zip(fast, plain, strict=True))


def test_opaque_replaces_and_transparent_leaves() -> None:
    frame = flat(20, 20, (50, 60, 70))
    rgba = np.zeros((20, 20, 4), np.uint8)
    rgba[:, :10] = (255, 255, 255, 255)
    yuv.blend(frame, yuv.layer(rgba, 0, 0, "bt709"))
    assert (frame[0][:, :10] == 235).all()
    assert (frame[0][:, 10:] == 50).all()
    assert (frame[1][:, :5] == 128).all()
    assert (frame[1][:, 5:] == 60).all()


def test_opacity_scales_the_alpha() -> None:
    """Against the mean of the two colors by hand."""
    frame = flat(16, 16, (200, 90, 160))
    picture = yuv.layer(np.full((16, 16, 4), 255, np.uint8), 0, 0, "bt709")
    yuv.blend(frame, picture, 0.25)
    assert (frame[0] == round(200 + (235 - 200) * 0.25)).all()
    assert (frame[1] == round(90 + (128 - 90) * 0.25)).all()


def test_subsampled_mask_is_the_mean_of_blocks() -> None:
    luma, chroma, _ = yuv.subsample(np.array([[0, 255, 255], [255, 255, 0], [0, 0, 255]], np.uint8))
    assert luma.shape == (3, 3)
    assert chroma.tolist() == [[191, 128], [0, 255]]


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="uint8"):
        yuv.layer(np.zeros((4, 4, 3), np.uint8), 0, 0, "bt709")
    with pytest.raises(ValueError, match="mask"):
        yuv.layer(picture(4, 4), 0, 0, "bt709", 1.0, np.zeros((5, 4), np.uint8))
    with pytest.raises(ValueError, match="opacity"):
        yuv.layer(picture(4, 4), 0, 0, "bt709", 1.5)


@pytest.mark.parametrize("size", [(360, 640), (18, 32), (17, 31), (721, 1283), (5, 6), (200, 33)])
def test_coarse_means_are_those_of_the_reference(size: tuple[int, int]) -> None:
    luma = np.random.default_rng(2).integers(0, 256, size, dtype=np.uint8)
    rows, columns = min(18, size[0]), min(32, size[1])
    width = size[1] - size[1] % 4  # the columns behind it are padding
    columns = min(columns, width)
    expected = yuv.coarse_reference(luma, width, rows, columns)
    assert np.array_equal(yuv.coarse(luma, width, rows, columns), expected)


@pytest.mark.parametrize("given", MATRICES)
@pytest.mark.parametrize("wanted", MATRICES)
@pytest.mark.parametrize("size", [(12, 18), (7, 5)])
def test_another_matrix_shows_the_same_colors(given: yuv.Matrix, wanted: yuv.Matrix, size: tuple[int, int]) -> None:
    """Against RGB in float64, of planes whose rows are padded."""
    half = ((size[0] + 1) // 2, (size[1] + 1) // 2)
    random = np.random.default_rng(3)
    y, cb, cr = (
        random.integers(60, 190, (rows, columns + 4), dtype=np.uint8)[:, :columns]
        for rows, columns in (size, half, half)
    )
    made = yuv.recolored((y, cb, cr), given, wanted)
    assert [plane.shape for plane in made] == [size, half, half]
    for row in range(size[0]):
        for column in range(size[1]):
            at = (row // 2, column // 2)
            rgb = to_rgb(float(y[row, column]), float(cb[at]), float(cr[at]), given)
            expected = yuv.to_yuv(rgb, wanted)
            assert [made[0][row, column], made[1][at], made[2][at]] == pytest.approx(expected, abs=0.51)
