"""The whole application on the local dispatch, once, with what its documented examples name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from configs.models import WeightsMissing
from tests.conftest import SHARED
from tests.unit.documented import Documented

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
