"""The guided filter against its definition, and selections that follow a picture's edges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from configs.settings import Settings
from deployments.engines.image_core.models import ImageMasksRequest
from deployments.errors import InvalidRequest
from kernels.guided import guided, guided_reference
from tests.unit.image_bench import Bench


def test_it_agrees_with_the_definition() -> None:
    random = np.random.default_rng(2)
    plane, guide = random.random((17, 23), np.float32), random.random((17, 23, 3), np.float32)
    for radius, smoothness in ((1, 1e-3), (4, 1e-2), (30, 1e-4)):
        apart = np.abs(guided(plane, guide, radius, smoothness) - guided_reference(plane, guide, radius, smoothness))
        assert apart.max() <= 1 / 255


def test_a_tall_picture_is_fitted_in_parts_and_as_a_whole() -> None:
    """Beyond the rows of one part, with squares that reach over the cuts."""
    random = np.random.default_rng(3)
    plane, guide = random.random((300, 9), np.float32), random.random((300, 9, 3), np.float32)
    guide[:, :4] = 0.5  # of one colour: nothing but the smoothness keeps the fit apart from 0 / 0
    for radius, smoothness in ((3, 1e-3), (40, 0.0)):
        apart = np.abs(guided(plane, guide, radius, smoothness) - guided_reference(plane, guide, radius, smoothness))
        assert apart.max() <= 1 / 255


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(Settings(mattebox_home=tmp_path))


def request(id: str, **refine: Any) -> dict[str, Any]:
    rough = {"type": "rect", "x": 0, "y": 0, "width": 32, "height": 40, "feather_radius": 4}
    return {"width": 60, "height": 40, "selection": rough | {"refine": {"asset_id": id} | refine}}


def halves() -> np.ndarray:
    """A dark and a light half that meet at column 29."""
    pixels = np.full((40, 60, 3), (30, 60, 40), np.uint8)
    pixels[:, 29:] = (220, 190, 200)
    return pixels


def test_a_rough_selection_snaps_to_the_edge(bench: Bench) -> None:
    id = bench.picture(halves())
    rough = bench.mask({"width": 60, "height": 40, "selection": request(id)["selection"] | {"refine": None}})[0]
    fine = bench.mask(request(id, radius=12, smoothness=1e-4))[0]
    assert int(rough[20, 28]) - int(rough[20, 29]) < 40
    assert int(fine[20, 28]) - int(fine[20, 29]) > 120
    plan = bench.plan_mask(request(id))
    assert [item.id for item in plan.inputs] == [id]


def test_its_limits(bench: Bench) -> None:
    id = bench.picture(halves())
    assert bench.plan_mask(request(id, radius=100)).warnings == ()
    assert [w.field for w in bench.plan_mask(request(id, radius=101)).warnings] == ["selection.refine.radius"]
    for wrong in ({"radius": -1}, {"smoothness": -0.1}, {"smoothness": 1.1}, {"artifact_id": "mask_aaaaaaaa"}):
        with pytest.raises(ValidationError):
            ImageMasksRequest.model_validate(request(id, **wrong))
    with pytest.raises(InvalidRequest) as caught:
        bench.plan_mask(request(bench.picture(halves()[:20])))
    assert caught.value.details["field"] == "selection.refine.asset_id"
