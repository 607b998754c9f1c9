"""Deflate without matches, compiled: one block whose bytes are coded by Huffman lengths of their own (RFC 1951, 3.2.7).

What a row filter leaves of a photograph hardly repeats: a search for matches takes most of the time and gives less than
codes that fit. 512 KiB are one block.
"""

# numba's decorators are untyped
# mypy: disable-error-code="misc, untyped-decorator, no-untyped-call, no-untyped-def, assignment"
from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

SYMBOLS = 257
"""Every byte, and the end of the block."""
END = 256
LONGEST = 15
"""Bits of a code."""
ROOM = 192
"""Bytes that a block may take beside its data's bits: 139 of head, the end, and what makes it end on a byte."""

_OPTIONS: dict[str, Any] = {"nogil": True, "boundscheck": False, "error_model": "numpy"}
_OUTER = _OPTIONS | {"cache": True}


@njit(**_OUTER)
def counts_of(data):
    """int64 [257]: how often each byte of uint8 [n] is there, and the end, once."""
    parts = np.zeros((4, 256), np.int64)  # a count waits for the last one of the same byte: four take turns
    a, b, c, d = parts[0], parts[1], parts[2], parts[3]
    whole = data.size // 4 * 4
    for x in range(0, whole, 4):
        a[data[x]] += 1
        b[data[x + 1]] += 1
        c[data[x + 2]] += 1
        d[data[x + 3]] += 1
    for x in range(whole, data.size):
        a[data[x]] += 1
    counts = np.ones(SYMBOLS, np.int64)
    for symbol in range(256):
        counts[symbol] = a[symbol] + b[symbol] + c[symbol] + d[symbol]
    return counts


@njit(**_OPTIONS)
def _huffman(counts):
    """Lengths of an optimal code, not limited, by two queues: of the leaves and of the nodes, each in ascending order.
    `counts` int64 [257], two of them at least not 0."""
    lengths = np.zeros(SYMBOLS, np.int64)
    order = np.argsort(counts, kind="mergesort")
    order = order[SYMBOLS - np.count_nonzero(counts) :]
    leaves = order.size
    weights, parents = np.empty(2 * leaves, np.int64), np.zeros(2 * leaves, np.int64)
    for i in range(leaves):
        weights[i] = counts[order[i]]
    leaf, node = 0, leaves
    for made in range(leaves, 2 * leaves - 1):
        weights[made] = 0
        for _ in range(2):
            if leaf < leaves and (node >= made or weights[leaf] <= weights[node]):
                least, leaf = leaf, leaf + 1
            else:
                least, node = node, node + 1
            weights[made] += weights[least]
            parents[least] = made
    depths = np.zeros(2 * leaves, np.int64)
    for i in range(2 * leaves - 3, -1, -1):
        depths[i] = depths[parents[i]] + 1
    for i in range(leaves):
        lengths[order[i]] = depths[i]
    return lengths


@njit(**_OUTER)
def lengths_of(counts):
    """int64 [257] of 0..15: the bits of each symbol's code, 0 where it does not occur.

    Counts that would need longer codes are evened out by halves until they do not.
    """
    counts = counts.copy()
    while True:
        lengths = _huffman(counts)
        if lengths.max() <= LONGEST:
            return lengths
        for symbol in range(SYMBOLS):
            counts[symbol] = (counts[symbol] + 1) // 2


@njit(**_OUTER)
def bits_of(data, lengths):
    """What uint8 [n] takes by these lengths, the head aside."""
    total = 0
    for x in range(data.size):
        total += lengths[data[x]]
    return total


@njit(**_OPTIONS)
def _codes(lengths):
    """uint64 [257]: canonical codes (RFC 1951, 3.2.2), their first bit lowest, and from bit 16 on their lengths."""
    codes = np.zeros(SYMBOLS, np.uint64)
    code = 0
    for bits in range(1, LONGEST + 1):
        for symbol in range(SYMBOLS):
            if lengths[symbol] == bits:
                turned = 0
                for k in range(bits):
                    turned |= ((code >> k) & 1) << (bits - 1 - k)
                codes[symbol] = turned | bits << 16
                code += 1
        code <<= 1
    return codes


@njit(**_OUTER)
def block(data, lengths, last, out):
    """The block of uint8 [n] into uint32 `out`, of which every number's lowest byte comes first, and its bytes.

    It ends on a byte: the `last` one of a stream as such, another by an empty stored block. `out` has room for
    data's bits and ROOM bytes.
    """
    codes = _codes(lengths)
    held, bits, at = np.uint64(0), np.uint64(0), 0
    # Last block or not, own codes; 257 of them, 2 of distances, 19 of lengths; these: 16 of 4 bits, none for repeats.
    fields = np.zeros((5 + 19 + SYMBOLS + 2, 2), np.uint64)
    head = (np.uint64(last), 1), (np.uint64(2), 2), (np.uint64(0), 5), (np.uint64(1), 5), (np.uint64(15), 4)
    for i in range(5):
        fields[i, 0], fields[i, 1] = head[i]
    for i in range(19):
        fields[5 + i, 0], fields[5 + i, 1] = 0 if i < 3 else 4, 3  # the first three are the repeats
    for i in range(SYMBOLS + 2):
        length = lengths[i] if i < SYMBOLS else 1  # two distances, which nothing uses: some readers want a whole code
        turned = (length & 1) << 3 | (length & 2) << 1 | (length & 4) >> 1 | (length & 8) >> 3
        fields[24 + i, 0], fields[24 + i, 1] = turned, 4
    full, low = np.uint64(31), np.uint64(0xFFFFFFFF)
    sixteen, five, code_bits = np.uint64(16), np.uint64(5), np.uint64(0xFFFF)
    for i in range(len(fields)):
        held |= fields[i, 0] << bits
        bits += fields[i, 1]
        out[at] = np.uint32(held & low)
        step = bits >> five  # 1 where 32 bits are full: no branch, which nothing could foretell
        at += np.int64(step)
        held >>= step << five
        bits &= full
    pairs = data.size // 2
    for i in range(pairs):
        first, second = codes[data[2 * i]], codes[data[2 * i + 1]]
        held |= (first & code_bits) << bits
        bits += first >> sixteen
        held |= (second & code_bits) << bits
        bits += second >> sixteen
        out[at] = np.uint32(held & low)
        step = bits >> five
        at += np.int64(step)
        held >>= step << five
        bits &= full
    tail = np.zeros((4, 2), np.uint64)
    if data.size % 2:
        tail[0, 0], tail[0, 1] = codes[data[data.size - 1]] & code_bits, codes[data[data.size - 1]] >> sixteen
    tail[1, 0], tail[1, 1] = codes[END] & code_bits, codes[END] >> sixteen
    for i in range(4):
        if i == 2:  # to a whole byte: zeros, of which the first three begin the stored block
            pad = np.uint64(0 if last else 3)
            tail[2, 1] = pad + (np.uint64(8) - ((bits + pad) & np.uint64(7)) & np.uint64(7))
        if i == 3 and not last:
            tail[3, 0], tail[3, 1] = np.uint64(0xFFFF0000), np.uint64(32)
        held |= tail[i, 0] << bits
        bits += tail[i, 1]
        out[at] = np.uint32(held & low)
        step = bits >> five
        at += np.int64(step)
        held >>= step << five
        bits &= full
    out[at] = np.uint32(held & low)
    return 4 * at + (np.int64(bits) + 7) // 8


__all__ = ["ROOM", "bits_of", "block", "counts_of", "lengths_of"]
