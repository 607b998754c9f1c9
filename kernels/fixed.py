"""Arithmetic of 16-bit fractions, 0..65535 for 0..1: twice as many fit a vector as of float32.

What numba makes of uint16 widens to 64 bits at every operator; these are one instruction of LLVM each, which stays 16
bits wide and has its like in every machine's vectors. They take single fractions, and `VECTOR` of them at once: a
formula is written once for both. LLVM cuts such a vector into those of the machine, two of AVX2, four of NEON.
"""

# numba's decorators are untyped
# mypy: disable-error-code="misc, no-untyped-def"
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

VECTOR: Final = 32
"""Fractions of a vector: those of one plane of 16 pixels."""
_8, _16, _32 = (ir.IntType(bits) for bits in (8, 16, 32))
_KIND, _BYTES = ir.VectorType(_16, VECTOR), ir.VectorType(_8, 2 * VECTOR)
Build = Callable[[Any, Any, Any], Any]
"""(builder, left, right) -> the result"""


class Lanes(types.Type):
    """numba's type of `VECTOR` fractions in a register."""

    def __init__(self) -> None:
        super().__init__(name=f"lanes{VECTOR}")


@register_model(Lanes)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _KIND)


lanes: Final = Lanes()


def _of_two(build: Build, only: Any = None) -> Any:
    @intrinsic
    def operation(typing_context, left, right):
        def generate(context, builder, signature, arguments):
            return build(builder, *arguments)

        kind = only or (lanes if lanes in (left, right) else types.uint16)
        return kind(kind, kind), generate

    return operation


def _instruction(name: str, *more: int) -> Build:
    def build(builder: Any, left: Any, right: Any) -> Any:
        ending = f"v{VECTOR}i16" if left.type == _KIND else "i16"
        kind = ir.FunctionType(left.type, [left.type, left.type] + [_32] * len(more))
        function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.{ending}")
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
    def operation(typing_context, one):
        def generate(context, builder, signature, arguments):
            return build(builder, *arguments)

        kind = lanes if one == lanes else types.uint16
        return kind(kind), generate

    return operation


def _bytes(places: Sequence[int]) -> Any:
    """Of each pixel's four bytes, R, G, B, alpha, those at `places` by twos: two fractions."""
    order = [4 * (i // 4) + places[i % 4] for i in range(2 * VECTOR)]

    def build(builder: Any, two: Any) -> Any:
        single = builder.bitcast(two, _BYTES)
        chosen = ir.Constant(ir.VectorType(_32, 2 * VECTOR), order)
        return builder.bitcast(builder.shuffle_vector(single, single, chosen), _KIND)

    return _of_one(build)


rest = _of_one(lambda builder, fraction: builder.not_(fraction))
"""1 less the fraction."""
red_and_blue, green_and_alpha, alphas_of = _bytes((0, 0, 2, 2)), _bytes((1, 1, 3, 3)), _bytes((3, 3, 3, 3))
"""Of 16 pixels as they lie in memory, the fractions of one plane; `alphas_of` has each pixel's alpha twice."""


def _as_opaque_pixels(builder: Any, red_blue: Any, green_alpha: Any) -> Any:
    of_all, of_two = ir.Constant(_KIND, [8] * VECTOR), ir.Constant(_KIND, [0xFF00] * VECTOR)
    alphas = ir.Constant(_KIND, [0, 0xFF00] * (VECTOR // 2))
    both = builder.or_(builder.lshr(red_blue, of_all), builder.and_(green_alpha, of_two))
    return builder.or_(both, alphas)


opaque_pixels = _of_two(_as_opaque_pixels)
"""Of both planes of 16 pixels, the high bytes as pixels lie in memory, alphas 255."""


@intrinsic
def all_lanes(typing_context, fraction):
    """One fraction `VECTOR` times."""

    def generate(context, builder, signature, arguments):
        one = builder.insert_element(ir.Constant(_KIND, ir.Undefined), arguments[0], ir.Constant(_32, 0))
        return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(_32, VECTOR), [0] * VECTOR))

    return lanes(types.uint16), generate


@intrinsic
def all_like(typing_context, fraction, like):
    """One fraction, as often as `like` has any."""

    def generate(context, builder, signature, arguments):
        if arguments[1].type != _KIND:
            return arguments[0]
        one = builder.insert_element(ir.Constant(_KIND, ir.Undefined), arguments[0], ir.Constant(_32, 0))
        return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(_32, VECTOR), [0] * VECTOR))

    return like(types.uint16, like), generate


@intrinsic
def where_above(typing_context, fraction, limit, value):
    """`value` where the fraction is more than `limit`, else 0."""

    def generate(context, builder, signature, arguments):
        one, least, kept = arguments
        return builder.select(builder.icmp_unsigned(">", one, least), kept, ir.Constant(kept.type, None))

    kind = lanes if fraction == lanes else types.uint16
    return kind(kind, kind, kind), generate


@intrinsic
def load(typing_context, pointer, index):
    """`VECTOR` fractions, or the pixels they are made of, from `pointer[index]` on."""

    def generate(context, builder, signature, arguments):
        start = builder.gep(arguments[0], [arguments[1]])
        return builder.load(builder.bitcast(start, _KIND.as_pointer()), align=2)

    return lanes(types.CPointer(types.uint16), types.int64), generate


@intrinsic
def store(typing_context, pointer, index, fractions):
    def generate(context, builder, signature, arguments):
        start = builder.gep(arguments[0], [arguments[1]])
        builder.store(arguments[2], builder.bitcast(start, _KIND.as_pointer()), align=2)
        return context.get_dummy_value()

    return types.void(types.CPointer(types.uint16), types.int64, lanes), generate


@intrinsic
def fetch(typing_context, pointer, index):
    """Asks for the line of cache of `pointer[index]`, which need not exist, to be brought as near as the second
    level."""

    def generate(context, builder, signature, arguments):
        start = builder.bitcast(builder.gep(arguments[0], [arguments[1]]), _8.as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [start.type, _32, _32, _32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [start, *(ir.Constant(_32, one) for one in (0, 2, 1))])
        return context.get_dummy_value()

    return types.void(types.CPointer(types.uint16), types.int64), generate


__all__ = [
    "VECTOR",
    "Lanes",
    "all_lanes",
    "all_like",
    "alphas_of",
    "fetch",
    "greater",
    "green_and_alpha",
    "lanes",
    "lesser",
    "load",
    "minus",
    "opaque_pixels",
    "plus",
    "product",
    "red_and_blue",
    "rest",
    "store",
    "times",
    "where_above",
]
