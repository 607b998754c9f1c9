"""Neutral values and ranges of adjustments: light, since request models read them too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Range:
    """What an adjustment may be; values beyond are clamped."""

    neutral: float
    low: float
    high: float

    def clamped(self, value: float) -> float:
        return min(self.high, max(self.low, value))


RANGES: Mapping[str, Range] = MappingProxyType(
    {
        "exposure": Range(0, -5, 5),
        "brightness": Range(1, 0, 4),
        "contrast": Range(1, 0, 4),
        "saturation": Range(1, 0, 4),
        "vibrance": Range(0, -1, 1),
        "hue": Range(0, -360, 360),
        "temperature": Range(0, -1, 1),
        "tint": Range(0, -1, 1),
        "gamma": Range(1, 0, 4),
        "sharpness": Range(1, 0, 4),
    }
)
"""In the order in which they are applied: exposure in stops, hue in degrees."""

_LEVEL = Range(0, 0, 255)
_SHARE = Range(0, -200, 300)

LAYER_RANGES: Mapping[str, Mapping[str, Range]] = MappingProxyType(
    {
        "invert": {},
        "posterize": {"levels": Range(4, 2, 255)},
        "threshold": {"threshold": Range(128, 0, 255)},
        "levels": {},
        "curves": {},
        "exposure": {"exposure": Range(0, -20, 20), "offset": Range(0, -0.5, 0.5), "gamma": Range(1, 0.01, 9.99)},
        "brightness_contrast": {"brightness": Range(0, -150, 150), "contrast": Range(0, -100, 100)},
        "hue_saturation": {
            "hue": Range(0, -180, 180),
            "saturation": Range(0, -100, 100),
            "lightness": Range(0, -100, 100),
        },
        "vibrance": {"vibrance": Range(0, -100, 100), "saturation": Range(0, -100, 100)},
        "black_white": {
            "reds": replace(_SHARE, neutral=40),
            "yellows": replace(_SHARE, neutral=60),
            "greens": replace(_SHARE, neutral=40),
            "cyans": replace(_SHARE, neutral=60),
            "blues": replace(_SHARE, neutral=20),
            "magentas": replace(_SHARE, neutral=80),
        },
        "photo_filter": {"density": Range(25, 0, 100)},
    }
)
"""Kinds of adjustment layers, and the numbers that each takes, in Photoshop's units; `neutral` is what is used where
one is not given. Hue ranges have the limits of `hue_saturation`."""

LEVELS_RANGES: Mapping[str, Range] = MappingProxyType(
    {
        "in_black": _LEVEL,
        "in_white": replace(_LEVEL, neutral=255),
        "out_black": _LEVEL,
        "out_white": replace(_LEVEL, neutral=255),
        "gamma": Range(1, 0.01, 9.99),
    }
)
"""Of one channel of `levels`."""

FILTER_RANGES: Mapping[str, Mapping[str, Range]] = MappingProxyType(
    {
        "blur": {"radius": Range(2, 0, 250)},
        "box": {"radius": Range(2, 0, 250)},
        "motion": {"radius": Range(8, 0, 250)},
        "bilateral": {"radius": Range(3, 0, 10)},
        "median": {"radius": Range(2, 0, 50)},
        "sharpen": {"radius": Range(2, 0, 250), "amount": Range(1, 0, 10)},
        "high_pass": {"radius": Range(4, 0, 250)},
        "noise": {"amount": Range(0.1, 0, 1)},
        "pixelate": {"radius": Range(4, 0, 500)},
        "vignette": {"amount": Range(0.5, 0, 1)},
    }
)
"""Filters and the numbers that each takes; `neutral` is what is used where one is not given."""

EFFECT_RANGES: Mapping[str, Range] = MappingProxyType({"size": Range(0, 0, 250)})
OFFSETS = Range(0, -1000, 1000)
"""Of a shadow, in pixels, either way."""

__all__ = ["EFFECT_RANGES", "FILTER_RANGES", "LAYER_RANGES", "LEVELS_RANGES", "OFFSETS", "RANGES", "Range"]
