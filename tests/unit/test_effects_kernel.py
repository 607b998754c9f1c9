"""Shadows, strokes and gradients against their plain definitions, and gradients against resvg's."""

from __future__ import annotations

import numpy as np
import pytest
import resvg_py
import torch

from kernels import effects
from kernels.gradient import gradient, gradient_reference
from tests.unit.image_bench import pixels_of

STOPS = [(0.1, (255, 0, 0, 255)), (0.5, (0, 255, 0, 128)), (0.9, (0, 0, 255, 255))]


def shape() -> np.ndarray:
    plane = np.zeros((60, 70), np.float32)
    plane[20:40, 25:45] = 1
    plane[20, 25:45] = 0.6
    return plane


@pytest.mark.parametrize(("offset", "size", "spread"), [((0, 0), 8.0, 0.0), ((5, -3), 6.0, 0.5), ((-4, 4), 5.0, 1.0)])
def test_a_shadow_agrees(offset: tuple[int, int], size: float, spread: float) -> None:
    got = effects.shadow(shape(), offset, size, spread)
    expected = effects.shadow_reference(torch.from_numpy(shape()).double(), offset, size, spread)
    assert np.abs(got - expected.numpy()).max() <= 1 / 255


def test_an_inner_shadow_is_the_shadow_of_the_rest() -> None:
    got = effects.inner_shadow(shape(), (0, 0), 6.0, 0.0)
    assert np.abs(got - (1 - effects.shadow(shape(), (0, 0), 6.0, 0.0))).max() <= 1 / 255
    moved = effects.inner_shadow(shape(), (6.0, 0.0), 2.0, 0.0)
    assert moved[30, 27] > 0.95
    assert moved[30, 42] < 0.05
    assert moved[30, 0] == 1  # what lies beyond the plane casts too


def test_half_a_pixel_of_offset_is_half_way() -> None:
    whole = [effects.shadow(shape(), (x, 0.0), 6.0, 0.0) for x in (2.0, 3.0)]
    assert np.abs(effects.shadow(shape(), (2.5, 0.0), 6.0, 0.0) - (whole[0] + whole[1]) / 2).max() <= 1 / 255


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("width", [1.0, 3.5])
def test_a_stroke_agrees(width: float, inside: bool) -> None:
    draw = effects.stroke_inside if inside else effects.stroke_outside
    expected = effects.stroke_reference(torch.from_numpy(shape()).double(), width, inside)
    assert np.abs(draw(shape(), width) - expected.numpy()).max() <= 1 / 255


def test_a_stroke_has_its_width() -> None:
    square = np.zeros((40, 40), np.float32)
    square[10:30, 10:30] = 1
    assert effects.stroke_outside(square, 3)[20].sum() == pytest.approx(6, abs=0.01)
    assert effects.stroke_inside(square, 3)[20].sum() == pytest.approx(6, abs=0.01)


@pytest.mark.parametrize(("kind", "angle"), [("linear", 0.0), ("linear", 37.0), ("radial", 0.0), ("conic", 20.0)])
def test_a_gradient_agrees(kind: str, angle: float) -> None:
    got = gradient(kind, 23, 17, STOPS, angle=angle).astype(np.float64) / 255
    got[..., :3] *= got[..., 3:]
    expected = gradient_reference(kind, 23, 17, STOPS, angle=angle).numpy()
    assert np.abs(got - expected).max() <= 1 / 255


@pytest.mark.parametrize("kind", ["linear", "radial"])
def test_another_library_draws_the_same_gradient(kind: str) -> None:
    place = 'x1="0" y1="0" x2="64" y2="0"' if kind == "linear" else 'cx="32" cy="24" r="40"'
    svg = f"""<svg xmlns="http://www.w3.org/2000/svg" width="64" height="48"><defs><{kind}Gradient id="g" {place}
        gradientUnits="userSpaceOnUse"><stop offset="0.2" stop-color="#ff0000"/>
        <stop offset="0.8" stop-color="#0040ff"/></{kind}Gradient></defs>
        <rect width="64" height="48" fill="url(#g)"/></svg>"""
    expected = pixels_of(bytes(resvg_py.svg_to_bytes(svg_string=svg)))
    stops = [(0.2, (255, 0, 0, 255)), (0.8, (0, 64, 255, 255))]
    got = gradient(kind, 64, 48, stops, radius=40.0)
    assert np.abs(got.astype(int) - expected).max() <= 2


def test_a_part_of_a_gradient_is_what_the_whole_shows_there() -> None:
    whole = gradient("conic", 40, 30, STOPS, center=(0.3, 0.6))
    part = gradient("conic", 12, 9, STOPS, center=(0.3, 0.6), size=(40, 30), part=(5, 7, 17, 16))
    assert (part == whole[7:16, 5:17]).all()


def test_equal_places_make_a_hard_edge() -> None:
    stops = [(0.0, (0, 0, 0, 255)), (0.5, (0, 0, 0, 255)), (0.5, (255, 255, 255, 255)), (1.0, (255, 255, 255, 255))]
    assert sorted(np.unique(gradient("linear", 10, 2, stops)[..., 0]).tolist()) == [0, 255]


@pytest.mark.parametrize(("kind", "stops"), [("wave", STOPS), ("linear", STOPS[:1]), ("linear", STOPS[::-1])])
def test_what_is_no_gradient_is_refused(kind: str, stops: list[tuple[float, tuple[int, int, int, int]]]) -> None:
    with pytest.raises(ValueError, match=r"gradient"):
        gradient(kind, 4, 4, stops)
