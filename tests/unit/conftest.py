"""The whole application on the local dispatch, once, with what its documented examples name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.documented import Documented

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def documented() -> Iterator[Documented]:
    """Weights come from MATTEBOX_HOME, as in the serve tests; the store is in memory."""
    home = Path(os.environ.get("MATTEBOX_HOME", ROOT / "var")).absolute()
    models = os.environ.get("MODELS_PATH", str(ROOT.parent / "shared" / "data" / "models"))
    with Documented(home, models, ROOT / "tests" / "fixtures" / "video_clips" / "face_clip.mp4") as bench:
        yield bench
