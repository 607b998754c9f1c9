"""A 1080p render: found again and computed, in process and over HTTP; and what the whole application holds idle."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from artifacts import Scope
from configs.settings import Settings
from demo.__main__ import service
from demo.client import Client
from demo.clip import photograph
from deployments.media.receive import UploadFields, adopt
from deployments.operation import Context
from deployments.replicas.local import local_runner
from tests.bench.measure import Row, medians

JSON = dict[str, Any]
CONTEXT = Context(Scope("t_bench", "dev"), "bench")


def composition(asset_id: str, seed: int) -> JSON:
    """1920×1080: a photograph over a solid, a tint, a line of text. The seed makes it a new one."""
    return {
        "width": 1920,
        "height": 1080,
        "background_color": f"#{seed % 0xFFFFFF:06x}",
        "layers": [
            {"asset_id": asset_id, "width": 1920, "height": 1080, "fit": "cover"},
            {"type": "solid", "color": "#ffb703", "blend_mode": "multiply", "opacity": 0.3},
            {"type": "text", "text": "mattebox", "x": 80, "y": 80, "text_size": 120, "text_color": "#ffffff"},
        ],
    }


def over_http(client: Client, photo: Path) -> JSON:
    asset = client.upload(photo)["id"]
    seeds = iter(range(int(time.time()), 2**31))

    def cached() -> JSON:
        return client.post("/image/render", {"composition": composition(asset, 0), "preset_id": "social_1080p"})

    def uncached() -> JSON:
        return client.post(
            "/image/render", {"composition": composition(asset, next(seeds)), "preset_id": "social_1080p"}
        )

    uncached(), cached()
    return {
        "cached_ms": medians(cached, 200),
        "uncached_ms": medians(uncached, 15),
    }


async def in_process(home: Path, photo: bytes) -> JSON:
    runner = local_runner(Settings(mattebox_home=home))
    receiving = runner.registry.receive(CONTEXT.scope, 1 << 30)
    await receiving.write(photo)
    asset = (await adopt(runner, CONTEXT, receiving, UploadFields())).id
    seeds = iter(range(int(time.time()), 2**31))

    async def measure(seed: Callable[[], int], rounds: int) -> float:
        took = []
        for _ in range(rounds):
            started = time.perf_counter()
            request = {"composition": composition(asset, seed()), "preset_id": "social_1080p"}
            await runner.run("image_render", request, CONTEXT)
            took.append((time.perf_counter() - started) * 1000)
        return statistics.median(took)

    await measure(lambda: 1, 1)
    return {"cached_ms": await measure(lambda: 1, 200), "uncached_ms": await measure(lambda: next(seeds), 15)}


def idle_memory() -> JSON:
    """PSS in MB of every process of the application, by name. Linux."""
    found: dict[str, float] = {}
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines()[1:]:
        pid, _, name = line.strip().partition(" ")
        if not any(word in name for word in ("ray::", "raylet", "gcs_server", "deployments serve", "/ray/")):
            continue
        try:
            pss = Path(f"/proc/{pid}/smaps_rollup").read_text().split("Pss:")[1].split()[0]
        except (OSError, IndexError):
            continue
        label = (
            name.split("mattebox:")[1]
            if "mattebox:" in name
            else name.split("::")[-1]
            if "::" in name
            else "ray and launcher"
        )
        found[label] = round(found.get(label, 0) + int(pss) / 1024, 1)
    return found | {"all": round(sum(found.values()), 1)}


def run(home: Path) -> list[Row]:
    photo = home / "bench.png"
    photograph("astronaut.png").resize((1920, 1920)).save(photo)
    inside = asyncio.run(in_process(home, photo.read_bytes()))
    with service(home) as url:
        time.sleep(5)
        memory = idle_memory()
        outside = over_http(Client(url, "t_bench"), photo)
    return [
        *(
            Row(f"1080p render, {name[:-3]}, {where}, p50", value)
            for where, figures in (("in process", inside), ("over HTTP", outside))
            for name, value in figures.items()
        ),
        *(Row(f"idle memory, {name}", value, "MB PSS") for name, value in memory.items()),
    ]
