"""Any composition that is valid by the model is drawn: no error, the reference's pixels, the same bytes everywhere; any
other is a 400 that names the field.

Sixty of each kind, some twenty seconds on two cores. `COMPOSITIONS_EXAMPLES=2000` tries so many of each kind.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from artifacts.errors import NotFound
from deployments.engines.image_core import work
from deployments.errors import InvalidRequest, as_app_error
from deployments.operation import Inputs
from kernels import composite_tree
from kernels.composite_tree import Node, composite_tree_reference
from tests.unit.compositions import IDS, JSON, compositions, stocked
from tests.unit.image_bench import Bench
from tests.unit.test_composite import DISCONTINUOUS, difference, nudged, rounded

EXAMPLES = int(os.environ.get("COMPOSITIONS_EXAMPLES", "60"))
AT_RANDOM = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
SMALL = 1e-4
OPAQUE = ("#fff", "#000000", "#808080")
"""Those of the strategy's colours that are sure to be."""
BEYOND = {
    "color": "#fff",
    "width": 1,
    "height": 10,
    "crop": [0, 0, 24, 3],
    "fit": "cover",
    "filters": [{"type": "median", "radius": 1}],
}
"""A crop reaches beyond its source, and the part of it that covers the box has nothing of the source."""
BENCHES = {threads: stocked(threads) for threads in (1, 2)}


def drawn(bench: Bench, composition: JSON) -> np.ndarray:
    """uint8 [h, w, 4]."""
    body = bench.plan({"composition": composition}).parameters["composition"]
    return work.compose(body, cast(Inputs, bench.stored), bench.tools())


def nodes_of(bench: Bench, composition: JSON) -> Sequence[Node]:
    """What the compositor is given."""
    given: list[Sequence[Node]] = []
    real = composite_tree.composite_tree

    def noted(nodes: Sequence[Node], *size: int, **more: Any) -> np.ndarray:
        given.append(nodes)
        return real(nodes, *size, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(composite_tree, "composite_tree", noted)
        drawn(bench, composition)
    return given[-1]


def moved(nodes: Sequence[Node], by: Iterator[float]) -> list[Node]:
    """Every picture, mask and opacity moved by the next of `by`."""

    def shifted(value: Any, full: float, change: float) -> Any:
        return None if value is None else np.clip(np.asarray(value, np.float64) + change * full, 0, full)

    return [
        replace(
            node,
            layer=node.layer and nudged(node.layer, next(by)),
            children=tuple(moved(node.children, by)),
            clips=tuple(moved(node.clips, by)),
            inside=tuple(nudged(one, next(by)) for one in node.inside),
            mask=shifted(node.mask, 255, change := next(by)),
            opacity=float(shifted(node.opacity, 1, change)),
            fill=float(shifted(node.fill, 1, change)),
        )
        for node in nodes
    ]


def jumps(nodes: Sequence[Node]) -> bool:
    """Whether a discontinuous mode, or an adjustment of what lies below, takes part."""
    return any(
        node.adjustment is not None
        or {node.mode, *(one.mode for one in (node.layer, *node.inside) if one)} & DISCONTINUOUS
        or jumps(node.children)
        or jumps(node.clips)
        for node in nodes
    )


def signs(rng: np.random.Generator) -> Iterator[float]:
    while True:
        yield SMALL * float(rng.choice([-1, 1]))


def all_of(value: float) -> Iterator[float]:
    while True:
        yield value


def test_any_composition_is_drawn_as_the_float64_reference_and_the_same_by_any_number_of_threads() -> None:
    seen = unsteady = 0

    @example({"width": 1, "height": 1, "background_color": "#fff", "layers": []})
    @example({"width": 1, "height": 1, "color_space": "linear", "layers": [{"asset_id": IDS[0], "flip": "v"}]})
    @example({"width": 1, "height": 1, "layers": [{"text": "\x00", "text_tracking": 9.0}]})
    @example({"width": 3, "height": 17, "layers": [BEYOND]})
    @AT_RANDOM
    @given(compositions())
    def draw(composition: JSON) -> None:
        nonlocal seen, unsteady
        one, two = (drawn(bench, composition) for bench in BENCHES.values())
        assert one.tobytes() == two.tobytes()
        size, linear = one.shape[1::-1], composition.get("color_space") == "linear"
        nodes = nodes_of(BENCHES[2], composition)
        reference = composite_tree_reference(nodes, *size, linear=linear)
        assert reference.isfinite().all()
        assert reference.min() >= -1e-9
        assert reference.max() <= 1 + 1e-9
        if composition.get("background_color") in OPAQUE:
            assert (one[..., 3] == 255).all()
        assert not one[one[..., 3] == 0].any()
        expected = rounded(reference)
        off = difference(one, expected) > 1
        seen, unsteady = seen + off.size, unsteady + int(off.sum())
        if off.any():
            assert jumps(nodes)
            for by in (all_of(SMALL), all_of(-SMALL), *(signs(np.random.default_rng(seed)) for seed in range(6))):
                around = composite_tree_reference(moved(nodes, by), *size, linear=linear)
                off &= difference(rounded(around), expected) <= 1
            assert not off.any()

    draw()
    assert unsteady <= 200e-6 * seen


def hashes(given: list[JSON]) -> list[str]:
    return [hashlib.sha256(drawn(BENCHES[1], one)).hexdigest() for one in given]


def some(count: int) -> list[JSON]:
    """The first compositions of the strategy."""
    found: list[JSON] = []

    @settings(AT_RANDOM, max_examples=count, phases=[Phase.generate])
    @given(compositions())
    def note(composition: JSON) -> None:
        found.append(composition)

    note()
    return found


def test_another_process_draws_the_same_bytes() -> None:
    given = some(40)
    code = "import json, sys; from tests.unit.test_random_compositions import hashes;"
    code += "print(json.dumps(hashes(json.load(sys.stdin))))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        input=json.dumps(given),
        env=os.environ | {"PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == hashes(given)


def places_in(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of everything in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*path, key)
        yield from places_in(item, (*path, key))


JUNK = [
    *(None, True, "", "x", "#12", "asset_aaaaaaaa", -1, 0, 0.5, 1.0001, 25, 1e7, 1e300),
    *(float("nan"), float("-inf"), [], {}, [0], [[0, 0], [1, 1]], {"x": 1}, {"type": "solid"}, "pass_through"),
]


@AT_RANDOM
@given(compositions().filter(lambda one: len(one["layers"]) > 0), st.data())
def test_a_composition_with_anything_put_anywhere_is_drawn_or_refused_by_its_field(
    composition: JSON, data: st.DataObject
) -> None:
    broken = copy.deepcopy(composition)
    place = data.draw(st.sampled_from(sorted(places_in(broken), key=str)))
    owner: Any = broken
    for step in place[:-1]:
        owner = owner[step]
    owner[place[-1]] = data.draw(st.sampled_from(JUNK))
    try:
        drawn(BENCHES[2], broken)
    except (ValidationError, InvalidRequest, NotFound) as error:
        told = as_app_error(error, {"composition": broken})
        if told.status == 404:  # an id that is well formed
            return
        assert told.status == 400
        assert str(told.details["field"]).startswith("composition")
