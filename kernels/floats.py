"""Arithmetic of whole vectors of float32: 16 lanes, which are four pixels of four channels. What numba makes of a loop
over channels stays scalar; these are one instruction of LLVM each, which cuts them into the machine's own vectors.
"""

# numba's decorators are untyped
# mypy: disable-error-code="misc, no-untyped-def"
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, register_model

LANES: Final = 16
_8, _32, _64, _F = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.FloatType()
_KIND, _WORDS, _BYTES = (ir.VectorType(one, LANES) for one in (_F, _32, _8))
_FOUR = ir.VectorType(_32, 4)
_FAST: Final = ("fast",)
Build = Callable[..., Any]
"""(builder, arguments) -> the result"""


class Floats(types.Type):
    """numba's type of `LANES` float32 in registers."""

    def __init__(self) -> None:
        super().__init__(name=f"floats{LANES}")


@register_model(Floats)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _KIND)


floats: Final = Floats()


def _constant(value: float) -> Any:
    return ir.Constant(_KIND, [value] * LANES)


def _spread(builder: Any, value: Any) -> Any:
    one = builder.insert_element(ir.Constant(_KIND, ir.Undefined), value, ir.Constant(_32, 0))
    return builder.shuffle_vector(one, one, ir.Constant(_WORDS, [0] * LANES))


def _shuffled(builder: Any, left: Any, right: Any, places: Sequence[int]) -> Any:
    return builder.shuffle_vector(left, right, ir.Constant(ir.VectorType(_32, len(places)), list(places)))


def _at(builder: Any, address: Any, kind: Any) -> Any:
    return builder.inttoptr(address, kind.as_pointer())


def _held(builder: Any, values: Any) -> Any:
    """Lanes held to 0..255."""
    low = builder.select(builder.fcmp_ordered("<", values, _constant(0)), _constant(0), values)
    return builder.select(builder.fcmp_ordered(">", low, _constant(255)), _constant(255), low)


def _alphas(builder: Any, values: Any) -> Any:
    return _shuffled(builder, values, values, [4 * (i // 4) + 3 for i in range(LANES)])


def _where_alpha(builder: Any, alphas: Any, colors: Any) -> Any:
    """Every fourth lane of one, the others of the other."""
    return _shuffled(builder, colors, alphas, [LANES + i if i % 4 == 3 else i for i in range(LANES)])


@intrinsic
def zeros(typing_context):
    def generate(context, builder, signature, arguments):
        return _constant(0)

    return floats(), generate


@intrinsic
def load_pixels(typing_context, address):
    """Four pixels of bytes from an address (int64) on, 0..255."""

    def generate(context, builder, signature, arguments):
        single = builder.load(_at(builder, arguments[0], _BYTES), align=1)
        return builder.uitofp(builder.zext(single, _WORDS), _KIND)

    return floats(types.int64), generate


@intrinsic
def premultiplied(typing_context, pixels):
    """Four pixels, their colours times their alphas; 0..255."""

    def generate(context, builder, signature, arguments):
        share = builder.fmul(_alphas(builder, arguments[0]), _constant(1 / 255))
        colors = builder.fmul(arguments[0], share)
        return _where_alpha(builder, arguments[0], colors)

    return floats(floats), generate


@intrinsic
def straight(typing_context, pixels):
    """The other way: colours held to 0..255, and all 0 where the alpha is rounded to 0."""

    def generate(context, builder, signature, arguments):
        alphas = _held(builder, _alphas(builder, arguments[0]))
        shown = builder.fcmp_ordered(">=", alphas, _constant(0.5))
        divisor = builder.select(shown, alphas, _constant(255))
        colors = builder.fmul(arguments[0], builder.fdiv(_constant(255), divisor))
        both = _where_alpha(builder, alphas, colors)
        return builder.select(shown, both, _constant(0))

    return floats(floats), generate


@intrinsic
def add_times(typing_context, total, values, weight):
    """total + values * weight, which is a float32."""

    def generate(context, builder, signature, arguments):
        total, values, weight = arguments
        return builder.fadd(total, builder.fmul(values, _spread(builder, weight), flags=_FAST), flags=_FAST)

    return floats(floats, floats, types.float32), generate


@intrinsic
def load_floats(typing_context, address):
    def generate(context, builder, signature, arguments):
        return builder.load(_at(builder, arguments[0], _KIND), align=4)

    return floats(types.int64), generate


@intrinsic
def store_columns(typing_context, address, one, two, three, four):
    """Four rows of four pixels, by columns: the four first pixels, then the four second ones; from an address on."""

    def generate(context, builder, signature, arguments):
        start, rows = arguments[0], arguments[1:]
        for i in range(4):
            part = [4 * i + j for j in range(4)] + [LANES + 4 * i + j for j in range(4)]
            left, right = (_shuffled(builder, rows[k], rows[k + 1], part) for k in (0, 2))
            column = _shuffled(builder, left, right, range(LANES))
            place = builder.add(start, ir.Constant(_64, 4 * LANES * i))
            builder.store(column, _at(builder, place, _KIND), align=4)
        return context.get_dummy_value()

    return types.void(types.int64, floats, floats, floats, floats), generate


@intrinsic
def store_bytes(typing_context, pixels, one, two, three, four):
    """Four pixels, held to 0..255 and rounded, each to an address of its own."""

    def generate(context, builder, signature, arguments):
        rounded = builder.fadd(_held(builder, arguments[0]), _constant(0.5))
        single = builder.trunc(builder.fptosi(rounded, _WORDS), _BYTES)
        whole = builder.bitcast(single, _FOUR)
        for i, address in enumerate(arguments[1:]):
            pixel = builder.extract_element(whole, ir.Constant(_32, i))
            builder.store(pixel, _at(builder, address, _32), align=4)
        return context.get_dummy_value()

    return types.void(floats, *[types.int64] * 4), generate


__all__ = [
    "LANES",
    "Floats",
    "add_times",
    "floats",
    "load_floats",
    "load_pixels",
    "premultiplied",
    "store_bytes",
    "store_columns",
    "straight",
    "zeros",
]
