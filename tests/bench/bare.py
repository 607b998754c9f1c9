"""What `tests.bench http` measures beside the application: a handler that does nothing, on Ray Serve beside the running
application and on uvicorn alone; and on Serve the least that a computed render can be: a second deployment composes and
encodes the picture as ours does, and keeps its bytes and one record durably. `python -m tests.bench.bare serve ADDRESS`
or `… uvicorn PORT`, until stdin ends."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

PATH = "/bare"
ANSWER = json.dumps({"status": "ok"}).encode()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await Response(ANSWER, media_type="application/json")(scope, receive, send)


class Bare:
    """GET: nothing. POST of a composition: rendered by the other deployment."""

    def __init__(self, renders: Any) -> None:
        self._renders = renders.options(_by_reference=False)  # as our own calls for pictures go

    async def __call__(self, request: Request) -> Response:
        if request.method == "GET":
            return Response(ANSWER, media_type="application/json")
        answer = await self._renders.render.remote(json.loads(await request.body()))
        return Response(json.dumps(answer).encode(), media_type="application/json")


class Renders:
    """The product's kernel, encoder and threads, and its flushes: the bytes with the record, and the folder of each."""

    def __init__(self, home: str, store_url: str) -> None:
        from artifacts import Store
        from configs.settings import Settings
        from deployments.replicas.threads import give_way, pin

        settings = Settings(mattebox_home=Path(home))
        pin(settings)
        from deployments.engines.image_core import work
        from tests.unit.image_bench import Bench

        self._bench, self._work, self._store = Bench(settings), work, Store(store_url)
        self._thread = ThreadPoolExecutor(1, initializer=give_way)
        self._thread.submit(work.warm, settings).result()

    async def render(self, body: dict[str, Any]) -> dict[str, Any]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._rendered, body)

    def _rendered(self, body: dict[str, Any]) -> dict[str, Any]:
        plan = self._bench.plan(body)
        inputs: Any = {}
        output = self._work.render(plan, inputs, self._bench.tools())
        assert isinstance(output.data, bytes)
        digest = hashlib.sha256(output.data).hexdigest()
        record = {"id": plan.cache_key, "sha256": digest, "meta": dict(output.meta)}
        files = (
            [(f"bytes/{plan.cache_key}.png", output.data)],
            [(f"records/{plan.cache_key}.json", json.dumps(record).encode())],
        )
        with self._store.in_order(2, *files) as puts:
            for put in puts:
                put()
        return record


def on_serve(address: str) -> None:
    import ray
    from ray import serve

    from deployments.app import QUIET

    ray.init(address=address, log_to_driver=False)
    options = {"ray_actor_options": {"num_cpus": 0.1}, "max_ongoing_requests": 256, "logging_config": QUIET}
    with tempfile.TemporaryDirectory(prefix="mb-bare-") as folder:
        home = str(Path(os.environ["MATTEBOX_HOME"]).absolute())
        renders = serve.deployment(**options)(Renders).bind(home, (Path(folder) / "store").as_uri())
        serve.run(serve.deployment(**options)(Bare).bind(renders), name="bare", route_prefix=PATH)
        print("ready", flush=True)
        sys.stdin.read()


def on_uvicorn(port: str) -> None:
    import uvicorn

    print("ready", flush=True)
    uvicorn.run(app, port=int(port), loop="uvloop", log_level="error", lifespan="off")


if __name__ == "__main__":
    {"serve": on_serve, "uvicorn": on_uvicorn}[sys.argv[1]](sys.argv[2])
