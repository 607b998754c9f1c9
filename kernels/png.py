"""PNG of whole pictures, fast: strips of rows are filtered and deflated side by side and joined into one zlib stream.

Each strip but the last ends in a full flush, on a byte boundary and with nothing referred back to, so strips need
nothing of each other but the row above. Their height follows from the picture's width alone: the bytes do not depend on
the number of threads. A strip whose residuals hardly repeat, as a photograph's, is coded without a search for matches
(`kernels.png_huffman`), another by ISA-L. PNG (Third Edition) for the chunks, RFC 1950 for Adler-32 and the header.
"""

from __future__ import annotations

import struct
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
from isal import isal_zlib

from kernels import png_huffman
from kernels.compiled import unlocked
from kernels.png_filters import filter_rows, is_opaque, without_alpha

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOR_TYPES = {1: 0, 3: 2, 4: 6}
"""Channels -> PNG's color type."""
LEVEL = 1
"""ISA-L's: 2 and 3 take up to twice as long for one part in a hundred."""
STRIP_BYTES = 512 << 10
"""Of unfiltered rows: the output stays in a core's cache, and the lost window costs a thousandth of the size."""
SAMPLE_BYTES = 16 << 10
"""Of a strip, from its middle: what is deflated both ways to choose by."""
WORTH = 1.08
"""By how much the sample without matches may be the larger: a search for them takes three times as long."""
ZLIB_HEADER = b"\x78\x01"
MODULUS = 65521
INCHES_PER_METER = 1 / 0.0254


def encode_png(pixels: np.ndarray, *, threads: int = 1, dpi: int | None = None, profile: bytes | None = None) -> bytes:
    """A picture as a PNG file; equal bytes for equal arguments, `threads` aside.

    `pixels` is uint8 or uint16, [h, w] or [h, w, 1] grey, [h, w, 3] RGB or [h, w, 4] straight RGBA; 8-bit RGBA that
    is opaque everywhere is written as RGB. `profile` is an ICC profile, named "ICC Profile" in the file. Raises
    ValueError for other shapes or types and for an empty picture.
    """
    if pixels.ndim == 2:
        pixels = pixels[..., np.newaxis]
    if pixels.ndim != 3 or pixels.shape[2] not in COLOR_TYPES or not pixels.size:
        raise ValueError(f"pixels must be [h, w] or [h, w, 1, 3 or 4], none of it zero; got {list(pixels.shape)}")
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"pixels must be uint8 or uint16; got {pixels.dtype}")
    height, width, channels = pixels.shape
    depth = pixels.dtype.itemsize
    pixels = unlocked(np.ascontiguousarray(pixels))
    drop_alpha = channels == 4 and depth == 1 and bool(is_opaque(pixels))
    if drop_alpha:
        channels = 3

    def rows(top: int, bottom: int) -> np.ndarray:
        part = pixels[top:bottom]
        if drop_alpha:
            part = without_alpha(part)
        if depth == 2:
            part = part.astype(">u2").view(np.uint8)
        return part.reshape(bottom - top, width * channels * depth)

    row_bytes = width * channels * depth
    strip_rows = max(1, STRIP_BYTES // row_bytes)

    def strip(top: int) -> tuple[bytes, int, int]:
        """The strip's deflate blocks as an IDAT chunk; Adler-32 and length of its filtered rows."""
        bottom = min(top + strip_rows, height)
        above = rows(top - 1, top)[0] if top else np.zeros(row_bytes, np.uint8)
        filtered = np.empty((bottom - top, row_bytes + 1), np.uint8)
        filter_rows(rows(top, bottom), above, channels * depth, filtered)
        data = filtered.reshape(-1)
        blocks = _deflated(data, bottom == height)
        return _chunk(b"IDAT", blocks if top else ZLIB_HEADER + blocks), isal_zlib.adler32(data.data), data.size

    tops = range(0, height, strip_rows)
    count = min(threads, len(tops))
    strips = list(_executor(count).map(strip, tops) if count > 1 else map(strip, tops))
    checksum = 1
    for _, adler, size in strips:
        checksum = combined_adler32(checksum, adler, size)
    header = struct.pack(">IIBBBBB", width, height, 8 * depth, COLOR_TYPES[channels], 0, 0, 0)
    head = [SIGNATURE, _chunk(b"IHDR", header)]
    if profile is not None:
        head.append(_chunk(b"iCCP", b"ICC Profile\0\0" + isal_zlib.compress(profile)))
    if dpi is not None:
        per_meter = round(dpi * INCHES_PER_METER)
        head.append(_chunk(b"pHYs", struct.pack(">IIB", per_meter, per_meter, 1)))
    tail = [_chunk(b"IDAT", struct.pack(">I", checksum)), _chunk(b"IEND", b"")]
    return b"".join([*head, *(chunk for chunk, _, _ in strips), *tail])


def _deflated(data: np.ndarray, last: bool) -> bytes:
    """uint8 [n] as deflate blocks that end on a byte and are referred to by nothing after them."""
    middle = max(0, data.size - SAMPLE_BYTES) // 2
    sample = data[middle : middle + SAMPLE_BYTES]  # counting the whole costs flat pictures more than all else here
    counts = png_huffman.counts_of(sample)
    if png_huffman.bits_of(counts, png_huffman.lengths_of(counts)) / 8 > WORTH * len(_matched(sample, True)):
        return _matched(data, last)
    counts = png_huffman.counts_of(data)
    lengths = png_huffman.lengths_of(counts)
    out = np.empty(png_huffman.bits_of(counts, lengths) // 8 + png_huffman.ROOM, np.uint8)
    return out[: png_huffman.block(data, lengths, last, out)].tobytes()


def _matched(data: np.ndarray, last: bool) -> bytes:
    """The same by ISA-L, which finds what repeats."""
    deflate = isal_zlib.compressobj(LEVEL, isal_zlib.DEFLATED, -isal_zlib.MAX_WBITS)
    return deflate.compress(data.data) + deflate.flush(isal_zlib.Z_FINISH if last else isal_zlib.Z_FULL_FLUSH)


def combined_adler32(first: int, second: int, size: int) -> int:
    """The Adler-32 of two byte strings joined, from those of each and the second one's length."""
    a = ((first & 0xFFFF) + (second & 0xFFFF) - 1) % MODULUS
    b = ((first >> 16) + (second >> 16) + size * ((first & 0xFFFF) - 1)) % MODULUS
    return b << 16 | a


def _chunk(type: bytes, data: bytes) -> bytes:
    checksum = isal_zlib.crc32(data, isal_zlib.crc32(type))
    return b"".join([struct.pack(">I", len(data)), type, data, struct.pack(">I", checksum)])


@cache
def _executor(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="png")


def warm() -> None:
    """Compiles the loops ahead of the first picture."""
    for channels, dtype in ((4, np.uint8), (1, np.uint8), (1, np.uint16)):
        encode_png(np.zeros((1, 1, channels), dtype))
    encode_png(np.full((1, 1, 4), 255, np.uint8))


__all__ = ["COLOR_TYPES", "combined_adler32", "encode_png", "warm"]
