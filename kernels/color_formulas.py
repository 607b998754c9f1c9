"""Recolourings that look at the whole colour, as scalar code for the compiled loops: float32, without branches.

Each is the formula of a kind in `kernels.adjustment_layers` (or of the sliders in `kernels.adjust`), whose plain tensor
code is the reference; a test holds them together. Colours come and go as encoded values 0..1. This module imports
neither torch nor numba.

A hue is told in sextants: 0 red, 2 green, 4 blue, turning round at 6. HSL of one colour needs no more than its greatest
and least channel: with room = 1 - |2 lightness - 1|, saturation = (greatest - least)/room, and what a channel differs
from the lightness by is half of saturation times room times a trapezoid of the hue.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.blend import FOUR, ONE, TINY, TWO, ZERO, luma, recolor

HALF, THREE, SIX, SIXTH = (np.float32(v) for v in (0.5, 3, 6, 1 / 6))
GREYEST = np.float32(1e-6)
"""A spread of channels up to which a colour is grey: what float32 leaves of equal channels must not be saturated."""


def unit(value: Any) -> Any:
    """Held to 0..1."""
    return min(max(value, ZERO), ONE)


def hue_of(r: Any, g: Any, b: Any) -> Any:
    """Sextants, -1..5."""
    high, low = max(r, max(g, b)), min(r, min(g, b))
    step = ONE / max(high - low, TINY)
    by_red, by_green, by_blue = (g - b) * step, (b - r) * step + TWO, (r - g) * step + FOUR
    other = by_green if g == high else by_blue
    return by_red if r == high else other


def _reach(hue: Any) -> Any:
    """Which part of the reach a channel whose own hue is 0 lies under the lightness: -1..1."""
    apart = hue - THREE
    return min(max(THREE - TWO * abs(apart - SIX * np.rint(apart * SIXTH)), -ONE), ONE)


def saturated(r: Any, g: Any, b: Any, hue: Any, before: Any, vibrance: Any, after: Any) -> Any:
    """The colour of a hue (sextants) that has this one's lightness, and its HSL saturation s times `before`, then times
    1 + vibrance (1 - s), then times `after`, held to 0..1 each time."""
    high, low = max(r, max(g, b)), min(r, min(g, b))
    spread, double = high - low, high + low
    room = ONE - abs(double - ONE)
    s = spread / max(room, TINY)
    s = min((s if spread > GREYEST else ZERO) * before, ONE)
    s = unit(s * (ONE + vibrance * (ONE - s)))
    reach, light = min(s * after, ONE) * room * HALF, double * HALF
    return light - reach * _reach(hue), light - reach * _reach(hue + FOUR), light - reach * _reach(hue + TWO)


def weight_in(hue: Any, start: Any, rising: Any, out: Any, falling: Any) -> Any:
    """How much a hue lies in a range that begins at `start` and ends `out` further (sextants); `rising` and `falling`
    are what a sextant adds and takes."""
    at = hue - start
    at = at - SIX * np.floor(at * SIXTH)
    return unit(min(at * rising, (out - at) * falling))


def grey_of(r: Any, g: Any, b: Any, reds: Any, yellows: Any, greens: Any, cyans: Any, blues: Any, magentas: Any) -> Any:
    """Black and white: the least channel, and what the middle and the greatest have more, weighed by the secondary and
    the primary hue that they make."""
    high, low = max(r, max(g, b)), min(r, min(g, b))
    middle = r + g + b - high - low
    primary = greens if g == high else blues
    primary = reds if r == high else primary
    secondary = magentas if g == low else yellows
    secondary = cyans if r == low else secondary
    return unit(low + (middle - low) * secondary + (high - middle) * primary)


def tinted(grey: Any, red: Any, green: Any, blue: Any) -> Any:
    """A grey that has a colour's hue and keeps its luminosity: mode color; of another grey it is itself."""
    return recolor(grey, ONE, ONE, red, green, blue, ONE)


def filtered(r: Any, g: Any, b: Any, red: Any, green: Any, blue: Any) -> Any:
    """Seen through a glass that lets these shares through, the luminosity kept."""
    return recolor(luma(r, g, b), ONE, ONE, r * red, g * green, b * blue, ONE)


__all__ = ["GREYEST", "filtered", "grey_of", "hue_of", "saturated", "tinted", "unit", "weight_in"]
