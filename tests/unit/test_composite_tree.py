"""Trees that no stack stands for: dissolve in effects, knockouts, groups and adjustments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from kernels.blend import dissolved
from kernels.composite import Layer
from kernels.composite_tree import Node, composite_tree

SIZE = (40, 30)


def plain(color: tuple[int, int, int, int], **more: Any) -> Layer:
    pixels = np.empty((SIZE[1], SIZE[0], 4), np.uint8)
    pixels[:] = color
    return Layer(pixels, **more)


RED, BLUE = (255, 0, 0, 255), (0, 0, 255, 255)
SHOWN = dissolved(torch.full((SIZE[1], SIZE[0], 1), 0.5, dtype=torch.float64), 0, 0, 0)[..., 0].numpy() == 1
HALF = {"mode": "dissolve", "opacity": 0.5}
CASES = {
    "a knockout": Node(plain(RED, **HALF), knockout="shallow"),
    "an isolated group": Node(None, (Node(plain(RED)),), **HALF),
    "what effects are drawn within": Node(plain(BLUE, **HALF), inside=(plain(RED),)),
    "an effect": Node(plain(BLUE), inside=(plain(RED, **HALF),)),
    "a clipped layer": Node(plain(BLUE), clips=(Node(plain(RED, **HALF)),)),
    "a fill beside effects": Node(plain(RED, mode="dissolve"), fill=0.5, inside=(plain(RED, opacity=0),)),
    "an adjustment": Node(None, (), lambda c: c.new_tensor([1.0, 0.0, 0.0]).expand_as(c), **HALF),
}


@pytest.mark.parametrize("node", CASES.values(), ids=CASES)
def test_dissolve_shows_whole_pixels_of_the_pattern(node: Node) -> None:
    got = composite_tree([Node(plain(BLUE), ground=True), node], *SIZE)
    expected = np.where(SHOWN[..., None], RED, BLUE)
    assert (got == expected).all()
    assert 0.4 < SHOWN.mean() < 0.6
