"""Trees that no stack stands for: dissolve in effects, knockouts, groups and adjustments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from kernels.blend import dissolved
from kernels.composite import Layer
from kernels.composite_tree import Node, composite_tree, composite_tree_reference, flattened

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


RNG = np.random.default_rng(3)


def noise(**more: Any) -> Layer:
    return Layer(RNG.integers(0, 256, (20, 30, 4), dtype=np.uint8), 4, 6, **more)


def group(*layers: Layer, **more: Any) -> Node:
    return Node(None, tuple(Node(layer) for layer in layers), **more)


MASK = RNG.integers(0, 256, SIZE[::-1], dtype=np.uint8)
UNGROUPED = {
    "normal layers, isolated": group(noise(), noise(opacity=0.4, mask=MASK), noise(), mode="normal"),
    "groups in groups": Node(None, (group(noise(), noise(), mode="normal"), Node(noise())), mode="normal"),
    "any modes, passed through": group(noise(mode="multiply"), noise(mode="hue")),
    "one layer, its group in a mode": group(noise(opacity=0.7), mode="soft_light", opacity=0.6),
    "one layer, its group masked": group(noise(), mode="overlay", mask=MASK),
    "one layer, masked, its group half there": group(noise(mask=MASK), mode="screen", opacity=0.5),
    "one layer, passed through by half": group(noise(), opacity=0.5),
    "one layer, its group dissolved": group(noise(seed=7), mode="dissolve", opacity=0.5),
}
GROUPED = {
    "a mode inside, isolated": group(noise(), noise(mode="multiply"), mode="normal"),
    "two layers, half there": group(noise(), noise(), mode="normal", opacity=0.5),
    "two layers in a mode": group(noise(), noise(), mode="multiply"),
    "one layer, two masks": group(noise(mask=MASK), mode="normal", mask=MASK),
    "one layer in a mode, isolated": group(noise(mode="multiply"), mode="multiply"),
}


@pytest.mark.parametrize("linear", [False, True], ids=["encoded", "linear"])
@pytest.mark.parametrize("node", UNGROUPED.values(), ids=UNGROUPED)
def test_a_group_that_is_a_stack_is_drawn_as_one(node: Node, linear: bool) -> None:
    nodes = [Node(plain((90, 160, 30, 200))), node]
    assert flattened(nodes) is not None
    got = composite_tree(nodes, *SIZE, threads=2, linear=linear)
    expected = composite_tree_reference(nodes, *SIZE, linear=linear).numpy() * 255
    assert np.abs(got - expected).max() <= 1


@pytest.mark.parametrize("node", GROUPED.values(), ids=GROUPED)
def test_a_group_that_is_no_stack_stays_one(node: Node) -> None:
    nodes = [Node(plain((90, 160, 30, 200))), node]
    assert flattened(nodes) is None
    got = composite_tree(nodes, *SIZE)
    assert np.abs(got - composite_tree_reference(nodes, *SIZE).numpy() * 255).max() <= 1
