"""Clips with known shots, and the routes of visual meta over them, as fixtures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
from PIL import Image

from artifacts import Registry, Store
from configs.models import Models
from configs.settings import Settings
from demo.clip import photograph
from deployments.gateway.http import build_http
from deployments.replicas.faces import FacesHost
from deployments.replicas.local import local_runner

SCOPE = {"X-Tenant-Id": "t_acme", "X-Env": "dev"}
SIZE = (320, 180)
CUT, BLACK, DISSOLVE, FRAMES = 40, 90, (140, 151), 190
"""The synthetic clip's truth: a cut, a fade's black frame, the first and last mixed frame of a dissolve."""


@cache
def scene(name: str) -> np.ndarray:
    return np.asarray(photograph(name).resize((400, 225), Image.Resampling.LANCZOS), np.float64)


def view(name: str, number: int) -> np.ndarray:
    """A slow pan over a photograph, float [180, 320, 3]."""
    left = min(number // 3, 79)
    return scene(name)[20 : 20 + SIZE[1], left : left + SIZE[0]]


def synthetic() -> Iterator[np.ndarray]:
    """A flash, a cut, a fade through black, a dissolve."""
    for n in range(FRAMES):
        if n < CUT:
            frame = np.full((SIZE[1], SIZE[0], 3), 250.0) if n == 20 else view("rocket.jpg", n)
        elif n < BLACK:
            frame = view("coffee.png", n) * min(1.0, (BLACK - n) / 10)
        elif n < DISSOLVE[0]:
            frame = view("chelsea.png", n) * min(1.0, (n - BLACK) / 10)
        else:
            share = min(1.0, (n - DISSOLVE[0] + 1) / (DISSOLVE[1] - DISSOLVE[0] + 2))
            frame = view("chelsea.png", n) * (1 - share) + view("astronaut.png", n) * share
        yield np.rint(frame).astype(np.uint8)


def write(path: Path, frames: Iterator[np.ndarray], format: str = "yuv420p", codec: str = "libx264") -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, format
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts, picture.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("clip") / "clip.mp4", synthetic())


@pytest.fixture
def registry() -> Registry:
    return Registry(Store("memory://"))


FACE = [40.0, 20.0, 80.0, 60.0, 0.9]
"""What the mocked detector finds in every frame: x, y, w, h, confidence."""


@pytest.fixture
def mocked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A detector that needs no weights."""

    def detect(self: FacesHost, name: str, frames: np.ndarray) -> list[np.ndarray]:
        rows = np.array([[*FACE, *[np.nan] * 10], [0, 0, 10, 10, 0.3, *[np.nan] * 10]], np.float32)
        return [rows.copy() for _ in frames]

    monkeypatch.setattr(FacesHost, "_detect", detect)
    monkeypatch.setattr(Models, "path", lambda self, name: Path(name))


@pytest.fixture
async def http(tmp_path: Path, registry: Registry, mocked: None) -> AsyncIterator[httpx.AsyncClient]:
    async for client in serving(Settings(mattebox_home=tmp_path), registry):
        yield client


@pytest.fixture
async def real(tmp_path: Path, registry: Registry, shared_data: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(mattebox_home=tmp_path, models_path=str(shared_data / "models"), offline=True)
    async for client in serving(settings, registry):
        yield client


async def serving(settings: Settings, registry: Registry) -> AsyncIterator[httpx.AsyncClient]:
    app = build_http(local_runner(settings, registry), registry, settings)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=SCOPE) as client:
        yield client


async def upload(http: httpx.AsyncClient, path: Path, headers: dict[str, str] | None = None) -> str:
    data = await asyncio.to_thread(path.read_bytes)
    answer = await http.post("/media-v2/assets", files={"file": (path.name, data)}, headers=headers)
    id: str = answer.json()["id"]
    return id


async def analyzed(http: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    """The answer of GET, after a POST."""
    made = await http.post("/video/visual-meta/analyze", json=body)
    assert made.status_code == 200, made.text
    got = await http.get(f"/video/visual-meta/{made.json()['visual_meta_artifact_id']}")
    assert got.status_code == 200
    answer: dict[str, Any] = got.json()
    return answer


def error(answer: httpx.Response) -> tuple[int, str, str | None]:
    said = answer.json()["error"]
    return answer.status_code, said["code"], said["details"].get("field")


def boundaries(summary: dict[str, Any]) -> list[tuple[int, str]]:
    """(frame at 25 frames/s, transition) of every shot but the first."""
    return [(shot["start_ms"] // 40, shot["transition"]) for shot in summary["shots"][1:]]
