"""The PNG encoder: what other libraries read back, and bytes that do not depend on threads."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deployments.drawing.encode import srgb_profile
from kernels import png_huffman
from kernels.png import STRIP_BYTES, combined_adler32, encode_png
from kernels.png_filters import BLOCK, SAMPLE, filter_rows

RANDOM = np.random.default_rng(8)
CV_ORDER = {1: np.s_[...], 3: np.s_[..., ::-1], 4: np.s_[..., [2, 1, 0, 3]]}


def by_pillow(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def by_cv2(data: bytes) -> np.ndarray:
    read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return read[CV_ORDER[1 if read.ndim == 2 else read.shape[2]]]


def gradient(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 // width, y * 255 // height, (x + y) * 255 // (width + height)], -1).astype(np.uint8)


def photograph() -> np.ndarray:
    path = Path(skimage.__file__).parent / "data" / "astronaut.png"
    return np.asarray(Image.open(path).convert("RGB").resize((1920, 1080), Image.Resampling.LANCZOS))


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (9, 1), (33, 341), (400, 700)])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_is_lossless_to_two_other_libraries(size: tuple[int, int], channels: int, dtype: type) -> None:
    pixels = RANDOM.integers(0, np.iinfo(dtype).max + 1, (*size, channels), dtype)
    pixels[: size[0] // 2] //= 64  # half of it smooth, so that other filters win
    expected = pixels[..., 0] if channels == 1 else pixels
    data = encode_png(pixels, threads=2)
    assert np.array_equal(by_cv2(data), expected)
    if dtype == np.uint8 or channels == 1:  # Pillow reads deep colour as 8 bits
        assert np.array_equal(by_pillow(data), expected)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 400), st.sampled_from([1, 3, 4]), st.integers(0, 2**32 - 1), st.integers(1, 8)
)
def test_any_size_is_read_back(height: int, width: int, channels: int, seed: int, shift: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8) >> (shift - 1)
    assert np.array_equal(by_pillow(encode_png(pixels)).reshape(pixels.shape), pixels)


def test_strips_are_joined_into_one_stream_whatever_the_threads() -> None:
    pixels = np.dstack([photograph(), np.full((1080, 1920), 77, np.uint8)])
    assert pixels.nbytes > 8 * STRIP_BYTES
    one, many = encode_png(pixels), encode_png(pixels, threads=5)
    assert one == many
    assert np.array_equal(by_pillow(one), pixels)
    assert np.array_equal(by_cv2(one), pixels)


def test_an_opaque_picture_is_written_without_alpha_and_one_clear_pixel_keeps_it() -> None:
    pixels = np.dstack([gradient(50, 60), np.full((50, 60), 255, np.uint8)])
    assert np.array_equal(by_pillow(encode_png(pixels)), pixels[..., :3])
    pixels[49, 59, 3] = 254
    assert np.array_equal(by_pillow(encode_png(pixels)), pixels)


def test_views_are_read_as_they_are_seen() -> None:
    pixels = RANDOM.integers(0, 256, (40, 60, 3), np.uint8)
    assert np.array_equal(by_pillow(encode_png(pixels[::-1, ::2])), pixels[::-1, ::2])


def test_profile_and_resolution_are_in_the_file() -> None:
    image = Image.open(io.BytesIO(encode_png(gradient(8, 8), dpi=300, profile=srgb_profile())))
    assert image.info["icc_profile"] == srgb_profile()
    assert image.info["dpi"] == pytest.approx((300, 300), abs=0.02)


def test_every_chunk_and_the_whole_stream_carry_right_checksums() -> None:
    data, at, stream = encode_png(photograph(), threads=2, dpi=72), 8, b""
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        type, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        assert struct.unpack_from(">I", data, at + 8 + size) == (zlib.crc32(type + body),)
        stream += body if type == b"IDAT" else b""
        at += size + 12
    assert len(zlib.decompress(stream)) == 1080 * (1 + 3 * 1920)  # zlib itself checks the Adler-32


@pytest.mark.parametrize("sizes", [(0, 0), (1, 0), (0, 1), (5, 70_000), (65_521, 65_520), (200_000, 3)])
def test_adler32_of_two_parts_is_that_of_the_whole(sizes: tuple[int, int]) -> None:
    first, second = (RANDOM.bytes(size) for size in sizes)
    joined = combined_adler32(zlib.adler32(first), zlib.adler32(second), len(second))
    assert joined == zlib.adler32(first + second)


@pytest.mark.parametrize("picture", ["photograph", "gradient", "flat"])
@pytest.mark.parametrize("channels", [3, 4])
def test_is_no_larger_than_pillows_fastest(picture: str, channels: int) -> None:
    color = {
        "photograph": photograph(),
        "gradient": gradient(1080, 1920),
        "flat": np.full((1080, 1920, 3), 77, np.uint8),
    }
    pixels = np.dstack([color[picture], np.full((1080, 1920), 254, np.uint8)]) if channels == 4 else color[picture]
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    assert len(encode_png(pixels)) <= (1.0 if picture == "photograph" else 1.2) * len(file.getvalue())


@pytest.mark.parametrize("width", [5, BLOCK * SAMPLE // 3 + 1])
def test_filters_are_those_of_the_standard(width: int) -> None:
    """Undone by the standard's own formulas, pixel by pixel."""
    rows = RANDOM.integers(0, 40, (12, 3 * width)).cumsum(1).astype(np.uint8)
    rows[4:8] = rows[3]
    above = RANDOM.integers(0, 256, 3 * width, np.uint8)
    out = np.empty((12, 3 * width + 1), np.uint8)
    filter_rows(rows, above, 3, out)
    up = above.astype(int)
    for filter, residual, row in zip(out[:, 0], out[:, 1:].astype(int), rows.astype(int), strict=True):
        for x in range(3 * width):
            a, b, c = (row[x - 3] if x >= 3 else 0), up[x], (up[x - 3] if x >= 3 else 0)
            near = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]
            assert row[x] == (residual[x] + (0, a, b, (a + b) // 2, near)[filter]) % 256
        up = row


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((2, 2, 2), np.uint8), np.zeros((0, 2, 3), np.uint8), np.zeros((2, 2), np.float32), np.zeros(4, np.uint8)],
)
def test_what_is_no_picture_is_refused(pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="pixels must be"):
        encode_png(pixels)


def coded(data: np.ndarray, last: bool) -> bytes:
    counts = png_huffman.counts_of(data)
    lengths = png_huffman.lengths_of(counts)
    out = np.empty(png_huffman.bits_of(counts, lengths) // 8 + png_huffman.ROOM + 1, np.uint8)
    out[-1] = 77
    coded = out[: png_huffman.block(data, lengths, last, out)].tobytes()
    assert out[-1] == 77  # it keeps to its room
    return coded


@pytest.mark.parametrize("size", [1, 2, 3, 10, 1001, 300_000])
@pytest.mark.parametrize("spread", [0, 0.4, 5, 80])
def test_a_block_without_matches_is_read_back_by_zlib(size: int, spread: float) -> None:
    data = RANDOM.normal(0, spread, size).astype(np.int64).astype(np.uint8)
    whole = coded(data, True)
    assert zlib.decompress(whole, -15) == data.tobytes()
    assert zlib.decompress(coded(data, False) + whole, -15) == data.tobytes() * 2


def test_a_block_without_matches_is_no_larger_than_zlibs() -> None:
    data = RANDOM.normal(0, 5, 300_000).astype(np.int64).astype(np.uint8)
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_HUFFMAN_ONLY)
    assert len(coded(data, True)) <= 1.001 * len(deflate.compress(data) + deflate.flush())


def test_codes_are_whole_and_no_longer_than_13_bits() -> None:
    counts = np.zeros(257, np.int64)
    counts[:40] = [round(1.618**i) for i in range(40)]  # an optimal code's lengths would be 1 to 39
    counts[256] = 1
    lengths = png_huffman.lengths_of(counts)
    assert lengths.max() == png_huffman.LONGEST == 13
    assert ((lengths > 0) == (counts > 0)).all()
    assert sum(2.0**-length for length in lengths if length) == 1
