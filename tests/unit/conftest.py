"""Fixtures of several files: the whole application on the local dispatch, once, with what its documented examples
name; and what renders of the shared clip are made from."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from artifacts import Asset
from configs.models import WeightsMissing
from deployments.operation import JSON
from tests.conftest import SHARED
from tests.unit.documented import Documented
from tests.unit.renders import CUTS, TICK, Shop, face_blur, timeline

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def documented() -> Iterator[Documented]:
    """Weights come from the shared material, MATTEBOX_HOME or a package, else this skips; the store is in memory."""
    home = Path(os.environ.get("MATTEBOX_HOME", ROOT / "var")).absolute()
    models = os.environ.get("MODELS_PATH", str(SHARED / "data" / "models"))
    try:
        bench = Documented(home, models, ROOT / "tests" / "fixtures" / "video_clips" / "face_clip.mp4").__enter__()
    except WeightsMissing as error:
        pytest.skip(f"{error}")
    yield bench
    bench.__exit__()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return Shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def speakers(shop: Shop, shared_data: Path) -> Asset:
    return shop.asset(shared_data / "media" / "face_clip.mp4")


@pytest.fixture(scope="module")
def truth(shared_data: Path) -> list[list[list[float]]]:
    """face_clip's known faces as tracks, one a shot."""
    boxes = json.loads((shared_data / "media" / "face_clip.boxes.json").read_text())["frames"]
    tracks: dict[tuple[int, int], list[list[float]]] = {}
    for number, faces in enumerate(boxes):
        shot = max(cut for cut in CUTS if cut <= number)
        for which, face in enumerate(faces):
            x1, y1, x2, y2 = face["box"]
            tracks.setdefault((shot, which), []).append([number * TICK, x1, y1, x2 - x1, y2 - y1])
    return list(tracks.values())


@pytest.fixture(scope="module")
def blurred(shop: Shop, speakers: Asset, truth: list[list[list[float]]]) -> JSON:
    return timeline(speakers.id, face_blur(shop.summary(speakers, truth).id))


@pytest.fixture(scope="module")
def yunet(shared_data: Path) -> dict[str, Path]:
    return {"yunet": shared_data / "models" / "face_detection_yunet_2023mar.onnx"}
