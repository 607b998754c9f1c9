"""The W3C modes against another library: Skia's rasteriser in 32-bit floats."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kernels.composite import Layer, composite

skia: Any = pytest.importorskip("skia", reason="skia-python comes with the extra `bench`")
SIDE = 128
MODES = {
    "normal": "kSrcOver",
    "multiply": "kMultiply",
    "screen": "kScreen",
    "overlay": "kOverlay",
    "darken": "kDarken",
    "lighten": "kLighten",
    "color_dodge": "kColorDodge",
    "color_burn": "kColorBurn",
    "hard_light": "kHardLight",
    "soft_light": "kSoftLight",
    "difference": "kDifference",
    "exclusion": "kExclusion",
    "hue": "kHue",
    "saturation": "kSaturation",
    "color": "kColor",
    "luminosity": "kLuminosity",
}


def by_skia(backdrop: np.ndarray, source: np.ndarray, mode: str) -> np.ndarray:
    """uint8 [SIDE, SIDE, 4], straight RGBA, of two such pictures."""
    info = skia.ImageInfo.Make(SIDE, SIDE, skia.kRGBA_F32_ColorType, skia.kPremul_AlphaType)
    surface, paint = skia.Surface.MakeRaster(info), skia.Paint()
    for pixels, name in ((backdrop, "kSrc"), (source, MODES[mode])):
        paint.setBlendMode(getattr(skia.BlendMode, name))
        image = skia.Image.fromarray(pixels.copy(), colorType=skia.kRGBA_8888_ColorType)
        surface.getCanvas().drawImage(image, 0, 0, skia.SamplingOptions(), paint)
    made: np.ndarray = surface.makeImageSnapshot().toarray(colorType=skia.kRGBA_8888_ColorType)
    return made


@pytest.mark.parametrize("opaque", [True, False], ids=["opaque", "a clear source"])
@pytest.mark.parametrize("mode", MODES)
def test_skia_agrees_within_one_of_255(mode: str, opaque: bool) -> None:
    rng = np.random.default_rng(1)
    backdrop, source = rng.integers(0, 256, (2, SIDE, SIDE, 4), dtype=np.uint8)
    backdrop[..., 3] = 255
    if opaque:
        source[..., 3] = 255
    ours = composite([Layer(backdrop), Layer(source, mode=mode)], SIDE, SIDE)
    assert np.abs(ours.astype(int) - by_skia(backdrop, source, mode)).max() <= 1
