"""`python -m tests.bench.http`: found and computed renders over HTTP beside an empty handler, on Serve's own proxy and
on HAProxy, as a table and as JSON in MATTEBOX_HOME/bench_http.json."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from tests.bench.encode import SIZE
from tests.serve.conftest import Service, serving

JSON = dict[str, Any]
FOUND, COMPUTED, CONNECTIONS = 500, 20, 8
HEADERS = {"X-Tenant-Id": "t_bench", "X-Env": "dev"}


def composition(seed: int) -> JSON:
    """1080p: a tint over a solid; another one for each seed."""
    tint = {"type": "solid", "color": "#ffb703", "blend_mode": "multiply", "opacity": 0.3}
    canvas = {"width": SIZE[0], "height": SIZE[1], "background_color": f"#{seed:06x}"}
    return {"composition": canvas | {"layers": [tint]}}


def quantiles(milliseconds: list[float]) -> JSON:
    cuts = statistics.quantiles(milliseconds, n=100)
    return {"p50_ms": cuts[49], "p95_ms": cuts[94], "p99_ms": cuts[98]}


def one_connection(service: Service, method: str, path: str, bodies: list[JSON | None]) -> JSON:
    took = []
    with httpx.Client(base_url=service.url, headers=HEADERS, timeout=120) as client:
        client.get("/healthz")
        for body in bodies:
            began = time.perf_counter()
            answer = client.request(method, path, json=body)
            took.append((time.perf_counter() - began) * 1000)
            answer.raise_for_status()
    return quantiles(took)


async def per_second(service: Service, method: str, path: str, body: JSON | None) -> float:
    """Requests answered in a second on CONNECTIONS connections. The client shares the machine."""

    async def ask(client: httpx.AsyncClient) -> None:
        for _ in range(FOUND // CONNECTIONS):
            (await client.request(method, path, json=body)).raise_for_status()

    limits = httpx.Limits(max_connections=CONNECTIONS)
    async with httpx.AsyncClient(base_url=service.url, headers=HEADERS, timeout=120, limits=limits) as client:
        began = time.perf_counter()
        await asyncio.gather(*(ask(client) for _ in range(CONNECTIONS)))
        return FOUND // CONNECTIONS * CONNECTIONS / (time.perf_counter() - began)


def measured(service: Service) -> JSON:
    one_connection(service, "POST", "/image/render", [composition(0)])  # from now on it is found
    rows: JSON = {}
    for name, method, path, body in (
        ("empty", "GET", "/healthz", None),
        ("found", "POST", "/image/render", composition(0)),
    ):
        rows[name] = one_connection(service, method, path, [body] * FOUND)
        rows[name]["per_second"] = asyncio.run(per_second(service, method, path, body))
    rows["computed"] = one_connection(service, "POST", "/image/render", [composition(i + 1) for i in range(COMPUTED)])
    return rows


def main() -> JSON:
    home = Path(os.environ.get("MATTEBOX_HOME", "var")).absolute()
    result: JSON = {}
    for kind in sys.argv[1:] or ["default", "haproxy"]:
        os.environ["HTTP_PROXY_KIND"] = kind
        with tempfile.TemporaryDirectory(prefix="mb-bench-") as folder:
            store = Path(folder) / "store"
            with serving(home, store.as_uri(), Path(folder) / "serve.log") as service:
                result[kind] = measured(service)
        for name, row in result[kind].items():
            print(f"{kind:8} {name:9}", *(f"{key} {value:.2f}" for key, value in row.items()), flush=True)
    (home / "bench_http.json").write_text(json.dumps(result, indent=1))
    return result


if __name__ == "__main__":
    main()
