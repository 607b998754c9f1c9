"""HDR to SDR: 10-bit BT.2020 with the PQ or the HLG transfer, made into 8-bit BT.709, limited range, 4:2:0.

Per pixel, R G B in 0..1 unless said otherwise:

1. Y'CbCr of BT.2020 to R'G'B' (BT.2020, Kr 0.2627, Kb 0.0593, limited range).
2. To light in cd/m²: PQ by the EOTF of SMPTE ST 2084; HLG by the inverse OETF of BT.2100 and its OOTF for a display of
   1000 cd/m² (gamma 1.2).
3. Divided by 203 cd/m², the reference white of BT.2408, so that graphics white becomes 1.
4. The tone curve: the largest channel m up to 0.6 stays, what is above bends towards 1, which 1000 cd/m² reaches:
   0.6 + 0.4 · t (1 + k t) / (1 + t) with t = (m - 0.6) / 0.4, an extended Reinhard shoulder; all channels are scaled
   alike, so hues stay.
5. Primaries BT.2020 to BT.709 (matrix of BT.2087), cut to 0..1, then the inverse of BT.1886 (gamma 2.4).
6. R'G'B' to Y'CbCr of BT.709.

Pairs: `tone_mapped` (compiled, transfer curves by table) and `reference` (float64, curves as formulas); policy: within
2 of 255.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kernels.compiled import compiled

Transfer = Literal["pq", "hlg"]
Wide = NDArray[np.uint16]
Floats = NDArray[np.float64]
TRANSFERS: dict[int, Transfer] = {16: "pq", 18: "hlg"}
"""AVColorTransferCharacteristic -> transfer."""

WHITE = 203.0
PEAK = 1000.0
KNEE = 0.6
ROOM = 1 - KNEE
TOP = (PEAK / WHITE - KNEE) / ROOM
BEND = 1 / TOP**2
"""k of the shoulder: at t = TOP, t (1 + k t) / (1 + t) is 1."""
GAMMA = 2.4
STEPS = 4096
PRIMARIES = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]])
KR, KB = 0.2627, 0.0593
LUMA = (KR, 1 - KR - KB, KB)


def light(values: Floats, transfer: Transfer) -> Floats:
    """Encoded 0..1 as light; PQ in units of WHITE, HLG scene light 0..1 (its OOTF looks at all channels)."""
    if transfer == "pq":
        m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
        root = np.clip(values, 0, 1) ** (1 / m2)
        return np.asarray(10000 / WHITE * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1))
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    low, high = values**2 / 3, (np.exp((values - c) / a) + b) / 12
    return np.asarray(np.where(values <= 0.5, low, high))


def reference(planes: tuple[Wide, Wide, Wide], transfer: Transfer) -> Floats:
    """[H, W, 3] unrounded Y, Cb, Cr of BT.709 (16..235, 16..240) before chroma is subsampled.

    planes: 10-bit Y [H, W], Cb and Cr [ceil(H/2), ceil(W/2)], limited range.
    """
    height, width = planes[0].shape
    chroma = [np.repeat(np.repeat(p, 2, 0), 2, 1)[:height, :width].astype(np.float64) for p in planes[1:]]
    luma = (planes[0] - 64.0) / 876
    blue, red = luma + 2 * (1 - KB) * (chroma[0] - 512) / 896, luma + 2 * (1 - KR) * (chroma[1] - 512) / 896
    green = (luma - KR * red - KB * blue) / (1 - KR - KB)
    rgb = light(np.clip(np.stack([red, green, blue], -1), 0, 1), transfer)
    if transfer == "hlg":
        scene = rgb @ np.array(LUMA)
        rgb = rgb * (PEAK / WHITE * np.maximum(scene, 1e-9) ** 0.2)[..., None]
    most = rgb.max(-1, keepdims=True)
    t = np.maximum(most - KNEE, 0) / ROOM
    bent = np.where(most > KNEE, KNEE + ROOM * np.minimum(t * (1 + BEND * t) / (1 + t), 1), most)
    rgb = np.clip(rgb * bent / np.maximum(most, 1e-9) @ PRIMARIES.T, 0, 1) ** (1 / GAMMA)
    y = rgb @ np.array([0.2126, 0.7152, 0.0722])
    cb, cr = (rgb[..., 2] - y) / 1.8556, (rgb[..., 0] - y) / 1.5748
    return np.stack([16 + 219 * y, 128 + 224 * cb, 128 + 224 * cr], -1)


def tone_mapped(planes: tuple[Wide, Wide, Wide], transfer: Transfer) -> tuple[NDArray[np.uint8], ...]:
    """8-bit Y [H, W], Cb and Cr [ceil(H/2), ceil(W/2)] of BT.709, limited range; planes as for `reference`."""
    luma, cb, cr = planes
    if luma.dtype != np.uint16 or cb.shape != tuple((side + 1) // 2 for side in luma.shape):
        raise ValueError(f"planes are uint16 and 4:2:0; got {luma.dtype} {luma.shape} and {cb.shape}")
    made = np.empty(luma.shape, np.uint8), np.empty(cb.shape, np.uint8), np.empty(cb.shape, np.uint8)
    table, power, encode = _tables(transfer)
    _map(luma, cb, cr, table, power, encode, PRIMARIES.astype(np.float32), *made)
    return made


@cache
def _tables(transfer: Transfer) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Encoded -> light; scene luminance -> the OOTF's factor (PQ: 1); square root of light 0..1 -> encoded.

    The last one is entered by the root, where its slope is even.
    """
    steps = np.linspace(0, 1, STEPS)
    factor = PEAK / WHITE * np.maximum(steps**2, 1e-9) ** 0.2 if transfer == "hlg" else np.ones(STEPS)
    made = (light(steps, transfer), factor, steps ** (2 / GAMMA))
    return tuple(table.astype(np.float32) for table in made)  # type: ignore[return-value]


@compiled
def _at(table, where):  # type: ignore[no-untyped-def]
    """A table's value, between its steps by a line; where: 0..1."""
    place = min(max(where, np.float32(0)), np.float32(1)) * np.float32(STEPS - 1)
    step = min(np.int32(place), np.int32(STEPS - 2))
    part = place - np.float32(step)
    return table[step] + (table[step + 1] - table[step]) * part


@compiled
def _map(luma, cb, cr, table, power, encode, primaries, out_y, out_cb, out_cr):  # type: ignore[no-untyped-def]
    height, width = luma.shape
    rgb = np.empty(3, np.float32)
    for row in range(cb.shape[0]):
        for column in range(cb.shape[1]):
            blue_part = np.float32((cb[row, column] - 512.0) * (2 * (1 - KB) / 896))
            red_part = np.float32((cr[row, column] - 512.0) * (2 * (1 - KR) / 896))
            blue_sum, red_sum, count = np.float32(0), np.float32(0), np.float32(0)
            for y in range(2 * row, min(2 * row + 2, height)):
                for x in range(2 * column, min(2 * column + 2, width)):
                    grey = np.float32((luma[y, x] - 64.0) / 876)
                    red, blue = grey + red_part, grey + blue_part
                    green = np.float32((grey - KR * red - KB * blue) / (1 - KR - KB))
                    red, green, blue = _at(table, red), _at(table, green), _at(table, blue)
                    scene = np.float32(LUMA[0]) * red + np.float32(LUMA[1]) * green + np.float32(LUMA[2]) * blue
                    factor = _at(power, np.sqrt(scene)) if power[0] != power[STEPS - 1] else np.float32(1)
                    most = max(red, max(green, blue)) * factor
                    if most > KNEE:
                        t = np.float32((most - KNEE) / ROOM)
                        bent = np.float32(t * (1 + BEND * t) / (1 + t))
                        factor = factor * np.float32((KNEE + ROOM * min(bent, np.float32(1))) / most)
                    for index in range(3):
                        part = primaries[index, 0] * red + primaries[index, 1] * green + primaries[index, 2] * blue
                        rgb[index] = _at(encode, np.sqrt(min(max(part * factor, np.float32(0)), np.float32(1))))
                    made = np.float32(0.2126) * rgb[0] + np.float32(0.7152) * rgb[1] + np.float32(0.0722) * rgb[2]
                    out_y[y, x] = np.uint8(np.float32(16.5) + np.float32(219) * made)
                    blue_sum += rgb[2] - made
                    red_sum += rgb[0] - made
                    count += np.float32(1)
            out_cb[row, column] = np.uint8(np.float32(128.5) + np.float32(224 / 1.8556) * blue_sum / count)
            out_cr[row, column] = np.uint8(np.float32(128.5) + np.float32(224 / 1.5748) * red_sum / count)


def warm() -> None:
    """Compiles ahead."""
    luma, chroma = np.zeros((2, 2), np.uint16), np.zeros((1, 1), np.uint16)
    tone_mapped((luma, chroma, chroma), "pq")


__all__ = ["TRANSFERS", "Transfer", "reference", "tone_mapped", "warm"]
