"""`python -m tests.bench.http`: found and computed renders over HTTP beside an empty handler, on Serve's own proxy and
on HAProxy, and the kernel with its encoder alone, as a table and as JSON in MATTEBOX_HOME/bench_http.json."""

from __future__ import annotations

import asyncio
import json
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from configs.settings import Settings
from deployments.engines.image_core import work
from tests.bench.encode import SIZE
from tests.serve.conftest import Service, serving
from tests.unit.image_bench import Bench

JSON = dict[str, Any]
Ask = Callable[[bytes], Awaitable[None]]
FOUND, COMPUTED, CONNECTIONS = 1000, 20, 8
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


def main() -> JSON:
    home = Path(os.environ.get("MATTEBOX_HOME", "var")).absolute()
    result: JSON = {}
    for kind in sys.argv[1:] or ["default", "haproxy"]:
        os.environ["HTTP_PROXY_KIND"] = kind
        with tempfile.TemporaryDirectory(prefix="mb-bench-") as folder:
            store = Path(folder) / "store"
            with serving(home, store.as_uri(), Path(folder) / "serve.log") as service:
                result[kind] = asyncio.run(measured(service))
                result[kind]["kernel + encode"] = computing(home)
        for name, row in result[kind].items():
            print(f"{kind:8} {name:15}", *(f"{key} {value:.2f}" for key, value in row.items()), flush=True)
    (home / "bench_http.json").write_text(json.dumps(result, indent=1))
    return result


if __name__ == "__main__":
    main()
