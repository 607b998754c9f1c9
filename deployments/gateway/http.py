"""The whole HTTP face: the operations, the other routes, what is free of scope, and what no route takes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from artifacts import Registry
from configs.settings import Settings
from deployments import metrics
from deployments.body import read_bytes, read_json
from deployments.engines.image_core.routes import ROUTES as IMAGES
from deployments.engines.video_captions.routes import ROUTES as CAPTIONS
from deployments.engines.video_mask.routes import ROUTES as MASKS
from deployments.engines.video_regions.routes import ROUTES as REGIONS
from deployments.engines.video_visual_meta.routes import ROUTES as VISUAL_META
from deployments.errors import AppError, MethodNotAllowed, NotFound, NotReady
from deployments.gateway import context as who
from deployments.gateway.admission import Admission
from deployments.gateway.answering import answered, content, failed
from deployments.gateway.auth import RIGHT_OF, Keys
from deployments.gateway.exchange import exchange
from deployments.gateway.openapi import install_openapi
from deployments.gateway.paths import Endpoint, Paths
from deployments.gateway.reading import install_docs
from deployments.jobs.routes import ROUTES as JOBS
from deployments.jobs.routes import respond, run
from deployments.media.routes import ROUTES as MEDIA
from deployments.operation import Operation
from deployments.route import Call, Reply, Route
from deployments.runner import Runner
from deployments.timeline.routes import ROUTES as TIMELINE

ROUTES: tuple[Route, ...] = (*MEDIA, *TIMELINE, *CAPTIONS, *REGIONS, *VISUAL_META, *MASKS, *IMAGES, *JOBS)
Handler = Callable[[Call], Awaitable[Reply]]


def build_http(runner: Runner, registry: Registry, settings: Settings, admission: Admission | None = None) -> FastAPI:
    """The whole HTTP face over a runner, with or without Ray."""
    app = Paths(
        title="mattebox",
        version="0.1.0",
        description="Pictures from layers, and prepared video.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would answer without an envelope
    )
    keys = Keys(settings.keys_file) if settings.auth_mode == "keys" else None
    places = admission or Admission(settings.max_requests_per_tenant)
    door = Door(runner, registry, settings, keys, places)
    _install_free(app, runner)
    for row in runner.operations.values():
        app.add("POST", row.path, door.endpoint(row.name, "write", _operation(row)))
        if row.preview:
            preview = door.endpoint(f"{row.name}_dry_run", "read", _dry_run(row))
            app.add("POST", f"{row.path}/dry-run", preview)
    for route in ROUTES:
        right = route.right or RIGHT_OF[route.method]
        app.add(route.method, route.path, door.endpoint(f"{route.method} {route.path}", right, route.handle))
    _install_refusals(app)
    install_docs(app)
    install_openapi(app, runner.operations.values(), ROUTES)
    return app


@dataclass(frozen=True, slots=True)
class Door:
    """What each request of a scope passes before its handler."""

    runner: Runner
    registry: Registry
    settings: Settings
    keys: Keys | None
    places: Admission

    def endpoint(self, name: str, right: str, handle: Handler) -> Endpoint:
        """Auth, scope and admission in this order, then what the handler checks; every exception is an envelope."""

        async def respond(request: Request) -> Response:
            seen = exchange(request)
            seen.operation = name
            try:
                key = self.keys.find(seen.headers.get("authorization", "")) if self.keys else None
                context = who.from_headers(seen.headers, seen.request_id, self.settings)
                if key:
                    key.check(context.scope, right)
                seen.tenant = context.scope.tenant
                seen.hold(self.places.request(context.scope.tenant))
                call = Call(context, request.path_params, request, self.registry, self.runner, self.settings)
                return answered(await handle(call), seen)
            except ClientDisconnect:
                return Response(status_code=499)
            except Exception as error:
                return failed(error, seen.request_id)

        return respond


def _operation(row: Operation) -> Handler:
    async def answer(call: Call) -> Reply:
        return await respond(call, row)

    async def bytes_(call: Call) -> Reply:
        made = await run(call, row, await read_bytes(call))
        return await asyncio.to_thread(content, call, made["artifact_id"])

    return bytes_ if row.content else answer


def _dry_run(row: Operation) -> Handler:
    async def preview(call: Call) -> Reply:
        return Reply(await call.runner.dry_run(row.name, await read_json(call), call.context))

    return preview


def _install_free(app: Paths, runner: Runner) -> None:
    """What needs neither key nor scope, beside /docs and /openapi.json. First, since Serve asks route after route too,
    for the name under which it counts a request."""

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(request: Request) -> Response:
        if await runner.ready():
            return JSONResponse({"status": "ready"})
        error = NotReady("a deployment does not answer yet; ask again in a second")
        return failed(error, exchange(request).request_id)

    async def exposition() -> Response:
        text, media_type = metrics.exposition()
        return Response(text, media_type=media_type)

    app.add("GET", "/healthz", healthz)
    for path, handle in (("/readyz", readyz), ("/metrics", exposition)):
        app.add_api_route(path, handle, methods=["GET"])


def _install_refusals(app: FastAPI) -> None:
    """Envelopes for what Starlette itself refuses: unknown paths and methods."""

    async def unrouted(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        refusals: dict[int, AppError] = {
            404: NotFound("no such path; /docs lists them"),
            405: MethodNotAllowed("this path does not take this method; /docs lists what it takes"),
        }
        answer = failed(refusals.get(status, error), exchange(request).request_id)
        if status == 405:
            answer.headers["Allow"] = ", ".join(_methods(app, request))
        return answer

    app.add_exception_handler(HTTPException, unrouted)
    app.add_exception_handler(Exception, unrouted)


def _methods(app: FastAPI, request: Request) -> list[str]:
    """What the path takes, from every route that it fits. HEAD is taken wherever GET is (exchange.py)."""
    fits = [route for route in app.routes if route.matches(request.scope)[0] is not Match.NONE]
    taken = {method for route in fits for method in getattr(route, "methods", None) or ()}
    return sorted(taken | ({"HEAD"} if "GET" in taken else set()))


__all__ = ["ROUTES", "build_http"]
