"""Arithmetic of 16-bit fractions, 0..65535 for 0..1: twice as many fit a vector as of float32.

What numba makes of uint16 widens to 64 bits at every operator; these are one instruction of LLVM each, which stays 16
bits wide and has its like in every machine's vectors.
"""

# numba's decorators are untyped
# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_16, _32 = ir.IntType(16), ir.IntType(32)
Build = Callable[[Any, Any, Any], Any]
"""(builder, left, right) -> the result"""


def _of_two(build: Build, kind: Any = types.uint16) -> Any:
    @intrinsic
    def operation(typing_context, left, right):
        def generate(context, builder, signature, arguments):
            return build(builder, *arguments)

        return kind(kind, kind), generate

    return operation


def _instruction(name: str, *more: int) -> Build:
    def build(builder: Any, left: Any, right: Any) -> Any:
        kind = ir.FunctionType(_16, [_16, _16] + [_32] * len(more))
        function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.i16")
        return builder.call(function, [left, right, *(ir.Constant(_32, one) for one in more)])

    return build


times = _of_two(_instruction("umul.fix", 16))
"""The product, rounded down; of a fraction that stands for 1 it is one 65,536th less."""
plus = _of_two(_instruction("uadd.sat"))
"""The sum, at most 1."""
minus = _of_two(_instruction("usub.sat"))
"""The difference, at least 0."""
lesser, greater = _of_two(_instruction("umin")), _of_two(_instruction("umax"))
product = _of_two(lambda builder, left, right: builder.mul(left, right), types.uint32)
"""Of two uint32, which has to fit one: numba's own takes 64 bits."""


def _of_one(build: Callable[[Any, Any], Any]) -> Any:
    @intrinsic
    def operation(typing_context, fraction):
        def generate(context, builder, signature, arguments):
            return build(builder, *arguments)

        return types.uint16(types.uint16), generate

    return operation


def _byte(position: int) -> Any:
    def build(builder: Any, two: Any) -> Any:
        shifted = builder.lshr(two, ir.Constant(_16, 8 * position))
        return builder.mul(builder.and_(shifted, ir.Constant(_16, 255)), ir.Constant(_16, 257))

    return _of_one(build)


rest = _of_one(lambda builder, fraction: builder.not_(fraction))
"""1 less the fraction."""
low_byte, high_byte = _byte(0), _byte(1)
"""Of two bytes in a uint16, one as a fraction: 255 is 1."""

__all__ = ["greater", "high_byte", "lesser", "low_byte", "minus", "plus", "product", "rest", "times"]
