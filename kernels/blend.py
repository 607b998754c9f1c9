"""Blend modes: the one table. A mode is a row; the reference and the fast loops are both made from it.

A row holds B(cb, cs), the colour that a mode makes of a backdrop and a source colour, twice:

- `reference`: plain tensor code on straight colours 0..1, any floating dtype and device; a separable formula sees
  tensors of any shape, another one tensors `[..., 3]`.
- `fast`: scalar code that the compiled loops inline, float32, in the form that costs least:
    `premultiplied`  (p, r, a, ab) -> a*ab*B   with p = ab*cb, r = a*cs: multiplications and additions only
    `quotient`       (v, s, t, q) -> t*B       with v = t*cb (by rounding perhaps a little more than t), s = cs,
                                               q = 1/`divisor`(s): where the source divides
    `straight`       (b, s) -> B               one channel, any formula
    `colors`         (br, bg, bb, sr, sg, sb, ab) -> ab*(Br, Bg, Bb)   the modes that look at all channels together; the
                                               backdrop is 0..ab, the source 0..1

Adding a mode is adding its row to `_ROWS`. This module imports neither torch nor numba: the request models take the
names from here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

W3C = "W3C Compositing and Blending Level 1"
OURS = "ours: Photoshop's pattern is not public"
ADOBE = "Photoshop's documented behaviour, checked against its own pictures"

LUMA = (0.30, 0.59, 0.11)
"""Weights of R, G and B in the luminosity of the W3C's non-separable modes."""

DISSOLVE = "dissolve"
"""The mode that scatters: each pixel is shown whole or not at all, by `dissolve_hash`."""

Form = Literal["premultiplied", "quotient", "straight", "colors"]


@dataclass(frozen=True, slots=True)
class Mode:
    """One blend mode."""

    name: str
    source: str
    """Where the formula comes from."""
    reference: Callable[[Tensor, Tensor], Tensor]
    form: Form
    fast: Callable[..., Any]
    divisor: Callable[[Any], Any] | None = None
    """Of a `quotient`: what divides, a scalar function of the source's channel."""

    @property
    def separable(self) -> bool:
        """Whether each channel is blended by itself."""
        return self.form != "colors"


# float32 constants: a Python number would widen the compiled loops to float64.
ZERO, QUARTER, HALF, ONE, TWO = (np.float32(v) for v in (0, 0.25, 0.5, 1, 2))
FOUR, TWELVE, SIXTEEN = (np.float32(v) for v in (4, 12, 16))
TINY = np.float32(1e-12)
# A composited 1.0 arrives as 1 - 1e-7: every test for an exact value needs a tolerance that float32 can carry.
EPSILON = np.float32(1e-5)
NEARLY_ONE, OVER_ONE = np.float32(1 - 1e-5), np.float32(1 + 1e-5)
HASH_X, HASH_Y, HASH_SEED = np.uint64(0x9E3779B1), np.uint64(0x85EBCA77), np.uint64(0xC2B2AE3D)
HASH_ONE, HASH_TWO, HASH_MASK = np.uint64(0x85EBCA6B), np.uint64(0xC2B2AE35), np.uint64(0xFFFFFFFF)
LUMA_R, LUMA_G, LUMA_B = (np.float32(v) for v in LUMA)


def _epsilon(value: Tensor) -> float:
    return 1e-6 if value.element_size() == 8 else 2e-6


def _select(condition: Tensor, yes: Tensor | float, no: Tensor) -> Tensor:
    return no.masked_fill(condition, yes) if isinstance(yes, float) else yes.where(condition, no)


def _hard_light(b: Tensor, s: Tensor) -> Tensor:
    return _select(s <= 0.5, 2 * b * s, 1 - 2 * (1 - b) * (1 - s))


def _color_dodge(b: Tensor, s: Tensor) -> Tensor:
    e = _epsilon(b)
    value = (b / (1 - s).clamp(min=e)).clamp(max=1)
    return _select(b <= e, 0.0, _select(s >= 1 - e, 1.0, value))


def _color_burn(b: Tensor, s: Tensor) -> Tensor:
    e = _epsilon(b)
    value = 1 - ((1 - b) / s.clamp(min=e)).clamp(max=1)
    return _select(b >= 1 - e, 1.0, _select(s <= e, 0.0, value))


def _soft_light(b: Tensor, s: Tensor) -> Tensor:
    d = _select(b <= 0.25, ((16 * b - 12) * b + 4) * b, b.clamp(min=0).sqrt())
    return _select(s <= 0.5, b - (1 - 2 * s) * b * (1 - b), b + (2 * s - 1) * (d - b))


def _vivid_light(b: Tensor, s: Tensor) -> Tensor:
    e = _epsilon(b)  # the source's extreme wins: 0 makes black even of white, 1 white even of black
    burn = 1 - ((1 - b) / (2 * s).clamp(min=e)).clamp(max=1)
    dodge = (b / (2 - 2 * s).clamp(min=e)).clamp(max=1)
    return _select(s <= e, 0.0, _select(s >= 1 - e, 1.0, _select(s <= 0.5, burn, dodge)))


def _hard_mix(b: Tensor, s: Tensor) -> Tensor:
    e = _epsilon(b)  # a tie goes black, except black over white
    return _select(s <= e, (b >= 1 - e).to(b), (b + s > 1 + e).to(b))


def _divide(b: Tensor, s: Tensor) -> Tensor:
    e = _epsilon(b)
    return _select(s <= e, (b > e).to(b), (b / s.clamp(min=e)).clamp(max=1))


def _luminosity(c: Tensor) -> Tensor:
    return c[..., :1] * LUMA[0] + c[..., 1:2] * LUMA[1] + c[..., 2:] * LUMA[2]


def _saturation(c: Tensor) -> Tensor:
    return c.amax(-1, keepdim=True) - c.amin(-1, keepdim=True)


def _with_luminosity(c: Tensor, light: Tensor) -> Tensor:
    c = c + (light - _luminosity(c))
    low, high = c.amin(-1, keepdim=True), c.amax(-1, keepdim=True)
    c = _select((low < 0).expand_as(c), light + (c - light) * light / (light - low).clamp(min=1e-12), c)
    return _select((high > 1).expand_as(c), light + (c - light) * (1 - light) / (high - light).clamp(min=1e-12), c)


def _with_saturation(c: Tensor, amount: Tensor) -> Tensor:
    spread = _saturation(c)
    grey = spread <= _epsilon(c) * 0.1
    return _select(grey.expand_as(c), 0.0, (c - c.amin(-1, keepdim=True)) * amount / spread.clamp(min=1e-12))


# The same formulas once more, scalar, for the compiled loops.
# A quotient is taken first and chosen after: a division inside a branch keeps the loop from being vectorised.


# So close to 0 a numerator is 0, and a source's 0 in its divisor is 1e-8: that takes the place of tests for both.
NOUGHT = np.float32(3e-6)


def _fast_color_dodge(v: Any, s: Any, t: Any, q: Any) -> Any:
    return min(t, max(v - NOUGHT * t, ZERO) * q)


def _fast_color_burn(v: Any, s: Any, t: Any, q: Any) -> Any:
    return t - min(t, max(t - v - NOUGHT * t, ZERO) * q)


def _fast_soft_light(b: Any, s: Any) -> Any:
    dark = ((SIXTEEN * b - TWELVE) * b + FOUR) * b
    root = np.sqrt(max(b, ZERO))
    d = dark if b <= QUARTER else root
    k = TWO * s - ONE
    return b + k * (b - b * b if k <= ZERO else d - b)


def _fast_vivid_light(v: Any, s: Any, t: Any, q: Any) -> Any:
    # burn is (b + h)/(1 + h) and dodge b/(1 - h) of h = 2s - 1, so both are (b + min(h, 0))/(1 - |h|); NOUGHT lifts it
    # where the source is 1, and takes away where it is 0: the source's extreme wins
    h = TWO * s - ONE
    return min(t, max((v + NOUGHT * t + (ONE + TWO * NOUGHT) * t * min(h, ZERO)) * q, ZERO))


def _fast_hard_light(p: Any, r: Any, a: Any, ab: Any) -> Any:
    # the halves, 2rp and t - 2(ab - p)(a - r), are h(2p - ab) apart, h = 2r - a: both are p(a - |h|) and what is over
    h = TWO * r - a
    return p * (a - abs(h)) + ab * max(h, ZERO)


def _fast_hard_mix(p: Any, r: Any, a: Any, ab: Any) -> Any:
    t = a * ab
    return t if p * a >= min(NEARLY_ONE * t, OVER_ONE * t - r * ab) else ZERO  # a source of 0 leaves the first


_fast_divide = _fast_color_dodge  # of another divisor


def luma(r: Any, g: Any, b: Any) -> Any:
    """The luminosity of one colour."""
    return LUMA_R * r + LUMA_G * g + LUMA_B * b


def _fast_darker_color(br: Any, bg: Any, bb: Any, sr: Any, sg: Any, sb: Any, ab: Any) -> Any:
    wins = luma(sr, sg, sb) * ab - luma(br, bg, bb) < -EPSILON * ab
    return (sr * ab if wins else br), (sg * ab if wins else bg), (sb * ab if wins else bb)


def _fast_lighter_color(br: Any, bg: Any, bb: Any, sr: Any, sg: Any, sb: Any, ab: Any) -> Any:
    wins = luma(sr, sg, sb) * ab - luma(br, bg, bb) > EPSILON * ab
    return (sr * ab if wins else br), (sg * ab if wins else bg), (sb * ab if wins else bb)


def recolor(light: Any, scale: Any, over: Any, r: Any, g: Any, b: Any, ab: Any) -> Any:
    """A colour stretched about its luminosity by scale/over, moved to the luminosity `light`, and pulled into 0..ab.

    What hue, saturation, color and luminosity share. Set-saturation, set-luminosity and both clips of the W3C keep a
    colour on the line through its grey, so together they are one factor: the least of the stretch and of what reaches
    0 and ab. The three quotients are compared crosswise, which leaves one division.
    """
    grey = luma(r, g, b)
    top, bottom = scale, over
    room, reach = light, max(grey - min(r, min(g, b)), TINY)
    nearer = room * bottom < top * reach
    top, bottom = (room if nearer else top), (reach if nearer else bottom)
    room, reach = ab - light, max(max(r, max(g, b)) - grey, TINY)
    nearer = room * bottom < top * reach
    top, bottom = (room if nearer else top), (reach if nearer else bottom)
    k = max(top, ZERO) / bottom
    return light + (r - grey) * k, light + (g - grey) * k, light + (b - grey) * k


def _fast_hue(br: Any, bg: Any, bb: Any, sr: Any, sg: Any, sb: Any, ab: Any) -> Any:
    spread = max(sr, max(sg, sb)) - min(sr, min(sg, sb))
    wanted = max(br, max(bg, bb)) - min(br, min(bg, bb))
    return recolor(luma(br, bg, bb), wanted if spread > EPSILON else ZERO, max(spread, EPSILON), sr, sg, sb, ab)


def _fast_saturation(br: Any, bg: Any, bb: Any, sr: Any, sg: Any, sb: Any, ab: Any) -> Any:
    spread = max(br, max(bg, bb)) - min(br, min(bg, bb))
    wanted = (max(sr, max(sg, sb)) - min(sr, min(sg, sb))) * ab
    least = EPSILON * ab
    return recolor(luma(br, bg, bb), wanted if spread > least else ZERO, max(spread, max(least, TINY)), br, bg, bb, ab)


def _fast_color(br: Any, bg: Any, bb: Any, sr: Any, sg: Any, sb: Any, ab: Any) -> Any:
    return recolor(luma(br, bg, bb), ab, ONE, sr, sg, sb, ab)


def _fast_luminosity(br: Any, bg: Any, bb: Any, sr: Any, sg: Any, sb: Any, ab: Any) -> Any:
    return recolor(luma(sr, sg, sb) * ab, ONE, ONE, br, bg, bb, ab)


# In the premultiplied form u = r*ab, v = p*a and t = a*ab stand for the source, the backdrop and 1.
_ROWS: tuple[Mode, ...] = (
    Mode("normal", W3C, lambda b, s: s + 0 * b, "premultiplied", lambda p, r, a, ab: r * ab),
    # normal, of whole pixels: compositors make the alpha 0 or 1 by `dissolved` before they blend
    Mode(DISSOLVE, OURS, lambda b, s: s + 0 * b, "premultiplied", lambda p, r, a, ab: r * ab),
    Mode("darken", W3C, lambda b, s: b.minimum(s), "premultiplied", lambda p, r, a, ab: min(r * ab, p * a)),
    Mode("multiply", W3C, lambda b, s: b * s, "premultiplied", lambda p, r, a, ab: r * p),
    Mode("color_burn", W3C, _color_burn, "quotient", _fast_color_burn, lambda s: s),
    Mode(
        "linear_burn",
        ADOBE,
        lambda b, s: (b + s - 1).clamp(min=0),
        "premultiplied",
        lambda p, r, a, ab: max(ZERO, r * ab + p * a - a * ab),
    ),
    Mode(
        "darker_color",
        ADOBE,
        lambda b, s: _select((_luminosity(s) < _luminosity(b)).expand_as(b), s + 0 * b, b),
        "colors",
        _fast_darker_color,
    ),
    Mode("lighten", W3C, lambda b, s: b.maximum(s), "premultiplied", lambda p, r, a, ab: max(r * ab, p * a)),
    Mode("screen", W3C, lambda b, s: b + s - b * s, "premultiplied", lambda p, r, a, ab: r * ab + p * a - r * p),
    Mode("color_dodge", W3C, _color_dodge, "quotient", _fast_color_dodge, lambda s: ONE - s),
    Mode(
        "linear_dodge",
        ADOBE,
        lambda b, s: (b + s).clamp(max=1),
        "premultiplied",
        lambda p, r, a, ab: min(a * ab, r * ab + p * a),
    ),
    Mode(
        "lighter_color",
        ADOBE,
        lambda b, s: _select((_luminosity(s) > _luminosity(b)).expand_as(b), s + 0 * b, b),
        "colors",
        _fast_lighter_color,
    ),
    Mode(
        "overlay",
        W3C,
        lambda b, s: _hard_light(s, b),
        "premultiplied",
        lambda p, r, a, ab: r * (ab - abs(TWO * p - ab)) + a * max(TWO * p - ab, ZERO),  # hard light's, exchanged
    ),
    Mode("soft_light", W3C, _soft_light, "straight", _fast_soft_light),
    Mode("hard_light", W3C, _hard_light, "premultiplied", _fast_hard_light),
    Mode("vivid_light", ADOBE, _vivid_light, "quotient", _fast_vivid_light, lambda s: ONE - abs(TWO * s - ONE)),
    Mode(
        "linear_light",
        ADOBE,
        lambda b, s: (b + 2 * s - 1).clamp(0, 1),
        "premultiplied",
        lambda p, r, a, ab: min(a * ab, max(ZERO, p * a + TWO * r * ab - a * ab)),
    ),
    Mode(
        "pin_light",
        ADOBE,
        lambda b, s: _select(s <= 0.5, b.minimum(2 * s), b.maximum(2 * s - 1)),
        "premultiplied",
        lambda p, r, a, ab: max(min(p * a, TWO * r * ab), TWO * r * ab - a * ab),
    ),
    Mode("hard_mix", ADOBE, _hard_mix, "premultiplied", _fast_hard_mix),
    Mode("difference", W3C, lambda b, s: (b - s).abs(), "premultiplied", lambda p, r, a, ab: abs(r * ab - p * a)),
    Mode(
        "exclusion",
        W3C,
        lambda b, s: b + s - 2 * b * s,
        "premultiplied",
        lambda p, r, a, ab: r * ab + p * a - TWO * r * p,
    ),
    Mode(
        "subtract",
        ADOBE,
        lambda b, s: (b - s).clamp(min=0),
        "premultiplied",
        lambda p, r, a, ab: max(ZERO, p * a - r * ab),
    ),
    Mode("divide", ADOBE, _divide, "quotient", _fast_divide, lambda s: s),
    Mode(
        "hue",
        W3C,
        lambda b, s: _with_luminosity(_with_saturation(s, _saturation(b)), _luminosity(b)),
        "colors",
        _fast_hue,
    ),
    Mode(
        "saturation",
        W3C,
        lambda b, s: _with_luminosity(_with_saturation(b, _saturation(s)), _luminosity(b)),
        "colors",
        _fast_saturation,
    ),
    Mode("color", W3C, lambda b, s: _with_luminosity(s + 0 * b, _luminosity(b)), "colors", _fast_color),
    Mode("luminosity", W3C, lambda b, s: _with_luminosity(b + 0 * s, _luminosity(s)), "colors", _fast_luminosity),
)

MODES: Mapping[str, Mode] = {row.name: row for row in _ROWS}
"""Every mode by its name; the position in this table is its number in the compiled loops, `normal` being 0."""

ALIASES: Mapping[str, str] = {"add": "linear_dodge"}

NUMBERS: Mapping[str, int] = {name: number for number, name in enumerate(MODES)}


def canonical(name: str) -> str:
    """A mode's own name for a name or alias; ValueError lists the modes."""
    name = ALIASES.get(name, name)
    if name not in MODES:
        raise ValueError(f"no blend mode {name!r}; the modes are {', '.join([*MODES, *ALIASES])}")
    return name


def dissolve_hash(x: Any, y: Any, seed: Any) -> Any:
    """The pattern of `dissolve`: 0..4095 for a pixel of the canvas, spread evenly and without visible structure.

    x, y, seed: integers 0..2^32-1, or arrays of uint64 of them. Two rounds of the finaliser of MurmurHash3 (Appleby,
    public domain) over three odd multiples, mod 2^32. A pixel is shown where (hash + 1/2)/4096 < alpha.
    """
    h = (x * HASH_X + y * HASH_Y + seed * HASH_SEED) & HASH_MASK
    for _ in range(2):
        h = ((h ^ (h >> 16)) * HASH_ONE) & HASH_MASK
        h = ((h ^ (h >> 13)) * HASH_TWO) & HASH_MASK
        h = h ^ (h >> 16)
    return h >> 20


def dissolved(alpha: Tensor, x: int, y: int, seed: int) -> Tensor:
    """The alphas of a layer in mode `dissolve`: floating [h, w, 1] -> 0 or 1; x, y is the canvas's pixel at [0, 0]."""
    height, width = alpha.shape[:2]
    columns = np.arange(x, x + width, dtype=np.uint64)
    rows = np.arange(y, y + height, dtype=np.uint64)[:, None]
    least = (dissolve_hash(columns, rows, np.uint64(seed)).astype(np.float64) + 0.5) / 4096
    return (alpha > alpha.new_tensor(least)[..., None]).to(alpha)


def source_over(backdrop: Tensor, source: Tensor, mode: str = "normal") -> Tensor:
    """W3C source-over compositing with a blend mode: the reference.

    backdrop, source: floating [..., 4], straight RGBA 0..1, the same dtype and device.
    Gives [..., 4] straight RGBA; where the alpha is 0 the colour is 0. ValueError for an unknown mode.
    """
    cb, ab = backdrop[..., :3], backdrop[..., 3:]
    cs, a = source[..., :3], source[..., 3:]
    blended = MODES[canonical(mode)].reference(cb, cs).clamp(0, 1)
    alpha = a + ab * (1 - a)
    premultiplied = cs * a * (1 - ab) + cb * ab * (1 - a) + a * ab * blended
    color = _select((alpha <= 0).expand_as(premultiplied), 0.0, premultiplied / alpha.clamp(min=1e-30))
    return cat_last(color, alpha)


def cat_last(color: Tensor, alpha: Tensor) -> Tensor:
    """[..., 3] and [..., 1] joined to [..., 4]."""
    joined = color.new_empty((*color.shape[:-1], 4))
    joined[..., :3] = color
    joined[..., 3:] = alpha
    return joined


__all__ = [
    "ALIASES",
    "DISSOLVE",
    "LUMA",
    "MODES",
    "NUMBERS",
    "Mode",
    "canonical",
    "cat_last",
    "dissolve_hash",
    "dissolved",
    "luma",
    "recolor",
    "source_over",
]
