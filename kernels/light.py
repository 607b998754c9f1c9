"""The sRGB transfer as polynomials, for compiled loops: of a table one value at a time is loaded, of these eight are
worked out at once.

IEC 61966-2-1 as `kernels.color` has it, straight below its bend and a power above. The polynomials are the best of
their degree above the bend (least largest error, by Lawson's weighting of least squares): of s for s^2.4, the error
weighted as what it becomes when encoded again, and of the fourth root of x for x^(1/2.4), which is smooth in it.
In float32 light is right to 1.4e-5, as encoded again, and encoded values to 7e-6: together 1/180 of a level of 255, and
a fifth of the change of input under which the equality policy lets a steep mode move.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from kernels.blend import ONE

_F = np.float32
_BEND, _BENT = _F(0.04045), _F(0.0031308)
_SLOPE, _FLATTER = _F(12.92), _F(1 / 12.92)
_D0, _D1, _D2, _D3 = (
    _F(0.0008715990839414656),
    _F(0.034501630704124105),
    _F(0.49812120817104066),
    _F(0.7719051893212712),
)
_D4, _D5, _D6 = _F(-0.541197975284787), _F(0.32345176036910855), _F(-0.08768479200306362)
_E0, _E1, _E2 = _F(-0.061340102787741546), _F(0.16202526622153615), _F(1.255407845352086)
_E3, _E4, _E5 = _F(-0.577488506335661), _F(0.28953776052943847), _F(-0.06814883567961402)


@register_jitable(inline="always")
def light_of(s: Any) -> Any:
    """An encoded value 0..1 as linear light 0..1; both float32."""
    curve = _D0 + s * (_D1 + s * (_D2 + s * (_D3 + s * (_D4 + s * (_D5 + s * _D6)))))
    return s * _FLATTER if s <= _BEND else min(curve, ONE)


@register_jitable(inline="always")
def encoded_of(light: Any) -> Any:
    """Linear light 0..1 as an encoded value 0..1; both float32."""
    x = np.sqrt(np.sqrt(light))
    curve = _E0 + x * (_E1 + x * (_E2 + x * (_E3 + x * (_E4 + x * _E5))))
    return light * _SLOPE if light <= _BENT else min(curve, ONE)


__all__ = ["encoded_of", "light_of"]
