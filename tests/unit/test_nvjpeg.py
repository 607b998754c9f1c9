"""JPEG by nvjpeg: the file around its bytes, its key, and what is done where it is not."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from artifacts import Registry, Store
from configs.settings import Settings
from deployments.drawing import nvjpeg
from deployments.drawing.encode import encode, srgb_profile
from deployments.engines.image_core import work
from deployments.operation import Plan
from deployments.replicas.local import local_runner
from tests.unit.image_bench import CONTEXT, Bench

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8).repeat(4, 0).repeat(4, 1)


def by_pillow(planes: torch.Tensor, quality: int) -> torch.Tensor:
    """In nvjpeg's place: a JPEG that keeps its colours whole and has no profile."""
    file = io.BytesIO()
    Image.fromarray(planes.permute(1, 2, 0).numpy()).save(file, "JPEG", quality=quality, subsampling=0)
    return torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8)


def headless(planes: torch.Tensor, quality: int) -> torch.Tensor:
    """The same without a JFIF header."""
    whole = by_pillow(planes, quality)
    return torch.cat([whole[:2], whole[4 + int(whole[4]) * 256 + int(whole[5]) :]])


@pytest.mark.parametrize("by", [by_pillow, headless])
def test_the_file_gets_profile_and_density_and_keeps_its_pixels(by: nvjpeg.Coder) -> None:
    file = nvjpeg.encode_jpeg(PIXELS, quality=92, dpi=300, profile=srgb_profile(), by=by, device="cpu")
    bare = by_pillow(torch.from_numpy(PIXELS).permute(2, 0, 1), 92).numpy().tobytes()
    with Image.open(io.BytesIO(file)) as image, Image.open(io.BytesIO(bare)) as expected:
        assert image.info["icc_profile"] == srgb_profile()
        assert image.info["dpi"] == (300, 300)
        assert (np.asarray(image) == np.asarray(expected)).all()
    assert file.count(b"JFIF\0") == 1


def test_what_is_no_jpeg_is_refused() -> None:
    with pytest.raises(ValueError, match="FF D8"):
        nvjpeg.marked(b"\x89PNG", 72, b"")


def planned(encoder: str, preset_id: str) -> Plan:
    settings = Settings(mattebox_home=Path("/nowhere"), jpeg_encoder=encoder)
    composition = {"width": 8, "height": 6, "layers": [{"color": "#336699"}]}
    return Bench(settings).plan({"composition": composition, "preset_id": preset_id})


def test_the_encoder_is_a_part_of_the_key_of_a_jpeg_alone() -> None:
    ours, theirs = (planned(encoder, "print_300dpi") for encoder in ("pillow", "nvjpeg"))
    assert "encoder" not in ours.parameters["output"]
    assert theirs.parameters["output"]["encoder"] == "nvjpeg"
    assert ours.cache_key != theirs.cache_key
    assert ours.parameters["pipeline_hash"] != theirs.parameters["pipeline_hash"]
    assert planned("pillow", "original").cache_key == planned("nvjpeg", "original").cache_key


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_where_it_is_not_the_plan_becomes_that_of_pillow_and_says_so() -> None:
    ours, theirs = (planned(encoder, "print_300dpi") for encoder in ("pillow", "nvjpeg"))
    settings = Settings(mattebox_home=Path("/nowhere"))
    settled = work.settle(theirs, None, settings)
    assert (settled.parameters, settled.cache_key) == (ours.parameters, ours.cache_key)
    assert "nvjpeg" in settled.warnings[-1].message
    assert work.settle(ours, None, settings) == ours


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
async def test_a_render_falls_back_under_pillows_key_and_is_found_again(tmp_path: Path) -> None:
    body = {"composition": {"width": 8, "height": 6, "layers": [{"color": "#336699"}]}, "format": "JPEG"}
    registry = Registry(Store("memory://"))
    runners = [
        local_runner(Settings(mattebox_home=tmp_path, jpeg_encoder=encoder), registry)
        for encoder in ("pillow", "nvjpeg")
    ]
    first, second = [await runner.run("image_render", body, CONTEXT) for runner in runners]
    assert (first["cache"], second["cache"]) == ("miss", "hit")
    assert first["artifact_id"] == second["artifact_id"]
    assert "encoder" not in second["meta"]
    assert [warning["message"][:6] for warning in second["warnings"]] == ["nvjpeg"]


@pytest.mark.skipif(nvjpeg.coder() is None, reason="takes CUDA and torchvision")
def test_nvjpeg_is_as_near_to_its_picture_as_pillow() -> None:
    opaque = np.dstack([PIXELS, np.full(PIXELS.shape[:2], 255, np.uint8)])
    errors = []
    for encoder in (None, nvjpeg.NAME):
        file = encode(opaque, "JPEG", quality=95, dpi=72, background=(255, 255, 255), encoder=encoder)
        with Image.open(io.BytesIO(file)) as image:
            errors.append(np.abs(np.asarray(image).astype(int) - PIXELS).mean())
    assert errors[1] < errors[0] + 1
