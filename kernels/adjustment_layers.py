"""Adjustments in Photoshop's units, of what lies below or of one layer: one table, kind -> what it makes of colours.

A row takes the parameters and gives a function of encoded colours [..., 3], 0..1 floating, to the same shape. What
Photoshop computes by tables of 256 entries is computed so: its input is rounded to 8 bits. To add a kind, add a row
here and its numbers to `kernels.ranges.LAYER_RANGES`.

What looks at one channel at a time, or at the luminosity alone, is `Tabled`: as a layer among others it costs the
compiled compositor a look-up. What looks at the whole colour is `Formulated`: a loop of `kernels.composite_colors`.

Equality policy: `recolored` agrees with the function in float64 within 1/255 (rounded half up), except where that works
on 8 bits and a value falls on either side of a step, and where full saturation makes the least tint of a grey a colour.

Sources: "PS" was checked against pictures that Photoshop stored; "ours" is a definition of our own where its formula
is not public (contrast and brightness of the modern form, ranges of hue, vibrance).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kernels.adjust import GAMMA, from_hsl, to_hsl
from kernels.blend import LUMA, MODES
from kernels.composite import Layer
from kernels.lookup import EXACT, SMOOTH, ColorRow, LookUp, Table, formula, rows_of
from kernels.ranges import LAYER_RANGES, LEVELS_RANGES
from kernels.spline import natural_cubic

try:
    from kernels import composite_numba as fast
except ImportError:  # numba is not installed: plain tensor code does the work
    fast = None  # type: ignore[assignment]

JSON = Mapping[str, Any]
Recolor = Callable[[Tensor], Tensor]
CHANNELS = ("r", "g", "b")
ALL = "rgb"
"""The composite channel: applied after the single ones."""
_ROWS_AT_A_TIME = 256
HUES = ("reds", "yellows", "greens", "cyans", "blues", "magentas")


@dataclass(frozen=True, slots=True)
class Tabled:
    """A recolouring that a table stands for."""

    of: Recolor
    places: int
    op: LookUp = "look_up"

    def __call__(self, c: Tensor) -> Tensor:
        return self.of(c)

    def rows(self) -> tuple[ColorRow, ...]:
        return (table_of(self.of, self.places, self.op),)


@dataclass(frozen=True, slots=True)
class Formulated:
    """A recolouring that a formula stands for."""

    of: Recolor
    row: ColorRow

    def __call__(self, c: Tensor) -> Tensor:
        return self.of(c)

    def rows(self) -> tuple[ColorRow, ...]:
        return (self.row,)


def recolor(kind: str, parameters: JSON) -> Recolor:
    """The function of a kind; what `parameters` lack is the table's neutral value. ValueError for an unknown kind."""
    if kind not in KINDS:
        raise ValueError(f"no adjustment {kind!r}; the kinds are {', '.join(KINDS)}")
    return KINDS[kind](_complete(LAYER_RANGES[kind], parameters))


def recolored(pixels: np.ndarray, change: Recolor, *, threads: int = 1) -> np.ndarray:
    """A picture [h, w, 4] straight RGBA, uint8 or float32 0..1, with its colours changed; the same dtype comes back.
    `threads` caps the compiled loops."""
    rows = rows_of(change)
    if fast is not None and rows is not None and pixels.size:
        if pixels.dtype == np.uint8:
            return fast.recolored(Layer(np.ascontiguousarray(pixels)), rows, threads)
        return fast.recolored_floats(pixels, rows, threads)
    out = pixels.copy()
    whole = pixels.dtype == np.uint8
    for first in range(0, len(pixels), _ROWS_AT_A_TIME):
        part = slice(first, first + _ROWS_AT_A_TIME)
        strip = torch.from_numpy(np.ascontiguousarray(pixels[part, :, :3])).float()
        changed = change(strip / 255 if whole else strip.clamp(0, 1)).clamp(0, 1)
        out[part, :, :3] = (changed * 255 + 0.5).to(torch.uint8).numpy() if whole else changed.numpy()
    return out


def table_of(of: Recolor, places: int, op: LookUp = "look_up") -> Table:
    """What a function makes of so many greys."""
    ramp = torch.linspace(0, 1, places, dtype=torch.float64)[:, None].expand(-1, 3)
    return Table(of(ramp).clamp(0, 1).T.float().contiguous().numpy(), op)


def _complete(ranges: Mapping[str, Any], given: JSON) -> dict[str, Any]:
    return {name: row.neutral for name, row in ranges.items()} | dict(given)


def _table(of: Callable[[Tensor], Tensor]) -> Recolor:
    """By a table: `of` takes levels 0..255, float64 [256, 3], and gives values 0..1."""
    table = of(torch.arange(256, dtype=torch.float64)[:, None].expand(256, 3)).clamp(0, 1)

    def look_up(c: Tensor) -> Tensor:
        level = (c * 255).round().long().clamp(0, 255)
        return torch.stack([table[:, i].to(c.dtype)[level[..., i]] for i in range(3)], -1)

    return Tabled(look_up, 256, "look_up_steps")


def _by_channel(parameters: JSON, channel: Callable[[Any], Recolor]) -> Recolor:
    """Each channel's own function, then the composite one, rounded to 8 bits after each. PS."""

    def of(levels: Tensor) -> Tensor:
        out = levels
        for i, name in enumerate(CHANNELS):
            if parameters.get(name) is not None:
                own = channel(parameters[name])(levels[:, i]).clamp(0, 255).round()
                out = torch.cat([out[:, :i], own[:, None], out[:, i + 1 :]], 1)
        if parameters.get(ALL) is not None:
            out = channel(parameters[ALL])(out).clamp(0, 255).round()
        return out / 255

    return _table(of)


def _levels_channel(given: JSON) -> Recolor:
    q = _complete(LEVELS_RANGES, given)

    def of(v: Tensor) -> Tensor:
        share = ((v - q["in_black"]) / max(q["in_white"] - q["in_black"], 1e-9)).clamp(0, 1)
        return q["out_black"] + share ** (1 / q["gamma"]) * (q["out_white"] - q["out_black"])

    return of


def _exposure(p: JSON) -> Recolor:
    """PS: a gain in a transfer of 2.2, an offset there, a gamma."""

    def of(c: Tensor) -> Tensor:
        light = (c**GAMMA * 2.0 ** p["exposure"] + p["offset"]).clamp(0, 1)
        return light ** (1 / p["gamma"] / GAMMA)

    return Tabled(of, SMOOTH)


def _posterize(p: JSON) -> Recolor:
    count = int(p["levels"])
    return _table(lambda v: (v * count / 256).floor() / (count - 1))


def _threshold(p: JSON) -> Recolor:
    def of(c: Tensor) -> Tensor:
        return ((_luma(c) * 255).round() >= p["threshold"]).to(c.dtype).expand_as(c)

    return Tabled(of, 256, "look_up_light")


def _brightness_contrast(p: JSON) -> Recolor:
    brightness, contrast = p["brightness"], p["contrast"]
    if p.get("legacy"):  # PS: a sum, then a slope about mid-grey
        slope = (100 + contrast) / 100 if contrast <= 0 else 1 / max(1 - contrast / 100, 1e-9)
        return _table(lambda v: ((v + brightness - 127.5) * slope + 127.5) / 255)

    # ours: black and white stay; a gain that saturates, then a curve through quarter tones that move apart
    gain = 2 ** (brightness / 55)
    apart = contrast * (0.26 if contrast > 0 else 0.4)
    curve = natural_cubic([[0, 0], [64, 64 - apart], [191, 191 + apart], [255, 255]])
    return _table(lambda v: curve(v * gain / (1 + v / 255 * (gain - 1))) / 255)


def _hue_saturation(p: JSON) -> Recolor:
    """PS where there are no ranges: lightness first, then hue and saturation in HSL. Ranges are ours."""
    ranges = p.get("ranges") or ()
    lift = p["lightness"] / 100
    if p.get("colorize"):
        share = max(0.0, p["saturation"] / 100)

        def colorized(c: Tensor) -> Tensor:
            lightness = _lighter(to_hsl(c)[2], lift)
            hue = torch.full_like(lightness, p["hue"] % 360 / 360)
            return from_hsl(hue, torch.full_like(lightness, share), lightness)

        middle = torch.full((1,), 0.5, dtype=torch.float64)
        reach = (1 - 2 * from_hsl(middle * 0 + p["hue"] % 360 / 360, middle * 0 + share, middle))[0].tolist()
        return Formulated(colorized, formula("colorize", 1 - abs(lift), max(lift, 0), *reach))

    def of(c: Tensor) -> Tensor:
        turn, boost, light = (torch.full_like(c[..., 0], p[name]) for name in ("hue", "saturation", "lightness"))
        if ranges:
            degrees = to_hsl(c)[0] * 360
            chroma = c.amax(-1) - c.amin(-1)  # what is nearly grey is hardly lightened for a hue that it hardly has
            for row in ranges:
                weight = _within(degrees, row["range"])
                turn = turn + weight * row.get("hue", 0)
                boost = boost + weight * row.get("saturation", 0)
                light = light + weight * chroma * row.get("lightness", 0)
        hue, saturation, lightness = to_hsl(_lighter(c, (light.clamp(-100, 100) / 100)[..., None]))
        return from_hsl((hue + turn / 360) % 1, _saturated(saturation, boost.clamp(-100, 100) / 100), lightness)

    if not ranges:
        gain = _gain(p["saturation"] / 100)
        return Formulated(of, formula("hue_saturation", 1 - abs(lift), max(lift, 0), p["hue"] / 60, gain, 0, 1))
    numbers = [number for row in ranges for number in _range_numbers(row)]
    whole = (p["hue"] / 60, p["saturation"] / 100, lift)
    return Formulated(of, formula("hue_ranges", *whole, len(ranges), *numbers))


def _range_numbers(row: JSON) -> tuple[float, ...]:
    """What `kernels.composite_colors` reads of a range of hues."""
    start, rise, fall, end = row["range"]
    full, down, out = ((edge - start) % 360 for edge in (rise, fall, end))
    falls = (start / 60, 60 / max(full, 1e-9), out / 60, 60 / max(out - down, 1e-9))
    return (*falls, row.get("hue", 0) / 60, row.get("saturation", 0) / 100, row.get("lightness", 0) / 100)


def _lighter(v: Tensor, amount: Any) -> Tensor:
    """Towards white by a share above 0, towards black by one below."""
    amount = torch.as_tensor(amount, dtype=v.dtype)
    return torch.where(amount > 0, v * (1 - amount) + amount, v * (1 + amount))


def _saturated(saturation: Tensor, amount: Tensor) -> Tensor:
    more = torch.where(amount < 1, saturation / (1 - amount).clamp(min=1e-9), (saturation > 0).to(saturation.dtype))
    return torch.where(amount <= 0, saturation * (1 + amount), more).clamp(0, 1)


def _gain(amount: float) -> float:
    """What `_saturated` multiplies by, before it is held to 1."""
    return 1 + amount if amount <= 0 else 1 / max(1 - amount, 1e-9)


def _within(degrees: Tensor, edges: Sequence[float]) -> Tensor:
    """1 between the inner two of four hues in degrees, falling to 0 at the outer two; they run clockwise past 360."""
    start, rise, fall, end = edges
    at = (degrees - start) % 360
    full, down, out = (rise - start) % 360, (fall - start) % 360, (end - start) % 360
    up = at / max(full, 1e-9)
    back = (out - at) / max(out - down, 1e-9)
    return torch.minimum(up, back).clamp(0, 1)


def _vibrance(p: JSON) -> Recolor:
    """Ours: HSL saturation s becomes s (1 + vibrance (1 - s)); then saturation as that of hue and saturation."""

    def of(c: Tensor) -> Tensor:
        hue, s, lightness = to_hsl(c)
        s = (s * (1 + p["vibrance"] / 100 * (1 - s))).clamp(0, 1)
        return from_hsl(hue, _saturated(s, torch.full_like(s, p["saturation"] / 100)), lightness)

    gain = _gain(p["saturation"] / 100)
    return Formulated(of, formula("hue_saturation", 1, 0, 0, 1, p["vibrance"] / 100, gain))


def _black_white(p: JSON) -> Recolor:
    """grey = min + (mid - min) secondary + (max - mid) primary: the shares of the two of six hues between which it
    lies."""
    share = [p[name] / 100 for name in HUES]

    def of(c: Tensor) -> Tensor:
        ordered, index = c.sort(-1)
        low, middle, high = ordered.unbind(-1)
        primary = c.new_tensor([share[0], share[2], share[4]])[index[..., 2]]
        secondary = c.new_tensor([share[3], share[5], share[1]])[index[..., 0]]  # the complement of the least channel
        grey = (low + (middle - low) * secondary + (high - middle) * primary).clamp(0, 1)[..., None].expand_as(c)
        if not p.get("tint_color"):
            return grey
        return MODES["color"].reference(grey, _color(p["tint_color"], c).expand_as(c)).clamp(0, 1)

    tint = _color(p.get("tint_color") or GREY, torch.empty(0, dtype=torch.float64)).tolist()
    return Formulated(of, formula("black_white", *share, *tint))


def _photo_filter(p: JSON) -> Recolor:
    """A share of the picture seen through a coloured glass; its luminosity kept where that is asked for."""
    keeps = p.get("preserve_luminosity", True)
    glass = _color(p.get("color", WARMING), torch.empty(0, dtype=torch.float64)) - 1

    def of(c: Tensor) -> Tensor:
        share = p["density"] / 100
        seen = c * (1 - share) + c * _color(p.get("color", WARMING), c) * share
        return MODES["luminosity"].reference(seen, c).clamp(0, 1) if keeps else seen

    if not keeps:
        return Tabled(of, EXACT)
    return Formulated(of, formula("photo_filter", *(1 + glass * p["density"] / 100).tolist()))


WARMING, GREY = "#ec8a00ff", "#808080ff"


def _color(value: str, like: Tensor) -> Tensor:
    return like.new_tensor([int(value[i : i + 2], 16) / 255 for i in (1, 3, 5)])


def _luma(c: Tensor) -> Tensor:
    return (c * c.new_tensor(LUMA)).sum(-1, keepdim=True)


KINDS: Mapping[str, Callable[[JSON], Recolor]] = MappingProxyType(
    {
        "invert": lambda p: Tabled(lambda c: 1 - c, EXACT),
        "posterize": _posterize,
        "threshold": _threshold,
        "levels": partial(_by_channel, channel=_levels_channel),
        "curves": partial(_by_channel, channel=natural_cubic),
        "exposure": _exposure,
        "brightness_contrast": _brightness_contrast,
        "hue_saturation": _hue_saturation,
        "vibrance": _vibrance,
        "black_white": _black_white,
        "photo_filter": _photo_filter,
    }
)

__all__ = ["ALL", "CHANNELS", "KINDS", "WARMING", "Formulated", "Recolor", "Tabled", "recolor", "recolored"]
