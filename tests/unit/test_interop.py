"""docs/interop.md, run as it stands: its shell against the application on a port of its own."""

from __future__ import annotations

import io
import shutil
import subprocess
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import httpx
import numpy as np
import pytest
import uvicorn
from PIL import Image

from artifacts import Registry, Store
from configs.settings import Settings
from deployments.gateway.http import build_http
from deployments.replicas.local import local_runner

ROOT = Path(__file__).resolve().parents[2]
SCOPE = {"X-Tenant-Id": "t_me", "X-Env": "dev"}
CLIP = ROOT / "tests/fixtures/video_clips/face_clip.mp4"
TOLD = ("MASK", "CLIP_MASK", "LIMITED_RENDER", "BADGE", "CARD", "TITLE", "TITLED", "FACE", "SPOT")


def shell(page: Path) -> str:
    """The page's blocks of shell, one after another."""
    lines = [line if line.strip() == "" or line.startswith("    ") else "\0" for line in page.read_text().splitlines()]
    return "\n".join(textwrap.dedent(block) for block in "\n".join(lines).split("\0"))


@pytest.fixture(scope="module")
def url(weights: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = weights("yunet").parent
    settings = Settings(mattebox_home=tmp_path_factory.mktemp("home"), models_path=str(folder), offline=True)
    registry = Registry(Store("memory://"))
    app = build_http(local_runner(settings, registry), registry, settings)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(20)


@pytest.fixture(scope="module")
def made(url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The ids that the page's walks end with, by their names there; `lineage` is what the last one printed."""
    if not (shutil.which("curl") and shutil.which("bash")):
        pytest.skip("the page's walks are bash and curl")
    photo = tmp_path_factory.mktemp("photo") / "photo.jpg"
    Image.effect_mandelbrot((200, 150), (-2, -1, 1, 1), 60).convert("RGB").save(photo)
    names = "\n".join(f'echo "{name}=${name}"' for name in TOLD)
    script = f"set -euo pipefail\nU={url} PHOTO={photo} CLIP={CLIP}\n{shell(ROOT / 'docs/interop.md')}\n{names}\n"
    ended = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr + ended.stdout
    told = dict(line.split("=", 1) for line in ended.stdout.splitlines() if line.split("=")[0] in TOLD)
    assert set(told) == set(TOLD)
    return told | {"lineage": ended.stdout}


def content(url: str, id: str) -> bytes:
    answer = httpx.get(f"{url}/media-v2/artifacts/{id}/content", headers=SCOPE)
    answer.raise_for_status()
    return answer.content


def picture(url: str, id: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content(url, id))).convert("RGB"))


def frames(data: bytes) -> list[np.ndarray]:
    with av.open(io.BytesIO(data)) as file:
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]


def test_the_blur_stays_inside_the_pictures_mask(url: str, made: dict[str, str]) -> None:
    mask = np.asarray(Image.open(io.BytesIO(content(url, made["CLIP_MASK"]))).convert("L"))
    source, rendered = frames(CLIP.read_bytes()), frames(content(url, made["LIMITED_RENDER"]))
    assert mask.shape == source[0].shape[:2]
    changed = np.abs(source[len(source) // 2].astype(int) - rendered[len(source) // 2]).max(axis=2)
    assert changed[mask == 0].mean() < 6  # the encoder's own change
    assert (changed[mask == 255] > 40).any()
    assert made["MASK"] in made["lineage"]


def test_a_render_is_a_layer_and_the_mask_limits_another(url: str, made: dict[str, str]) -> None:
    card = picture(url, made["CARD"])
    assert card.shape == (180, 320, 3)
    assert tuple(card[2, 316]) == (0x14, 0x21, 0x3D)
    assert tuple(card[90, 200]) != (0x14, 0x21, 0x3D)  # inside the mask, right of the badge


def test_text_and_picture_lie_over_the_clip(url: str, made: dict[str, str]) -> None:
    source, titled = frames(CLIP.read_bytes())[3], frames(content(url, made["TITLED"]))[3]
    badge = picture(url, made["BADGE"])
    shown = titled[84:170, 16:100].astype(float)
    assert np.abs(shown - badge[4:90, 4:88]).mean() < np.abs(shown - source[84:170, 16:100]).mean()
    assert titled[12:70, 12:200].max() > 230


def test_a_faces_mask_lights_the_face_alone(url: str, made: dict[str, str]) -> None:
    mask = np.asarray(Image.open(io.BytesIO(content(url, made["FACE"]))).convert("L"))
    spot = picture(url, made["SPOT"])
    assert 0 < (mask > 0).mean() < 0.5
    assert np.abs(spot[..., 0].astype(int) - mask).max() <= 1
