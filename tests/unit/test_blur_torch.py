"""The Gaussian for CUDA, run on the CPU: against the float64 reference and another library; and on a GPU where there is
one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from kernels import blur, blur_torch
from kernels.blur import Edge, gaussian_reference
from tests.unit.test_blur import SIGMAS, pictures, plane

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here"))]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("edge", ["zero", "replicate"])
@pytest.mark.parametrize("sigma", [0.3, *SIGMAS, 250])
def test_it_agrees_with_the_reference(sigma: float, edge: Edge, device: str) -> None:
    expected = gaussian_reference(torch.from_numpy(plane()).double(), sigma, edge=edge).numpy()
    got = blur_torch.gaussian(plane(), sigma, edge=edge, device=device)
    assert got.dtype == np.float32
    assert np.abs(got - expected).max() <= 1 / 2550  # a tenth of the policy: rounding is not in it


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("edge", ["zero", "replicate"])
@pytest.mark.parametrize("sigma", [2, 12, 30])
def test_a_picture_is_blurred_premultiplied_within_one_of_255(sigma: float, edge: Edge, device: str) -> None:
    for picture in pictures()[::3]:
        planes = picture.astype(np.float64)
        planes[..., :3] *= planes[..., 3:] / 255
        mode = "constant" if edge == "zero" else "nearest"
        expected = gaussian_filter(planes, sigma, mode=mode, truncate=6, axes=(0, 1))
        got = blur_torch.gaussian_rgba(picture, sigma, edge=edge, device=device).astype(np.float64)
        assert np.abs(got[..., 3] - expected[..., 3]).max() <= 1
        assert np.abs(got[..., :3] * expected[..., 3:] / 255 - expected[..., :3]).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (3, 200)])
@pytest.mark.parametrize("sigma", [1, 12, 60])
def test_lines_shorter_than_the_kernel_are_blurred_too(size: tuple[int, int], sigma: float) -> None:
    source = np.random.default_rng(1).random((*size, 3), np.float32)
    for edge in ("zero", "replicate"):
        got = blur_torch.gaussian(source, sigma, edge=edge, device="cpu")
        for channel in range(3):
            given = torch.from_numpy(source[..., channel]).double()
            expected = gaussian_reference(given, sigma, edge=edge).numpy()
            assert np.abs(got[..., channel] - expected).max() <= 1 / 2550


def test_another_device_takes_it() -> None:
    """`meta` is a device of torch that has no values: what it refuses shows that it was asked."""
    for call, given in ((blur.gaussian, plane()), (blur.gaussian_rgba, pictures()[0])):
        with pytest.raises(NotImplementedError, match="meta"):
            call(given, 3, device="meta")
        assert (call(given, 0, device="meta") == given).all()
