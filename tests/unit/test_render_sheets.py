"""The pictures of docs/video.md are what the code makes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from docs.render_sheets import SHEETS
from docs.sheets import FOLDER
from tests.conftest import SHARED

LARGEST = 300_000
APART = {"transitions.png": (2, 0.9995), "render.png": (16, 0.99)}
"""By how much a pixel may differ, and how many may not by more; a render is encoded, and an encoder has versions."""


@pytest.mark.parametrize("name", SHEETS)
def test_a_sheet_is_what_the_code_makes(
    name: str, weights: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "render.png":
        weights("yunet")
        weights("centerface")
        monkeypatch.setenv("MODELS_PATH", os.environ.get("MODELS_PATH", str(SHARED / "data" / "models")))
    with Image.open(FOLDER / name) as image:
        stored = np.array(image.convert("RGB")).astype(int)
    drawn = SHEETS[name]().astype(int)
    assert stored.shape == drawn.shape, "run `python -m docs.render_sheets`"
    near, share = APART[name]
    assert (np.abs(stored - drawn).max(-1) <= near).mean() >= share, "run `python -m docs.render_sheets`"
    assert (FOLDER / name).stat().st_size < LARGEST
