"""What a composition may hold in memory: a refusal that names the layer, on both sides of the cap."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from configs.settings import Settings
from deployments.engines.image_core import sources
from deployments.engines.image_core.held import Held, unpinned
from deployments.errors import InvalidRequest
from kernels.composite import Layer
from kernels.composite_tree import Node
from tests.unit.image_bench import Bench

SIDE = 32
PLANE = SIDE * SIDE * 4


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 4), dtype=np.uint8)


def bench_of(tmp_path: Path, most: int) -> Bench:
    return Bench(Settings(mattebox_home=tmp_path, max_layer_bytes=most))


def composition(bench: Bench, count: int, **layer: Any) -> dict[str, Any]:
    layers = [{"asset_id": bench.picture(picture(seed)), "rotation": 90, **layer} for seed in range(count)]
    return {"width": SIDE, "height": SIDE, "layers": layers}


def test_layers_fit_up_to_the_last_byte(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, 3 * PLANE)
    assert bench.pixels(composition(bench, 3)).shape == (SIDE, SIDE, 4)
    bench = bench_of(tmp_path, 3 * PLANE - 1)
    with pytest.raises(InvalidRequest, match="MAX_LAYER_BYTES") as caught:
        bench.pixels(composition(bench, 3))
    assert caught.value.details["field"] == "composition.layers[2]"


def test_masks_and_layers_of_groups_are_counted(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, 2 * PLANE)
    mask = {"type": "rect", "x": 0, "y": 0, "width": SIDE, "height": 3}
    with pytest.raises(InvalidRequest) as caught:
        bench.pixels(composition(bench, 2, mask=mask))
    assert caught.value.details["field"] == "composition.layers[1]"
    body = composition(bench, 3)
    body["layers"] = [{"layers": body["layers"]}]
    with pytest.raises(InvalidRequest) as caught:
        bench.pixels(body)
    assert caught.value.details["field"] == "composition.layers[0].layers[2]"


def test_one_plane_is_counted_once_however_many_layers_show_it() -> None:
    node, held = Node(Layer(picture(0))), Held(PLANE)
    for field in ("a", "b"):
        held.add([node], field)
    with pytest.raises(InvalidRequest, match=r"^d: "):
        held.add([Node(Layer(np.zeros((1, 1, 4), np.uint8)))], "d")


def test_a_small_part_does_not_keep_a_large_picture() -> None:
    whole = picture(0)
    assert unpinned(whole) is whole
    assert unpinned(whole[: SIDE // 2]).base is whole
    assert unpinned(whole[: SIDE // 2 - 1]).base is None


def test_pictures_that_do_not_fit_are_decoded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []

    def counted(source: Any, *given: Any) -> np.ndarray:
        decoded.append(source.id)
        return picture(len(decoded))

    monkeypatch.setattr(sources.decode, "picture", counted)
    monkeypatch.setattr(sources, "MOST_DECODED", 2 * PLANE)
    bench = Bench(Settings(mattebox_home=tmp_path))
    a, b, c = (bench.picture(picture(seed)) for seed in range(3))
    order = [a, b, a, c, a, b]  # c leaves no room for b
    bench.pixels({"width": SIDE, "height": SIDE, "layers": [{"asset_id": id} for id in order]})
    assert decoded == [a, b, c, b]
