"""Photoshop's own pictures, drawn by our composition model: the cases of psd/first.txt within their gates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from configs.settings import Settings
from tests.unit.image_bench import Bench

CASES = [
    "duck-darken",
    "duck-lighten",
    "duck-linear-dodge",
    "duck-screen",
    "ellipse-darken",
    "ellipse-multiply",
    "ellipse-normal",
    "ellipse-overlay",
    "ellipse-screen",
    "layer-partial-alpha",
    "mask",
    "mask-density-layermask",
    "mask-over-transparency",
    "out-of-bounds-layer",
]


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    return shared_data / "image" / "psd"


@pytest.fixture(scope="module")
def gates(folder: Path) -> dict[str, dict[str, float]]:
    return {row["case"]: row["gate"] for row in json.loads((folder / "manifest.json").read_text())["cases"]}


def read(path: Path, mode: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image.convert(mode))


def mask_of(case: Path, layer: dict[str, Any], canvas: list[int]) -> np.ndarray:
    """The mask on the whole canvas: its default outside its box, thinned by its density."""
    mask = layer["mask"]
    plane = np.full(canvas[::-1], mask["default"], np.float64)
    if "file" in mask:
        stored = read(case / mask["file"], "L")
        x, y = mask["offset"]
        x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + stored.shape[1], canvas[0]), min(y + stored.shape[0], canvas[1])
        plane[y0:y1, x0:x1] = stored[y0 - y : y1 - y, x0 - x : x1 - x]
    return np.rint(plane * mask["density"] + 255 * (1 - mask["density"])).astype(np.uint8)


def composition_of(case: Path, neutral: dict[str, Any], bench: Bench) -> dict[str, Any]:
    """The neutral form as a request's composition."""
    width, height = neutral["canvas"]
    layers = []
    for layer in neutral["layers"]:
        body = {
            "name": layer["name"],
            "asset_id": bench.picture(read(case / layer["file"], "RGBA")),
            "x": layer["offset"][0],
            "y": layer["offset"][1],
            "visible": layer["visible"],
            "opacity": layer["opacity"],
            "blend_mode": layer["blend_mode"],
        }
        if "mask" in layer:
            body["mask_artifact_id"] = bench.keep(mask_of(case, layer, neutral["canvas"]))
        layers.append(body)
    return {"width": width, "height": height, "layers": layers}


def within(got: np.ndarray, expected: np.ndarray, gate: dict[str, float]) -> None:
    apart = np.abs(got.astype(np.float64) - expected)
    worst = apart if apart.ndim == 2 else apart.max(-1)
    assert apart.mean() <= gate["mean"]
    assert (worst <= 2).mean() >= gate["share_within_2"]
    assert worst.max() <= gate.get("max", 255)


def test_the_cases_are_those_of_the_list(folder: Path) -> None:
    assert (folder / "first.txt").read_text().split() == CASES


@pytest.mark.parametrize("name", CASES)
def test_the_picture_is_photoshops(folder: Path, gates: dict[str, dict[str, float]], name: str, tmp_path: Path) -> None:
    case = folder / name
    neutral = json.loads((case / "composition.json").read_text())
    bench = Bench(Settings(mattebox_home=tmp_path))
    got = bench.pixels(composition_of(case, neutral, bench)).astype(np.float64)
    alpha = got[..., 3:] / 255
    matted = np.rint(got[..., :3] * alpha + 255 * (1 - alpha))
    within(matted, read(case / neutral["expected"], "RGB"), gates[name])
    if neutral["expected_alpha"]:
        within(got[..., 3], read(case / neutral["expected_alpha"], "L"), gates[name])
