"""The blend modes that are multiplications and additions only, in 16-bit fractions over an opaque backdrop.

A row is what a mode makes of a backdrop: (p, s, r, a) -> p + a*(B - p), for the backdrop p, the source's colour s, its
alpha a and their product r. Sums are ordered so that none leaves 0..1 on the way: h = 2r - a, where a formula has it,
is taken in its two parts `over` and `under` 0. A mode without a row is blended in float32.
"""

# the words of `kernels.fixed` have no Python types
# mypy: disable-error-code="no-any-return, call-arg"
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numba.extending import register_jitable

from kernels.compiled import INLINE
from kernels.fixed import all_like, greater, lesser, minus, plus, rest, times, where_above

UNIT, TIE, WHITE = (np.uint16(v) for v in (1, 3, 65531))
Formula = Callable[[Any, Any, Any, Any], Any]


@dataclass(frozen=True, slots=True)
class Fixed:
    """One mode. Errors are in units of a 65,535th, over all backdrops, sources and alphas: a test measures them."""

    formula: Formula
    lean: float = 0.15
    """To which side its rounding leans: the mean error, at most."""
    spread: float = 0.85
    """The standard deviation of its error, at most."""
    gain: float = 1.0
    """The most by which an error of the backdrop grows, the largest slope of B over it; of an opaque source."""
    jumps: bool = False
    """Whether B has steps over the backdrop, where any error of it may be seen; `gain` is that of what lies between."""


@register_jitable(**INLINE)
def over(r: Any, a: Any) -> Any:
    """2r - a, or 0 where that is less."""
    return minus(r, minus(a, r))


@register_jitable(**INLINE)
def under(r: Any, a: Any) -> Any:
    """a - 2r, or 0 where that is less."""
    return minus(minus(a, r), r)


def _overlay(p: Any, s: Any, r: Any, a: Any) -> Any:
    # both halves of B, 2bs and 1 - 2(1 - b)(1 - s), are b + (2s - 1)*min(b, 1 - b). 2s - 1 is exact, as taken of s, and
    # a unit more makes up for two roundings down: what the next overlay may double is small
    k = plus(times(lesser(p, rest(p)), a), all_like(UNIT, p))
    return minus(plus(p, times(minus(s, rest(s)), k)), times(minus(rest(s), s), k))


def _hard_light(p: Any, s: Any, r: Any, a: Any) -> Any:
    # and these are b + (2s - 1)*b below a half and b + (2s - 1)*(1 - b) above
    return minus(plus(p, times(over(r, a), rest(p))), times(under(r, a), p))


def _linear_light(p: Any, s: Any, r: Any, a: Any) -> Any:
    v = times(p, a)
    return plus(minus(p, lesser(v, under(r, a))), lesser(minus(a, v), over(r, a)))


def _pin_light(p: Any, s: Any, r: Any, a: Any) -> Any:
    v = times(p, a)
    return plus(minus(p, v), greater(lesser(v, plus(r, r)), over(r, a)))


def _difference(p: Any, s: Any, r: Any, a: Any) -> Any:
    v = times(p, a)
    return plus(minus(p, v), plus(minus(r, v), minus(v, r)))


def _hard_mix(p: Any, s: Any, r: Any, a: Any) -> Any:
    # white where p + s is over 1, by more than rounding may add to a tie, and where black lies over white
    least = lesser(plus(rest(s), all_like(TIE, p)), all_like(WHITE, p))
    dark = minus(p, where_above(p, least, p))
    return plus(minus(p, times(dark, a)), times(where_above(p, least, rest(p)), a))


FIXED: Mapping[str, Fixed] = MappingProxyType(
    {
        "normal": Fixed(lambda p, s, r, a: plus(minus(p, times(p, a)), r)),
        "darken": Fixed(lambda p, s, r, a: minus(p, minus(times(p, a), r))),
        "multiply": Fixed(lambda p, s, r, a: minus(p, times(p, minus(a, r))), lean=0.3),
        "linear_burn": Fixed(lambda p, s, r, a: minus(p, lesser(times(p, a), minus(a, r)))),
        "lighten": Fixed(lambda p, s, r, a: plus(p, minus(r, times(p, a)))),
        "screen": Fixed(lambda p, s, r, a: plus(p, times(r, rest(p))), lean=1.05),
        "linear_dodge": Fixed(lambda p, s, r, a: plus(p, lesser(minus(a, times(p, a)), r))),
        "overlay": Fixed(_overlay, lean=0.05, spread=0.53, gain=2),
        "hard_light": Fixed(_hard_light, lean=0.8, spread=1.2),
        "linear_light": Fixed(_linear_light, lean=0.4, spread=1.3),
        "pin_light": Fixed(_pin_light, lean=0.4),
        "hard_mix": Fixed(_hard_mix, lean=0.05, spread=0.77, jumps=True),
        "difference": Fixed(_difference, lean=0.6),
        "exclusion": Fixed(lambda p, s, r, a: minus(plus(p, times(r, rest(p))), times(r, p)), spread=1),
        "subtract": Fixed(lambda p, s, r, a: minus(p, lesser(times(p, a), r)), lean=0.7),
    }
)

__all__ = ["FIXED", "Fixed"]
