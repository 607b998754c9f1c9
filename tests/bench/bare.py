"""What `tests.bench http` measures beside the application: a handler that does nothing, on Ray Serve beside the running
application and on uvicorn alone. `python -m tests.bench.bare serve ADDRESS` or `… uvicorn PORT`, until stdin ends."""

from __future__ import annotations

import json
import sys

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

PATH = "/bare"
ANSWER = json.dumps({"status": "ok"}).encode()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await Response(ANSWER, media_type="application/json")(scope, receive, send)


def on_serve(address: str) -> None:
    import ray
    from ray import serve

    from deployments.app import QUIET

    class Bare:
        async def __call__(self, request: Request) -> Response:
            return Response(ANSWER, media_type="application/json")

    ray.init(address=address, log_to_driver=False)
    options = {"ray_actor_options": {"num_cpus": 0.1}, "max_ongoing_requests": 256, "logging_config": QUIET}
    serve.run(serve.deployment(**options)(Bare).bind(), name="bare", route_prefix=PATH)
    print("ready", flush=True)
    sys.stdin.read()


def on_uvicorn(port: str) -> None:
    import uvicorn

    print("ready", flush=True)
    uvicorn.run(app, port=int(port), loop="uvloop", log_level="error", lifespan="off")


if __name__ == "__main__":
    {"serve": on_serve, "uvicorn": on_uvicorn}[sys.argv[1]](sys.argv[2])
