"""A search's plan, and what it becomes where weights or consent are missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from artifacts.errors import NotFound
from artifacts.scope import Scope
from configs.settings import Settings
from deployments.engines.video_regions import detectors
from deployments.engines.video_regions.models import RegionsRequest
from deployments.engines.video_regions.plan import plan
from deployments.errors import BackendUnavailable, InvalidRequest, UnknownBackend
from deployments.operation import Context
from tests.unit.searches import (
    ASSET,
    having,
    planned,
    registry,
)


def test_left_out_fields_equal_the_spelled_out_defaults() -> None:
    spelled = planned(
        include_regions=["face"],
        backend="opencv_face_detector",
        min_confidence=0.5,
        frame_sample_interval_ms=500,
        mode="auto",
    )
    assert planned().cache_key == spelled.cache_key
    assert planned(mode="sampled").cache_key != spelled.cache_key
    assert planned(backend="centerface").cache_key != spelled.cache_key


@pytest.mark.parametrize(
    ("least", "side"), [(None, 960), (16, 640), (17, 640), (8, 1280), (1, 1920), (640, 320), (40, 320)]
)
def test_the_search_is_as_fine_as_the_smallest_face_asks_for(least: int | None, side: int) -> None:
    """Of a clip 640 wide: a face of `least` pixels is 16 high in what is searched, within bounds."""
    assert planned(min_face_px=least).parameters["detector_side"] == side


def test_requests_that_cannot_be_met_name_their_field() -> None:
    with pytest.raises(InvalidRequest, match="there are face, eyes") as region:
        planned(include_regions=["face", "hair"])
    assert region.value.details["field"] == "include_regions[1]"
    with pytest.raises(UnknownBackend, match="opencv_face_detector, centerface, torch") as backend:
        planned(backend="haar")
    assert backend.value.details["field"] == "backend"
    with pytest.raises(InvalidRequest, match="audio"):
        planned("audio")
    with pytest.raises(NotFound):
        planned(asset_id="asset_bbbbbbbb")


def test_settling_keeps_what_is_there(tmp_path: Path) -> None:
    made = planned()
    assert detectors.settle(made, having({"yunet": tmp_path}), Settings()) == made
    fallen = detectors.settle(made, having({"centerface": tmp_path}), Settings())
    assert (fallen.backend, fallen.parameters["model"]) == ("opencv_face_detector", "centerface")
    assert fallen.weights_id != made.weights_id
    assert fallen.cache_key != made.cache_key


def test_a_stub_stands_in_only_outside_staging_and_prod() -> None:
    made = planned()
    assert detectors.settle(made, having({}), Settings()).backend == "stub"
    with pytest.raises(BackendUnavailable, match="make models"):
        detectors.settle(made, having({}), Settings(allow_stubs=False))
    for env in ("staging", "prod"):
        context = Context(Scope("t_acme", env), "request")
        there = plan(RegionsRequest(asset_id=ASSET), context, registry(), Settings())
        with pytest.raises(BackendUnavailable):
            detectors.settle(there, having({}), Settings())
        asked = plan(RegionsRequest(asset_id=ASSET, backend="stub"), context, registry(), Settings())
        with pytest.raises(BackendUnavailable):
            detectors.settle(asked, having({}), Settings())


def test_mediapipe_starts_only_with_consent_and_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = planned(backend="mediapipe_face_detector")
    here = having({"mediapipe_full_range": tmp_path})
    settled = detectors.settle(made, here, Settings())
    assert settled.backend == "stub"
    assert "MEDIAPIPE_CONSENT=1" in settled.warnings[0].message
    with pytest.raises(BackendUnavailable, match="MEDIAPIPE_CONSENT=1") as refused:
        detectors.settle(made, here, Settings(allow_stubs=False))
    assert refused.value.details["field"] == "backend"
    consented = Settings(mediapipe_consent=True, allow_stubs=False)
    monkeypatch.setattr(detectors, "find_spec", lambda name: None)
    with pytest.raises(BackendUnavailable, match="pip install --no-deps mediapipe"):
        detectors.settle(made, here, consented)
    monkeypatch.setattr(detectors, "find_spec", lambda name: object())
    assert detectors.settle(made, here, consented) == made


@pytest.mark.parametrize("backend", ["blazeface_full", "mediapipe_face_detector"])
def test_regions_from_landmarks_are_refused_where_a_detector_finds_none(backend: str) -> None:
    with pytest.raises(InvalidRequest, match=r"drawn from landmarks.*opencv_face_detector") as refused:
        planned(backend=backend, include_regions=["face", "eyes"])
    assert refused.value.details["field"] == "include_regions[1]"
    assert planned(backend=backend, include_regions=["face", "background"]).backend == backend
