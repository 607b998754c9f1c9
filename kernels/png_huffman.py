"""Deflate without matches, compiled: one block whose bytes are coded by Huffman lengths of their own (RFC 1951, 3.2.7).

What a row filter leaves of a photograph hardly repeats: a search for matches takes most of the time and gives less than
codes that fit. 512 KiB are one block. Bytes are coded in pairs, by a table of all 65,536: codes of at most 13 bits let
two pairs and what is left of a byte meet in one number of 64 bits.
"""

# numba's decorators are untyped
# mypy: disable-error-code="misc, untyped-decorator, no-untyped-call, no-untyped-def, call-arg, var-annotated"
from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

SYMBOLS = 257
"""Every byte, and the end of the block."""
END = 256
LONGEST = 13
"""Bits of a code; deflate would allow 15, which a pair has no room for and photographs hardly use."""
ROOM = 192
"""Bytes that a block may take beside its data's codes: 139 of head, the end, what makes it end on a byte, and the last
number, of which only the first bytes count."""
PAIR_BITS, PAIR_CODE = np.uint64(26), np.uint64((1 << 26) - 1)
"""An entry of the table of pairs: a code in the lower 26 bits, its length in the upper 6."""

_OPTIONS: dict[str, Any] = {"nogil": True, "boundscheck": False, "error_model": "numpy"}
_OUTER = _OPTIONS | {"cache": True}


@intrinsic
def _four_bytes(typing_context, address):
    """uint64 of the four bytes at an address (int64), the first one lowest."""

    def generate(context, builder, signature, arguments):
        pointer = builder.inttoptr(arguments[0], ir.IntType(32).as_pointer())
        return builder.zext(builder.load(pointer, align=1), ir.IntType(64))

    return types.uint64(types.int64), generate


@intrinsic
def _store(typing_context, address, value):
    """The eight bytes of a uint64 to an address (int64), the lowest one first."""

    def generate(context, builder, signature, arguments):
        pointer = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        builder.store(arguments[1], pointer, align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.uint64), generate


@njit(**_OUTER)
def counts_of(data):
    """int64 [257]: how often each byte of uint8 [n] is there, and the end, once."""
    parts = np.zeros((4, 256), np.int64)  # a count waits for the last one of the same byte: four take turns
    a, b, c, d = parts[0], parts[1], parts[2], parts[3]
    address, low, whole = np.int64(data.ctypes.data), np.uint64(255), data.size // 4 * 4
    for x in range(0, whole, 4):
        four = _four_bytes(address + x)
        a[four & low] += 1
        b[four >> np.uint64(8) & low] += 1
        c[four >> np.uint64(16) & low] += 1
        d[four >> np.uint64(24)] += 1
    for x in range(whole, data.size):
        a[data[x]] += 1
    counts = np.ones(SYMBOLS, np.int64)
    for symbol in range(256):
        counts[symbol] = a[symbol] + b[symbol] + c[symbol] + d[symbol]
    return counts


@njit(**_OPTIONS)
def _huffman(counts):
    """The symbols that occur, the rarest first, and int64 [257] lengths of an optimal code, not limited. By two queues:
    of the leaves and of the nodes, each in ascending order. `counts` int64 [257], two of them at least not 0."""
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
    return order, lengths


@njit(**_OUTER)
def lengths_of(counts):
    """int64 [257] of 0..LONGEST: the bits of each symbol's code, 0 where it does not occur.

    Longer ones are cut, which asks for more codes than there are; the longest of those that still can grow then grow
    by a bit, each making room for one that was cut, until codes and room are the same.
    """
    order, lengths = _huffman(counts)
    if lengths.max() <= LONGEST:
        return lengths
    sizes = np.zeros(LONGEST + 1, np.int64)
    room = 1 << LONGEST
    for symbol in order:
        bits = min(lengths[symbol], LONGEST)
        sizes[bits] += 1
        room -= 1 << (LONGEST - bits)
    while room < 0:
        shorter = LONGEST - 1
        while sizes[shorter] == 0:
            shorter -= 1
        sizes[shorter] -= 1
        sizes[shorter + 1] += 2
        sizes[LONGEST] -= 1
        room += 1
    symbol = 0
    for bits in range(LONGEST, 0, -1):
        for _ in range(sizes[bits]):
            lengths[order[symbol]] = bits
            symbol += 1
    return lengths


@njit(**_OUTER)
def bits_of(counts, lengths):
    """What so many of each symbol take by these lengths, the head aside."""
    total = 0
    for symbol in range(SYMBOLS):
        total += counts[symbol] * lengths[symbol]
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


@njit(**_OPTIONS)
def _pairs_of(codes):
    """uint32 [65536]: the codes of two bytes, the first one the lower byte of the index; see PAIR_BITS."""
    pairs = np.empty(1 << 16, np.uint32)
    first_codes, first_bits = np.empty(256, np.uint32), np.empty(256, np.uint32)
    for first in range(256):
        first_codes[first] = codes[first] & np.uint64(0xFFFF)
        first_bits[first] = codes[first] >> np.uint64(16)
    for second in range(256):
        code, bits = first_codes[second], first_bits[second]
        row = pairs[second << 8 : (second + 1) << 8]
        for first in range(256):
            length = np.uint32(first_bits[first] + bits)
            row[first] = first_codes[first] | code << first_bits[first] | length << np.uint32(26)
    return pairs


@njit(**_OPTIONS)
def _put(code, length, held, bits, at):
    """Adds up to 52 bits to the `bits` (0..7) that are held, writes all, and gives what is held, how much, and where
    (int64) its byte lies."""
    held |= code << bits
    bits += length
    _store(at, held)
    whole = bits & np.uint64(0xF8)
    return held >> whole, bits - whole, at + np.int64(whole >> np.uint64(3))


@njit(**_OUTER)
def block(data, lengths, last, out):
    """The block of uint8 [n] into uint8 `out`, and its bytes.

    It ends on a byte: the `last` one of a stream as such, another by an empty stored block. `lengths` has a code for
    each byte of the data; `out` has room for the data's bits and ROOM bytes.
    """
    codes = _codes(lengths)
    pairs = _pairs_of(codes)
    held, bits, at = np.uint64(0), np.uint64(0), np.int64(out.ctypes.data)
    # Last block or not, own codes; 257 of them, 2 of distances, 19 of lengths; these: 16 of 4 bits, none for repeats.
    head = (np.uint64(last), 1), (np.uint64(2), 2), (np.uint64(0), 5), (np.uint64(1), 5), (np.uint64(15), 4)
    for i in range(5):
        held, bits, at = _put(head[i][0], np.uint64(head[i][1]), held, bits, at)
    for i in range(19):
        held, bits, at = _put(np.uint64(0 if i < 3 else 4), np.uint64(3), held, bits, at)  # three are the repeats
    for i in range(SYMBOLS + 2):
        length = lengths[i] if i < SYMBOLS else 1  # two distances, which nothing uses: some readers want a whole code
        turned = (length & 1) << 3 | (length & 2) << 1 | (length & 4) >> 1 | (length & 8) >> 3
        held, bits, at = _put(np.uint64(turned), np.uint64(4), held, bits, at)
    address, low = np.int64(data.ctypes.data), np.uint64(0xFFFF)
    whole = data.size // 4 * 4
    for x in range(0, whole, 4):
        four = _four_bytes(address + x)
        first, second = np.uint64(pairs[four & low]), np.uint64(pairs[four >> np.uint64(16)])
        length = first >> PAIR_BITS
        code = (first & PAIR_CODE) | (second & PAIR_CODE) << length
        held, bits, at = _put(code, length + (second >> PAIR_BITS), held, bits, at)
    for x in range(whole, data.size):
        held, bits, at = _put(codes[data[x]] & low, codes[data[x]] >> np.uint64(16), held, bits, at)
    held, bits, at = _put(codes[END] & low, codes[END] >> np.uint64(16), held, bits, at)
    if not last:  # an empty stored block: three zeros, zeros to a whole byte, no bytes and its complement
        held, bits, at = _put(np.uint64(0), np.uint64(3), held, bits, at)
    held, bits, at = _put(np.uint64(0), np.uint64(8) - bits & np.uint64(7), held, bits, at)
    if not last:
        held, bits, at = _put(np.uint64(0xFFFF0000), np.uint64(32), held, bits, at)
    return at - np.int64(out.ctypes.data)


__all__ = ["LONGEST", "ROOM", "bits_of", "block", "counts_of", "lengths_of"]
