"""Trees as tables of steps: what is planned, and that the compiled walk of it draws the float64 reference's pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels import composite_colors, composite_levels
from kernels import composite_tree as module
from kernels.adjustment_layers import recolor
from kernels.blend import MODES
from kernels.composite import Layer
from kernels.composite_colors import NAMES, color_loop_of
from kernels.composite_formulas import SPECIAL_FILLS
from kernels.composite_numba import composite_steps, warm
from kernels.composite_steps import LEVELS, Op, Unplanned, steps_of_tree
from kernels.composite_tree import Node, composite_tree, composite_tree_reference
from kernels.lookup import Table
from tests.unit.test_composite import DISCONTINUOUS, SMOOTH, difference, rounded
from tests.unit.test_random_compositions import SMALL, all_of, moved, signs

SIZE = (300, 14)
EMPTY_MASK = np.zeros(SIZE[::-1], np.uint8)


def picture(rng: np.random.Generator, **more: Any) -> Layer:
    """Noise somewhere, some of it transparent, some opaque."""
    width, height = int(rng.integers(1, 2 * SIZE[0])), int(rng.integers(1, 2 * SIZE[1]))
    pixels = rng.integers(0, 256, (height, width, 4), dtype=np.uint8)
    pixels[..., 3][rng.random((height, width)) < 0.2] = 0
    pixels[..., 3][rng.random((height, width)) < 0.2] = 255
    opaque = bool(rng.random() < 0.3)
    if opaque:
        pixels[..., 3] = 255
    x, y = int(rng.integers(-width, SIZE[0])), int(rng.integers(-height, SIZE[1]))
    return Layer(pixels, x, y, opaque=opaque, **more)


def shared_look(rng: np.random.Generator) -> dict[str, Any]:
    mask = rng.integers(0, 256, SIZE[::-1], dtype=np.uint8) if rng.random() < 0.4 else None
    return {"opacity": float(rng.choice([1.0, rng.random()])), "mask": mask}


def tree(rng: np.random.Generator, modes: list[str], depth: int, adjusted: bool) -> Node:
    """A node with anything that a step stands for; of depth -1 nothing is clipped to it, as in requests."""
    mode = str(rng.choice(modes))
    clipping = depth >= 0 and rng.random() < 0.25
    clips = tuple(tree(rng, modes, -1, adjusted) for _ in range(int(rng.integers(1, 3)))) if clipping else ()
    inside = tuple(picture(rng, mode=str(rng.choice(modes))) for _ in range(2)) if rng.random() < 0.25 else ()
    more: dict[str, Any] = {"clips": clips, "inside": inside, "fill": float(rng.choice([1.0, rng.random()]))}
    more["knockout"] = str(rng.choice(["none"] * 4 + ["shallow", "deep"]))
    if adjusted and rng.random() < 0.2:
        name = str(rng.choice(list(ADJUSTED)))
        change = recolor(*ADJUSTED[name])
        return Node(None, (), change, mode=mode, fill=more["fill"], clips=clips, **shared_look(rng))
    if depth > 0 and rng.random() < 0.6:
        children = tuple(tree(rng, modes, depth - 1, adjusted) for _ in range(int(rng.integers(0, 4))))
        if rng.random() < 0.6:
            return Node(None, children, **shared_look(rng), **(more if rng.random() < 0.5 else {}))
        return Node(None, children, mode=mode, **shared_look(rng), **more)
    return Node(picture(rng, mode=mode, **shared_look(rng)), **more)


def trees(seed: int, modes: list[str], adjusted: bool = False) -> list[Node]:
    rng = np.random.default_rng(seed)
    ground = [Node(picture(rng), ground=True)] if rng.random() < 0.5 else []
    return ground + [tree(rng, modes, 3, adjusted) for _ in range(int(rng.integers(1, 4)))]


GREENS = {"range": [70, 100, 140, 170], "hue": 80, "saturation": -40, "lightness": 30}
REDS = {"range": [315.5, 345, 15, 45.25], "hue": -60, "saturation": 50, "lightness": -20}
FORMULAS: dict[str, tuple[str, dict[str, Any]]] = {
    "hue and saturation": ("hue_saturation", {"hue": 70, "saturation": 35, "lightness": -12}),
    "ranges of hue": ("hue_saturation", {"hue": 5, "saturation": -10, "lightness": 8, "ranges": [GREENS, REDS]}),
    "colorize": ("hue_saturation", {"colorize": True, "hue": 200, "saturation": 45, "lightness": 15}),
    "vibrance": ("vibrance", {"vibrance": 70, "saturation": -20}),
    "black and white": ("black_white", {"reds": 90, "blues": -40}),
    "black and white, tinted": ("black_white", {"greens": 120, "tint_color": "#e1d3b3ff"}),
    "a photo filter": ("photo_filter", {"color": "#0050ecff", "density": 60}),
}
"""Adjustments that look at the whole colour, and the kind of each."""
TABLED: dict[str, dict[str, Any]] = {
    "invert": {},
    "posterize": {"levels": 5},
    "threshold": {"threshold": 120},
    "levels": {"rgb": {"in_black": 20, "gamma": 1.5}, "r": {"out_white": 200}},
    "curves": {"rgb": [[0, 10], [100, 150], [255, 240]], "g": [[0, 255], [255, 0]]},
    "exposure": {"exposure": 1.2, "offset": -0.05, "gamma": 1.4},
    "brightness_contrast": {"brightness": 30, "contrast": 40},
    "photo_filter": {"density": 40, "preserve_luminosity": False},
}
"""Kinds that are tables, and parameters of them."""
ADJUSTED = FORMULAS | {kind: (kind, parameters) for kind, parameters in TABLED.items()}


def walked(nodes: list[Node], *, linear: bool = False) -> np.ndarray:
    """By steps, on one and on two threads."""
    steps = steps_of_tree(nodes, *SIZE, linear=linear)
    one, two = (composite_steps(steps, *SIZE, threads) for threads in (1, 2))
    assert one.tobytes() == two.tobytes()
    return one


def off(nodes: list[Node], *, linear: bool = False) -> np.ndarray:
    """Pixels in which the walk is not the reference, where that is steady: [h, w] bool."""

    def reference(nodes: list[Node]) -> np.ndarray:
        return rounded(composite_tree_reference(nodes, *SIZE, linear=linear))

    got, expected = walked(nodes, linear=linear), reference(nodes)
    apart = difference(got, expected) > 1
    if apart.any():
        for by in (all_of(SMALL), all_of(-SMALL), *(signs(np.random.default_rng(seed)) for seed in range(6))):
            apart &= difference(reference(moved(nodes, by)), expected) <= 1
    return apart


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 2**32 - 1))
def test_any_tree_in_smooth_modes_is_the_references_everywhere(seed: int) -> None:
    nodes = trees(seed, SMOOTH)
    assert difference(walked(nodes), rounded(composite_tree_reference(nodes, *SIZE))).max() <= 1


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 2**32 - 1))
def test_any_tree_in_any_mode_and_with_adjustments_is_the_references_where_that_is_steady(seed: int) -> None:
    assert not off(trees(seed, list(MODES), adjusted=True)).any()


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 2**32 - 1))
def test_any_tree_in_linear_light_is_the_references_where_that_is_steady(seed: int) -> None:
    assert not off(trees(seed, list(MODES), adjusted=True), linear=True).any()


@pytest.mark.parametrize("opaque", [False, True], ids=["over transparency", "over opaque"])
@pytest.mark.parametrize("mode", MODES)
def test_each_mode_blends_a_group(mode: str, opaque: bool) -> None:
    rng = np.random.default_rng(11)
    base = np.full((SIZE[1], SIZE[0], 4), 200, np.uint8)
    base[..., :3] = rng.integers(0, 256, base[..., :3].shape)
    base[..., 3] = 255 if opaque else rng.integers(0, 256, SIZE[::-1])
    layers = [Node(picture(rng, mode=one)) for one in ("normal", "multiply", "screen", "normal")]
    for look in ({}, {"opacity": 0.6, "mask": rng.integers(0, 256, SIZE[::-1], dtype=np.uint8)}):
        nodes = [Node(Layer(base, opaque=opaque)), Node(None, tuple(layers), mode=mode, **look)]
        assert any(step.mode == mode and step.source == 1 for step in steps_of_tree(nodes, *SIZE))
        wrong = off(nodes) if mode in DISCONTINUOUS else difference(
            walked(nodes), rounded(composite_tree_reference(nodes, *SIZE))
        ) > 1  # fmt: skip
        assert not wrong.any()


@pytest.mark.parametrize("fill", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("mode", sorted(SPECIAL_FILLS))
def test_a_fill_enters_the_formula(mode: str, fill: float) -> None:
    rng = np.random.default_rng(5)
    nodes = [Node(picture(rng)), Node(picture(rng, mode=mode, opacity=0.8), fill=fill)]
    assert {"refill", "hard_mix"} & {step.op for step in steps_of_tree(nodes, *SIZE)}
    assert not off(nodes).any()


@pytest.mark.parametrize("kind", TABLED)
def test_an_adjustment_that_is_a_table_is_looked_up(kind: str) -> None:
    rng = np.random.default_rng(6)
    change = recolor(kind, TABLED[kind])
    nodes = [Node(picture(rng)), Node(picture(rng)), Node(None, (), change, 0.8, "normal"), Node(picture(rng))]
    assert [step.op[:7] for step in steps_of_tree(nodes, *SIZE)].count("look_up") == 1
    assert not off(nodes).any()


@pytest.mark.parametrize("linear", [False, True], ids=["encoded", "linear"])
@pytest.mark.parametrize("name", FORMULAS)
def test_an_adjustment_that_looks_at_the_whole_colour_is_its_formula(name: str, linear: bool) -> None:
    rng = np.random.default_rng(8)
    kind, parameters = FORMULAS[name]
    below = [Node(picture(rng)), Node(picture(rng)), Node(picture(rng, mode="screen"))]
    for look in ({"mode": "normal"}, {"mode": "multiply", **shared_look(rng)}):
        nodes = [*below, Node(None, (), recolor(kind, parameters), **look), Node(picture(rng))]
        assert NAMES & {step.op for step in steps_of_tree(nodes, *SIZE, linear=linear)}
        assert not off(nodes, linear=linear).any()


def grouped_adjustment(rng: np.random.Generator) -> Node:
    """Two groups within one that is filled: what is adjusted in each is only what that group painted."""
    change = Node(None, (), recolor(*FORMULAS["a photo filter"]), 0.9, "normal")
    inner = grouped(Node(picture(rng, mode="multiply")), change, opacity=0.7)
    whole = grouped(change, Node(picture(rng)), change)
    return grouped(Node(picture(rng)), inner, whole, fill=0.6, clips=(Node(picture(rng, mode="screen")),))


def test_what_passes_through_and_is_more_is_adjusted_where_it_painted() -> None:
    rng = np.random.default_rng(13)
    for _ in range(6):
        nodes = [Node(picture(rng)), Node(picture(rng)), grouped_adjustment(rng), Node(picture(rng, mode="overlay"))]
        assert "take_out" in [step.op for step in steps_of_tree(nodes, *SIZE)]
        assert not off(nodes).any()


def test_a_stack_in_linear_light_is_steps_too(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(14)
    nodes = [Node(picture(rng, mode=mode)) for mode in ("normal", "multiply", "hue", "color_dodge")]
    monkeypatch.setattr(module, "composite", None)
    monkeypatch.setattr(module, "composite_tree_reference", None)
    got = composite_tree(nodes, *SIZE, linear=True)
    monkeypatch.undo()
    assert got.tobytes() == walked(nodes, linear=True).tobytes()
    assert not off(nodes, linear=True).any()


def test_an_exposure_is_exact_where_it_is_steepest() -> None:
    ramp = np.zeros((1, 256, 4), np.uint8)
    ramp[0, :, :3] = np.arange(256)[:, None]
    ramp[..., 3] = 255
    change = recolor("exposure", {"exposure": -3, "gamma": 9.99})
    half = Node(None, (Node(Layer(ramp)), Node(Layer(ramp, opacity=0.5, mode="multiply"))), mode="normal")
    nodes = [half, Node(None, (), change, 1, "normal")]
    got = composite_steps(steps_of_tree(nodes, 256, 1), 256, 1, 1)
    assert np.abs(got - composite_tree_reference(nodes, 256, 1).numpy() * 255).max() <= 1


def test_every_step_has_a_loop_that_is_compiled_ahead() -> None:
    names = {name for part in get_args(Op) for name in (get_args(part) or (part,))}
    assert names == {"blend", "lock_light", *composite_levels._OPS, *NAMES}
    warm()
    compiled = (composite_levels.op_of, composite_levels.lock_of_pixels, composite_colors._compiled)
    before = [cached.cache_info().misses for cached in compiled]
    assert composite_levels.lock_of_pixels(True)
    for name in names - {"blend", "lock_light"}:
        assert color_loop_of(name) if name in NAMES else composite_levels.op_of(name)
    assert [cached.cache_info().misses for cached in compiled] == before


def plain(value: int = 90, **more: Any) -> Layer:
    return Layer(np.full((SIZE[1], SIZE[0], 4), value, np.uint8), **more)


def grouped(*nodes: Node, **more: Any) -> Node:
    return Node(None, nodes, **more)


PLANS: dict[str, tuple[list[Node], str]] = {
    "a stack": ([Node(plain()), Node(plain())], "blend 0, blend 0"),
    "an isolated group": ([grouped(Node(plain()), Node(plain()), mode="hue")], "copy 1, blend 1, blend 1, blend 0"),
    "passed through whole": ([grouped(Node(plain()), Node(plain()))], "blend 0, blend 0"),
    "passed through by half": ([grouped(Node(plain()), opacity=0.5)], "copy 1, blend 1, mix 0"),
    "clipped": ([Node(plain(), clips=(Node(plain()),))], "lock 1, blend 1, blend 0"),
    "an effect inside": ([Node(plain(), inside=(plain(),))], "copy 1, blend 1, blend 1, mix 0"),
    "a formula": (
        [Node(None, (), recolor("vibrance", {}), 1, "normal")],
        "lock 1, hue_saturation 2, blend 1, unlock 0",
    ),
    "hard mix, filled": ([Node(plain(mode="hard_mix"), fill=0.5)], "lock 1, copy 2, hard_mix 2, mix 0"),
    "a filled group that passes through": (
        [grouped(Node(plain(mode="screen")), fill=0.5)],
        "copy 1, copy 2, blend 2, cover 1, take_out 1, blend 0",
    ),
    "a knockout": ([Node(plain(), knockout="deep")], "copy 1, blend 1, mix 0, add 0"),
    "what is not seen": ([Node(plain(opacity=0.0)), grouped(mode="hue"), grouped(Node(plain()), opacity=0)], ""),
}


@pytest.mark.parametrize(("nodes", "expected"), PLANS.values(), ids=PLANS)
def test_a_tree_is_these_steps(nodes: list[Node], expected: str) -> None:
    assert ", ".join(f"{step.op} {step.level}" for step in steps_of_tree(nodes, *SIZE)) == expected


def nested(depth: int) -> Node:
    """Isolated groups within each other, each with something above the next."""
    node = Node(plain(200))
    for value in range(depth):
        node = grouped(node, Node(plain(40 + value, mode="multiply")), mode="screen")
    return node


UNPLANNED: dict[str, Callable[[], Node]] = {
    "more levels than there are": lambda: nested(LEVELS),
    "an adjustment without rows": lambda: Node(None, (), lambda c: c.flip(-1), 1, "normal"),
    "a ground that knocks out": lambda: Node(plain(), knockout="deep", ground=True),
}


@pytest.mark.parametrize("make", UNPLANNED.values(), ids=UNPLANNED)
def test_what_no_step_stands_for_is_drawn_by_the_reference(make: Callable[[], Node]) -> None:
    nodes = [Node(plain(130)), make()]
    with pytest.raises(Unplanned):
        steps_of_tree(nodes, *SIZE)
    got = composite_tree(nodes, *SIZE)
    assert np.abs(got - composite_tree_reference(nodes, *SIZE).numpy() * 255).max() <= 1


def test_as_many_levels_as_there_are_are_planned() -> None:
    nodes = [Node(plain(130)), nested(LEVELS - 1)]
    assert max(step.level for step in steps_of_tree(nodes, *SIZE)) == LEVELS - 1
    assert not off(nodes).any()


def test_without_numba_the_reference_does_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [Node(plain()), nested(2)]
    fast = composite_tree(nodes, *SIZE)
    monkeypatch.setattr(module, "fast", None)
    assert difference(fast, composite_tree(nodes, *SIZE).astype(np.int64)).max() <= 1


def test_a_mask_has_the_canvass_size() -> None:
    for mask, fits in ((EMPTY_MASK, True), (EMPTY_MASK[:-1], False)):
        nodes = [grouped(Node(plain()), grouped(Node(plain()), Node(plain()), mode="hue", mask=mask), mode="hue")]
        if fits:
            assert composite_tree(nodes, *SIZE).any()
        else:
            with pytest.raises(ValueError, match="size 300x14"):
                composite_tree(nodes, *SIZE)


def test_a_groups_mask_is_bytes_in_any_order() -> None:
    columns = np.asfortranarray(np.random.default_rng(2).integers(0, 256, SIZE[::-1], dtype=np.uint8))
    inner = (Node(plain()), Node(plain(mode="screen")))
    one, two = (
        composite_tree([Node(None, inner, mode="hue", mask=mask)], *SIZE) for mask in (columns, columns.copy("C"))
    )
    assert one.tobytes() == two.tobytes()
    with pytest.raises(ValueError, match="uint8"):
        composite_tree([Node(None, inner, mode="hue", mask=columns.astype(np.float64))], *SIZE)


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((3, 4)),
        np.zeros((2, 4), np.float32),
        np.zeros((3, 1), np.float32),
        np.zeros((3, 8), np.float32)[:, ::2],
    ],
)
def test_a_malformed_table_is_refused(values: np.ndarray) -> None:
    with pytest.raises(ValueError, match="a table"):
        Table(values)
