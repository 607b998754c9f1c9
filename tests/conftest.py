"""Fixtures for every test. The one place that names the shared test material."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from configs.models import Models, WeightsMissing
from configs.settings import Settings

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared test material; skips where this checkout has none."""
    if not SHARED.is_dir():
        pytest.skip("the shared test material is not beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def shared_data(shared: Path) -> Path:
    return shared / "data"


@pytest.fixture(scope="session")
def weights() -> Callable[[str], Path]:
    """weights(model name) -> its file, from the shared material, MATTEBOX_HOME or a package; else skips."""
    home = Path(os.environ.get("MATTEBOX_HOME", Path(__file__).resolve().parents[1] / "var")).absolute()
    models = Models(Settings(mattebox_home=home, models_path=str(SHARED / "data" / "models")))

    def path(name: str) -> Path:
        try:
            return models.path(name)
        except WeightsMissing as error:
            pytest.skip(f"{error}")

    return path
