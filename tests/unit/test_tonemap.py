"""HDR to SDR: the transfer curves by their standards, the fast execution by the float64 one."""

from __future__ import annotations

import numpy as np
import pytest

from kernels import tonemap
from kernels.tonemap import Transfer


def wide(seed: int, height: int = 34, width: int = 50) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random blocks of legal colors, 10 bits 4:2:0."""
    random = np.random.default_rng(seed)
    half = ((height + 1) // 2, (width + 1) // 2)
    luma = np.repeat(np.repeat(random.integers(64, 941, half), 2, 0), 2, 1)[:height, :width]
    cb, cr = (random.integers(420, 605, half) for _ in range(2))
    return luma.astype(np.uint16), cb.astype(np.uint16), cr.astype(np.uint16)


def grey(luma: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.full((4, 4), luma, np.uint16), np.full((2, 2), 512, np.uint16), np.full((2, 2), 512, np.uint16)


def test_light_by_the_standards() -> None:
    """ST 2084: 0.5806889 is 203 cd/m², 0.7518271 is 1000 (BT.2408, table 1); BT.2100's HLG: 0.5 is a twelfth."""
    assert tonemap.light(np.array([0.5806889]), "pq")[0] == pytest.approx(1, rel=1e-3)
    assert tonemap.light(np.array([0.7518271]), "pq")[0] * 203 == pytest.approx(1000, rel=1e-3)
    assert tonemap.light(np.array([0.0, 0.5, 1.0]), "hlg") == pytest.approx([0, 1 / 12, 1], abs=1e-5)


@pytest.mark.parametrize("transfer", ["pq", "hlg"])
def test_fast_is_the_reference(transfer: Transfer) -> None:
    for size in ((34, 50), (35, 51)):
        planes = wide(3, *size)
        made = tonemap.tone_mapped(planes, transfer)
        wanted = tonemap.reference(planes, transfer)
        assert np.abs(made[0] - wanted[..., 0]).max() <= 2
        for n in (1, 2):
            blocks = np.pad(wanted[..., n], [(0, side & 1) for side in size], mode="edge")
            blocks = blocks.reshape(blocks.shape[0] // 2, 2, -1, 2).mean(axis=(1, 3))
            assert np.abs(made[n] - blocks).max() <= 2


@pytest.mark.parametrize(("transfer", "white", "peak"), [("pq", 573, 723), ("hlg", 721, 940)])
def test_greys_stay_grey_and_rise(transfer: Transfer, white: int, peak: int) -> None:
    """Black is black; light that is brighter is never darker; 1000 cd/m² is white; graphics white is a little less."""
    levels = [tonemap.tone_mapped(grey(code), transfer) for code in range(64, 941, 8)]
    luma = [int(planes[0][0, 0]) for planes in levels]
    assert luma == sorted(luma)
    assert luma[0] == 16
    assert all(abs(int(plane[0, 0]) - 128) <= 1 for planes in levels for plane in planes[1:])
    assert tonemap.tone_mapped(grey(peak), transfer)[0][0, 0] >= 233
    assert 180 <= tonemap.tone_mapped(grey(white), transfer)[0][0, 0] <= 225


def test_what_is_no_wide_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="uint16"):
        tonemap.tone_mapped((np.zeros((4, 4), np.uint8), *grey(64)[1:]), "pq")  # type: ignore[arg-type]
