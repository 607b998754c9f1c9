"""Encoders on 1080p pictures: PNG against Pillow's level 1, and what JPEG, WEBP and AVIF take beside it."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from demo.clip import photograph
from kernels.png import encode_png, warm
from tests.bench.measure import Row

JSON = dict[str, Any]
SIZE = (1920, 1080)
ROUNDS = 5
PEER = "Pillow 1"
DRAWN = ("flat", "gradient")
"""Pictures that are no photographs: their goal is a size."""


def pictures() -> dict[str, np.ndarray]:
    """uint8 [1080, 1920, 3] by name."""
    y, x = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    made = {
        name.partition(".")[0]: np.asarray(photograph(name).resize(SIZE, Image.Resampling.LANCZOS))
        for name in ("astronaut.png", "rocket.jpg", "coffee.png", "chelsea.png")
    }
    made["flat"] = np.full((SIZE[1], SIZE[0], 3), (200, 30, 60), np.uint8)
    made["gradient"] = np.stack([x * 255 // SIZE[0], y * 255 // SIZE[1], (x + y) * 255 // sum(SIZE)], -1).astype(
        np.uint8
    )
    return made


def by_pillow(pixels: np.ndarray, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format, **options)
    return file.getvalue()


def compared(calls: dict[str, Callable[[], bytes]]) -> dict[str, JSON]:
    """Least wall and processor time of interleaved rounds, in milliseconds, and bytes, by name."""
    rows: dict[str, JSON] = {name: {"wall_ms": np.inf, "cpu_ms": np.inf} for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            wall, processor = time.perf_counter(), time.process_time()
            data = call()
            row = rows[name]
            row["wall_ms"] = min(row["wall_ms"], (time.perf_counter() - wall) * 1000)
            row["cpu_ms"] = min(row["cpu_ms"], (time.process_time() - processor) * 1000)
            row["bytes"] = len(data)
    return rows


def calls_for(rgb: np.ndarray, threads: int) -> dict[str, Callable[[], bytes]]:
    rgba = np.dstack([rgb, np.full(rgb.shape[:2], 254, np.uint8)])
    calls: dict[str, Callable[[], bytes]] = {
        "PNG RGB": lambda: encode_png(rgb, threads=threads),
        "PNG RGB Pillow 1": lambda: by_pillow(rgb, "PNG", compress_level=1),
        "PNG RGBA": lambda: encode_png(rgba, threads=threads),
        "PNG RGBA Pillow 1": lambda: by_pillow(rgba, "PNG", compress_level=1),
        "JPEG q85": lambda: by_pillow(rgb, "JPEG", quality=85),
    }
    for method in (0, 2, 4):
        calls[f"WEBP q80 method {method}"] = lambda method=method: by_pillow(rgba, "WEBP", quality=80, method=method)
    for speed in (7, 8, 9):
        calls[f"AVIF q60 speed {speed}"] = lambda speed=speed: by_pillow(
            rgba, "AVIF", quality=60, speed=speed, max_threads=1
        )
    return calls


def run(home: Path, threads: int = 2) -> list[Row]:
    warm()
    rows = []
    for picture, pixels in pictures().items():
        took = compared(calls_for(pixels, threads))
        for name, row in took.items():
            if name.endswith(PEER):
                continue
            peer = took.get(f"{name} {PEER}")
            against = {PEER: peer["wall_ms"]} if peer else {}
            rows.append(Row(f"{picture}, {name}", row["wall_ms"], against=against))
            rows.append(Row(f"{picture}, {name}, processor time", row["cpu_ms"]))
            rows.append(Row(f"{picture}, {name}, size", row["bytes"] / 1e3, "KB"))
            if peer:
                time_goal, size_goal = (None, 1.2) if picture in DRAWN else (1 / 8, 1.0)
                time, size = row["wall_ms"] / peer["wall_ms"], row["bytes"] / peer["bytes"]
                rows.append(Row(f"{picture}, {name}: time over {PEER}", time, "×", at_most=time_goal))
                rows.append(Row(f"{picture}, {name}: size over {PEER}", size, "×", at_most=size_goal))
    return rows
