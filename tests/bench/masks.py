"""Selections of 1080p as 8-bit coverage, against other rasterisers: how long they take, and how far their edges are
from the area that each pixel's square shares with the shape."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from kernels.mask import ellipse_points, polygon_coverage, polygon_levels, to_bytes
from tests.bench.measure import Row, interleaved, optional

WIDTH, HEIGHT = 1920, 1080
SMALL = 4
"""The canvas's part on which edges are compared."""
FINE = 16
"""Places a pixel and direction of the raster that stands for the truth: skia's, without antialiasing."""
SHIFT = 4
"""Bits of a pixel's fraction that OpenCV takes."""
FEATHER = 30.0

Drawn = Callable[[], np.ndarray]


def star(width: int, height: int) -> np.ndarray:
    """float64 [5, 2]: it crosses itself."""
    angle = np.arange(5) * (4 * np.pi / 5) + 0.1
    return _about(0.47 * height * np.stack([np.cos(angle), np.sin(angle)], 1), width, height)


def lasso(width: int, height: int) -> np.ndarray:
    """float64 [2000, 2]: a hand's line around a head of hair."""
    angle = np.arange(2000) * (2 * np.pi / 2000)
    radius = 0.36 * height * (1 + 0.08 * np.sin(9 * angle) + 0.05 * np.sin(61 * angle))
    return _about(radius[:, None] * np.stack([1.4 * np.cos(angle), np.sin(angle)], 1), width, height)


def ellipse(width: int, height: int) -> np.ndarray:
    """float64 [N, 2], turned by 20 degrees."""
    return ellipse_points(0.25 * width, 0.2 * height, 0.5 * width, 0.6 * height, 20)


SHAPES: dict[str, Callable[[int, int], np.ndarray]] = {"a star": star, "a lasso of 2,000 points": lasso}
SHAPES["an ellipse"] = ellipse


def run(home: Path) -> list[Row]:
    rows = []
    cv2.setNumThreads(2)
    for name, shape in SHAPES.items():
        took = interleaved(drawings(shape(WIDTH, HEIGHT), WIDTH, HEIGHT))
        rows.append(Row(name, took.pop("ours"), against=took))
        if optional("skia"):
            apart = _errors(shape, WIDTH // SMALL, HEIGHT // SMALL)
            rows.append(Row(f"{name}: its edge's mean error", apart.pop("ours"), "of 255", against=apart))
    took = interleaved(_feathered(lasso(WIDTH, HEIGHT)), 5)
    rows.append(Row(f"the lasso, feathered by {FEATHER:g}", took.pop("ours"), against=took))
    return rows


def drawings(points: np.ndarray, width: int, height: int) -> dict[str, Drawn]:
    """A polygon filled by the even-odd rule, which all know, as uint8 [height, width], by who draws it."""
    calls: dict[str, Drawn] = {
        "ours": lambda: polygon_levels(points, width, height, fill_rule="evenodd"),
        "Pillow, drawn at 4 times the size": lambda: _finely(points, width, height, 4),
        "OpenCV": lambda: _by_opencv(points, width, height),
    }
    if optional("skia"):
        calls["skia-python"] = lambda: _by_skia(points, width, height)
    return calls


def _errors(shape: Callable[[int, int], np.ndarray], width: int, height: int) -> dict[str, float]:
    """The mean distance to the truth of the pixels that the edge crosses, of 255, by who draws."""
    points = shape(width, height)
    fine = _by_skia(points * FINE, width * FINE, height * FINE, smooth=False)
    truth = fine.reshape(height, FINE, width, FINE).mean((1, 3))
    edge = (truth > 0) & (truth < 255)
    found = {who: draw() for who, draw in drawings(points, width, height).items()}
    return {who: float(np.abs(mask - truth)[edge].mean()) for who, mask in found.items()}


def _by_skia(points: np.ndarray, width: int, height: int, smooth: bool = True) -> np.ndarray:
    skia: Any = optional("skia")
    path = skia.Path.Polygon([skia.Point(*point) for point in points.tolist()], True)
    path.setFillType(skia.PathFillType.kEvenOdd)
    out = np.zeros((height, width), np.uint8)
    surface = skia.Surface.MakeRasterDirect(skia.ImageInfo.MakeA8(width, height), out)
    surface.getCanvas().drawPath(path, skia.Paint(AntiAlias=smooth, Color=skia.ColorWHITE))
    return out


def _feathered(points: np.ndarray) -> dict[str, Drawn]:
    hard = drawings(points, WIDTH, HEIGHT)

    def by_opencv() -> np.ndarray:
        return cv2.GaussianBlur(hard["OpenCV"](), (0, 0), FEATHER)

    def by_pillow() -> np.ndarray:
        image = Image.fromarray(hard["Pillow, drawn at 4 times the size"]())
        return np.asarray(image.filter(ImageFilter.GaussianBlur(FEATHER)))

    return {
        "ours": lambda: to_bytes(polygon_coverage(points, WIDTH, HEIGHT, fill_rule="evenodd", feather=FEATHER)),
        "OpenCV": by_opencv,
        "Pillow": by_pillow,
    }


def _finely(points: np.ndarray, width: int, height: int, times: int) -> np.ndarray:
    image = Image.new("L", (width * times, height * times))
    # Pillow's pixel centres lie on whole numbers
    ImageDraw.Draw(image).polygon([tuple(point) for point in (points * times - 0.5).tolist()], fill=255)
    return np.asarray(image.reduce(times))


def _by_opencv(points: np.ndarray, width: int, height: int) -> np.ndarray:
    out = np.zeros((height, width), np.uint8)
    cv2.fillPoly(out, [np.rint((points - 0.5) * (1 << SHIFT)).astype(np.int32)], 255, cv2.LINE_AA, SHIFT)
    return out


def _about(points: np.ndarray, width: int, height: int) -> np.ndarray:
    return points + np.array([width / 2, height / 2])
