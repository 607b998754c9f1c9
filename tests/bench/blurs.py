"""The Gaussian of 1080p RGBA, opaque and not, and of one channel, at sigma 1 to 100, against OpenCV, Pillow, pyvips."""

from __future__ import annotations

from pathlib import Path

import cv2
from PIL import Image, ImageFilter

from kernels.blur import gaussian, gaussian_rgba
from tests.bench.measure import Call, Row, interleaved, optional, picture

SIGMAS = (1, 3, 5, 12, 30, 100)
FLOATS_UP_TO = 12
"""Sigma up to which OpenCV is asked to blur four float channels: beyond, one call takes seconds."""
FLOATS = "OpenCV's blur of four float channels"
OURS = ("ours", "not opaque", "one channel", FLOATS)
FASTER = {30: 5, 100: 100}
"""Sigma -> how many times faster than OpenCV the goal is; elsewhere at least 1/1.1."""


def run(home: Path) -> list[Row]:
    pixels = picture(0, 1920, 1080, opaque=True)
    clear = picture(1, 1920, 1080)
    plane, planes = pixels[..., 0].astype("float32"), clear.astype("float32")
    image = Image.fromarray(pixels)
    pyvips = optional("pyvips")
    rows = []
    cv2.setNumThreads(2)
    for sigma in SIGMAS:
        calls: dict[str, Call] = {
            "ours": lambda s=sigma: gaussian_rgba(pixels, s),
            "not opaque": lambda s=sigma: gaussian_rgba(clear, s),
            "one channel": lambda s=sigma: gaussian(plane, s, edge="replicate"),
            "OpenCV": lambda s=sigma: cv2.GaussianBlur(pixels, (0, 0), s, borderType=cv2.BORDER_REPLICATE),
            "Pillow": lambda s=sigma: image.filter(ImageFilter.GaussianBlur(s)),
        }
        if pyvips:
            source = pyvips.Image.new_from_array(pixels)
            calls["pyvips"] = lambda s=sigma, p=source: p.gaussblur(s, min_ampl=0.01).numpy()
        if sigma <= FLOATS_UP_TO:
            calls[FLOATS] = lambda s=sigma: cv2.GaussianBlur(planes, (0, 0), s, borderType=cv2.BORDER_REPLICATE)
        took = interleaved(calls, 2 if sigma > 50 else 5)
        peers = {name: value for name, value in took.items() if name not in OURS}
        rows.append(Row(f"1080p RGBA, sigma {sigma}", took["ours"], against=peers))
        goal = 1 / FASTER[sigma] if sigma in FASTER else 1.1
        rows.append(Row(f"ours over OpenCV, sigma {sigma}", took["ours"] / took["OpenCV"], "×", at_most=goal))
        floats = {name: took[name] for name in (FLOATS,) if name in took}
        rows.append(Row(f"1080p RGBA that is not opaque, sigma {sigma}", took["not opaque"], against=floats))
        rows.append(Row(f"1080p, one float channel, sigma {sigma}", took["one channel"]))
    return rows
