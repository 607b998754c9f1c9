"""The pictures of docs/pictures.md are what the code draws."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from docs.sheets import FOLDER, SHEETS, sheet

LARGEST = 300_000


@pytest.mark.parametrize("name", SHEETS)
def test_a_sheet_is_what_the_code_draws(name: str) -> None:
    with Image.open(FOLDER / name) as image:
        stored = np.array(image.convert("RGB")).astype(int)
    drawn = sheet(name).astype(int)
    assert stored.shape == drawn.shape, "run `python -m docs.sheets`"
    apart = np.abs(stored - drawn).max(-1)
    assert (apart <= 2).mean() >= 0.9995, "run `python -m docs.sheets`"
    assert (FOLDER / name).stat().st_size < LARGEST
