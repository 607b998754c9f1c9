"""Copying pixels past the cache, compiled.

What is copied is read once and written once. A plain store has the line that it falls in read first; one that goes past
the cache writes whole lines and nothing else, two thirds of the traffic. One thread is enough for it.
"""

# numba's decorators are untyped, and pointers have no Python type
# mypy: disable-error-code="misc, untyped-decorator, no-untyped-call, no-untyped-def, call-arg"
from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from kernels.compiled import pointer_to

LINE = 64
"""Bytes of a line of cache, written as two vectors."""

_bytes = pointer_to(types.uint8)


@intrinsic
def _copy_line(typing_context, target, source):
    """LINE bytes from one address (int64) to another, which is a multiple of LINE."""

    def generate(context, builder, signature, arguments):
        half = ir.VectorType(ir.IntType(64), 4)
        for start in (0, LINE // 2):
            to, of = (
                builder.inttoptr(builder.add(address, ir.IntType(64)(start)), half.as_pointer())
                for address in arguments
            )
            stored = builder.store(builder.load(of, align=1), to, align=LINE // 2)
            stored.set_metadata("nontemporal", builder.module.add_metadata([ir.IntType(32)(1)]))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def _written(typing_context):
    """Whoever sees what comes after sees what was stored past the cache."""

    def generate(context, builder, signature, arguments):
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate


@njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def _copy(target, source, stride, rows, count):
    """`rows` times `count` bytes, `stride` bytes apart, to where they lie side by side; addresses (int64)."""
    if stride == count:
        rows, count = 1, rows * count
    for y in range(rows):
        to, of = target + y * count, source + y * stride
        head = min(count, -to % np.int64(LINE))
        lines = (count - head) // LINE
        tail = head + lines * LINE
        for x in range(head):
            _bytes(to)[x] = _bytes(of)[x]
        for x in range(head, tail, LINE):
            _copy_line(to + x, of + x)
        for x in range(tail, count):
            _bytes(to)[x] = _bytes(of)[x]
    _written()


def copy_pixels(pixels: np.ndarray, out: np.ndarray) -> None:
    """uint8 [h, w, 4], the bytes of each row side by side, into C-contiguous uint8 [h, w, 4]."""
    if pixels.shape != out.shape or pixels.dtype != np.uint8 or out.dtype != np.uint8 or not out.flags.c_contiguous:
        raise ValueError(f"pixels are copied into uint8 of their shape, whole; got {pixels.shape} and {out.shape}")
    height, width = pixels.shape[:2]
    _copy(out.ctypes.data, pixels.ctypes.data, pixels.strides[0], height, 4 * width)


__all__ = ["copy_pixels"]
