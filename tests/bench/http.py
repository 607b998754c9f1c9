"""Found and computed renders over HTTP, on Serve's own proxy and on HAProxy; beside them an empty handler of ours, one
that is all of a Serve application, one on uvicorn alone, which tells how much the client can ask, the least that a
computed render can be on Serve (tests/bench/bare.py), and composing with encoding alone."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from configs.settings import Settings
from deployments.engines.image_core import work
from tests.bench.bare import PATH
from tests.bench.encode import SIZE
from tests.bench.measure import Row
from tests.serve.conftest import serving
from tests.unit.image_bench import Bench

JSON = dict[str, Any]
Ask = Callable[[bytes], Awaitable[None]]
FOUND, COMPUTED, WARM, CONNECTIONS, ROUNDS = 400, 30, 3, 8, 3
REST_S = 0.03
"""Between two renders of a client that waits for each: long enough for idle cores to sleep."""
READY_S = 30
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


def computing(home: Path, rest_s: float = 0.0) -> JSON:
    """What composing and encoding alone take, in this process: back to back, or each after a rest."""
    bench = Bench(Settings(mattebox_home=home))
    took = []
    for seed in range(COMPUTED + 3):
        plan = bench.plan(composition(seed))
        time.sleep(rest_s)
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


QUESTIONS = {
    "bare Serve handler": spelled("GET", PATH, None),
    "empty": spelled("GET", "/healthz", None),
    "found": spelled("POST", "/image/render", composition(0)),
}
"""In turn within one run; a round of one is followed by one of the next."""
CEILINGS = ("empty", "bare Serve handler")
"""What a found render is held against: the same way without its work, and one with nothing of ours on it."""


@contextmanager
def bare(kind: str, where: str, environment: Mapping[str, str]) -> Iterator[None]:
    """A handler that does nothing (tests/bench/bare.py)."""
    command = [sys.executable, "-m", "tests.bench.bare", kind, where]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env=dict(environment), **pipes)
    assert process.stdout
    if process.stdout.readline() != b"ready\n":
        raise RuntimeError(f"the bare handler on {kind} did not start")
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


async def connect(port: int) -> Ask:
    """Sends requests one after another over one connection; bare streams, since the client shares the machine."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def ask(sent: bytes) -> None:
        writer.write(sent)
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
        if not head.startswith(b"HTTP/1.1 200") or length is None:
            raise RuntimeError(f"the answer was {head!r}")
        await reader.readexactly(int(length[1]))

    return ask


async def one_connection(port: int, requests: list[bytes]) -> JSON:
    ask = await connect(port)
    took = []
    for sent in requests:
        began = time.perf_counter()
        await ask(sent)
        took.append((time.perf_counter() - began) * 1000)
    return quantiles(took)


async def per_second(port: int, sent: bytes) -> float:
    """Requests answered in a second on CONNECTIONS connections."""
    each = FOUND // CONNECTIONS

    async def several(ask: Ask) -> None:
        for _ in range(each):
            await ask(sent)

    asks = [await connect(port) for _ in range(CONNECTIONS)]
    began = time.perf_counter()
    await asyncio.gather(*(several(ask) for ask in asks))
    return each * CONNECTIONS / (time.perf_counter() - began)


async def answered(port: int, questions: Iterable[bytes]) -> None:
    """Return once all are answered: a new application is not known to the proxy at once."""
    until = time.monotonic() + READY_S
    while True:
        try:
            await one_connection(port, [*questions, *questions])
            return
        except (OSError, EOFError, RuntimeError):  # the second: the proxy starts anew with what it learnt
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.2)


async def measured(port: int, questions: Mapping[str, bytes]) -> JSON:
    """Each question alone and on all connections, ROUNDS times in turn: the least of each figure, the most a second."""
    await answered(port, questions.values())
    await one_connection(port, [*questions.values()] * 50)  # from now on it is found, and every connection is warm
    rows: JSON = {}
    for _ in range(ROUNDS):
        for name, sent in questions.items():
            figures = await one_connection(port, [sent] * FOUND)
            figures["per_second"] = await per_second(port, sent)
            rows.setdefault(name, []).append(figures)
    best = {False: min, True: max}
    return {
        name: {key: best[key == "per_second"](row[key] for row in rounds) for key in rounds[0]}
        for name, rounds in rows.items()
    }


async def computed(port: int) -> JSON:
    """Renders that nobody asked for before, ours and the barest in turn, on one connection each."""
    paths = {"computed": "/image/render", "bare computed": PATH}
    asks = {name: await connect(port) for name in paths}
    took: dict[str, list[float]] = {name: [] for name in paths}
    for seed in range(WARM + COMPUTED):
        for name, path in paths.items():
            sent = spelled("POST", path, composition(seed + 1))
            began = time.perf_counter()
            await asks[name](sent)
            took[name].append((time.perf_counter() - began) * 1000)
    return {name: quantiles(values[WARM:]) for name, values in took.items()}


def client_alone() -> JSON:
    """What this client can ask of a server that does nothing, both on this machine's cores."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with bare("uvicorn", str(port), os.environ):
        return asyncio.run(measured(port, {"bare uvicorn": spelled("GET", "/", None)}))


def run(home: Path) -> list[Row]:
    rows = [
        Row(f"{what}, {name.removesuffix('_ms')}", value, unit_of(name))
        for what, values in client_alone().items()
        for name, value in values.items()
    ]
    for kind, goals in PROXIES.items():
        os.environ["HTTP_PROXY_KIND"] = kind
        with tempfile.TemporaryDirectory(prefix="mb-bench-") as folder:
            store = Path(folder) / "store"
            with serving(home, store.as_uri(), Path(folder) / "serve.log") as service:
                port = int(service.url.rpartition(":")[2])
                with bare("serve", service.ray_address, service.environment):
                    figures = asyncio.run(measured(port, QUESTIONS))
                    figures |= asyncio.run(computed(port))
                figures["kernel + encode"] = computing(home)
                figures["kernel + encode after a rest"] = computing(home, REST_S)
        for what in ("computed", "bare computed"):
            over = figures[what]["p50_ms"] - figures["kernel + encode"]["p50_ms"]
            figures[f"{what} over kernel + encode"] = {"p50_ms": over}
        for what, values in figures.items():
            for name, value in values.items():
                goal, ceilings = goals.get((what, name), {}), {}
                if what == "found":
                    ceilings = {other: figures[other][name] for other in CEILINGS}
                elif what.startswith("computed"):
                    ceilings = {f"bare {what}": figures[f"bare {what}"][name]}
                rows.append(Row(f"{kind}: {what}, {name.removesuffix('_ms')}", value, unit_of(name), ceilings, **goal))
    return rows


def unit_of(name: str) -> str:
    return "ms" if name.endswith("_ms") else "requests/s"
