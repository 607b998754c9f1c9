"""Found and computed renders over HTTP beside an empty handler, on Serve's own proxy and on HAProxy, and composing with
encoding alone."""

from __future__ import annotations

import asyncio
import json
import os
import re
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from configs.settings import Settings
from deployments.engines.image_core import work
from tests.bench.encode import SIZE
from tests.bench.measure import Row
from tests.serve.conftest import Service, serving
from tests.unit.image_bench import Bench

JSON = dict[str, Any]
Ask = Callable[[bytes], Awaitable[None]]
FOUND, COMPUTED, CONNECTIONS = 1000, 20, 8
PROXIES: Mapping[str, Mapping[tuple[str, str], dict[str, float]]] = {
    "default": {},
    "haproxy": {
        ("found", "p50_ms"): {"at_most": 2},
        ("found", "per_second"): {"at_least": 1000},
        ("computed over kernel + encode", "p50_ms"): {"at_most": 10},
    },
}
"""Proxy -> what has a goal there."""
HEADERS = {"X-Tenant-Id": "t_bench", "X-Env": "dev"}


def composition(seed: int) -> JSON:
    """1080p: a tint over a solid; another one for each seed."""
    tint = {"type": "solid", "color": "#ffb703", "blend_mode": "multiply", "opacity": 0.3}
    canvas = {"width": SIZE[0], "height": SIZE[1], "background_color": f"#{seed:06x}"}
    return {"composition": canvas | {"layers": [tint]}}


def computing(home: Path) -> JSON:
    """What composing and encoding alone take, in this process."""
    bench = Bench(Settings(mattebox_home=home))
    took = []
    for seed in range(COMPUTED + 3):
        plan = bench.plan(composition(seed))
        began = time.perf_counter()
        work.render(plan, {}, bench.tools())
        took.append((time.perf_counter() - began) * 1000)
    return quantiles(took[3:])


def quantiles(milliseconds: list[float]) -> JSON:
    cuts = statistics.quantiles(milliseconds, n=100)
    return {"p50_ms": cuts[49], "p95_ms": cuts[94], "p99_ms": cuts[98]}


def spelled(method: str, path: str, body: JSON | None) -> bytes:
    """A request as it is sent."""
    text = b"" if body is None else json.dumps(body).encode()
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: bench",
        f"Content-Length: {len(text)}",
        "Content-Type: application/json",
    ]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in HEADERS.items()), "", ""]).encode() + text


async def connect(service: Service) -> Ask:
    """Sends requests one after another over one connection; bare streams, since the client shares the machine."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(service.url.rpartition(":")[2]))

    async def ask(sent: bytes) -> None:
        writer.write(sent)
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
        if not head.startswith(b"HTTP/1.1 200") or length is None:
            raise RuntimeError(f"the answer was {head!r}")
        await reader.readexactly(int(length[1]))

    return ask


async def one_connection(service: Service, requests: list[bytes]) -> JSON:
    ask = await connect(service)
    took = []
    for sent in requests:
        began = time.perf_counter()
        await ask(sent)
        took.append((time.perf_counter() - began) * 1000)
    return quantiles(took)


async def per_second(service: Service, sent: bytes) -> float:
    """Requests answered in a second on CONNECTIONS connections."""
    each = FOUND // CONNECTIONS

    async def several(ask: Ask) -> None:
        for _ in range(each):
            await ask(sent)

    asks = [await connect(service) for _ in range(CONNECTIONS)]
    began = time.perf_counter()
    await asyncio.gather(*(several(ask) for ask in asks))
    return each * CONNECTIONS / (time.perf_counter() - began)


async def measured(service: Service) -> JSON:
    empty = spelled("GET", "/healthz", None)
    found = spelled("POST", "/image/render", composition(0))
    await one_connection(service, [found, empty] * 50)  # from now on it is found, and every connection is warm
    rows: JSON = {}
    for name, sent in (("empty", empty), ("found", found)):
        rows[name] = await one_connection(service, [sent] * FOUND)
        rows[name]["per_second"] = max([await per_second(service, sent) for _ in range(3)])
    bodies = [composition(i + 1) for i in range(COMPUTED)]
    rows["computed"] = await one_connection(service, [spelled("POST", "/image/render", b) for b in bodies])
    return rows


def run(home: Path) -> list[Row]:
    rows = []
    for kind, goals in PROXIES.items():
        os.environ["HTTP_PROXY_KIND"] = kind
        with tempfile.TemporaryDirectory(prefix="mb-bench-") as folder:
            store = Path(folder) / "store"
            with serving(home, store.as_uri(), Path(folder) / "serve.log") as service:
                figures = asyncio.run(measured(service))
                figures["kernel + encode"] = computing(home)
        figures["computed over kernel + encode"] = {
            "p50_ms": figures["computed"]["p50_ms"] - figures["kernel + encode"]["p50_ms"]
        }
        for what, values in figures.items():
            for name, value in values.items():
                unit = "ms" if name.endswith("_ms") else "requests/s"
                goal = goals.get((what, name), {})
                rows.append(Row(f"{kind}: {what}, {name.removesuffix('_ms')}", value, unit, **goal))
    return rows
