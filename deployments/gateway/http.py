"""The ASGI application: every route from a table, every failure an envelope."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Match

from artifacts import Registry
from configs.settings import Settings
from deployments import metrics
from deployments.body import read_json
from deployments.engines.image_core.routes import ROUTES as IMAGES
from deployments.engines.video_captions.routes import ROUTES as CAPTIONS
from deployments.engines.video_mask.routes import ROUTES as MASKS
from deployments.engines.video_regions.routes import ROUTES as REGIONS
from deployments.engines.video_visual_meta.routes import ROUTES as VISUAL_META
from deployments.errors import (
    AppError,
    Internal,
    MethodNotAllowed,
    NotFound,
    as_app_error,
    envelope,
)
from deployments.gateway import context as who
from deployments.gateway.admission import Admission
from deployments.gateway.auth import RIGHT_OF, Keys
from deployments.gateway.exchange import Exchanges, exchange
from deployments.gateway.openapi import install_openapi
from deployments.gateway.reading import install_docs
from deployments.jobs.routes import ROUTES as JOBS
from deployments.jobs.routes import respond
from deployments.media.routes import ROUTES as MEDIA
from deployments.operation import JSON, Operation
from deployments.operations import Runner
from deployments.route import Call, Reply, Route
from deployments.timeline.routes import ROUTES as TIMELINE

log = logging.getLogger(__name__)

ROUTES: tuple[Route, ...] = (*MEDIA, *TIMELINE, *CAPTIONS, *REGIONS, *VISUAL_META, *MASKS, *IMAGES, *JOBS)
AT_THE_DOOR = (401, 403, 429)
Endpoint = Callable[[Request], Awaitable[Response]]


def build_http(runner: Runner, registry: Registry, settings: Settings, admission: Admission | None = None) -> FastAPI:
    """The whole HTTP face over a runner, with or without Ray."""
    app = FastAPI(
        title="mattebox",
        version="0.1.0",
        description="Pictures from layers, and prepared video.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would answer without an envelope
    )
    app.add_middleware(Exchanges)
    keys = Keys(settings.keys_file) if settings.auth_mode == "keys" else None
    places = admission or Admission(settings.max_requests_per_tenant)

    def endpoint(name: str, right: str, handle: Callable[[Call], Awaitable[Reply]]) -> Endpoint:
        """Auth, scope and admission in this order, then what the handler checks; every exception is an envelope."""

        async def respond(request: Request) -> Response:
            seen = exchange(request)
            seen.operation = name
            try:
                key = keys.find(request.headers.get("authorization", "")) if keys else None
                context = who.from_headers(request.headers, seen.request_id, settings)
                if key:
                    key.check(context.scope, right)
                seen.tenant = context.scope.tenant
                seen.hold(places.request(context.scope.tenant))
                call = Call(context, request.path_params, request, registry, runner, settings)
                return _response(await handle(call), seen.request_id)
            except ClientDisconnect:
                return Response(status_code=499)
            except Exception as error:
                return _failure(error, seen.request_id)

        return respond

    def operation(row: Operation) -> Endpoint:
        async def content(call: Call) -> Reply:
            answer = await runner.run(row.name, await read_json(call), call.context)
            return await asyncio.to_thread(_bytes, call, answer["artifact_id"])

        return endpoint(row.name, "write", content if row.content else lambda call: respond(call, row))

    def dry_run(row: Operation) -> Endpoint:
        async def handle(call: Call) -> Reply:
            return Reply(await runner.dry_run(row.name, await read_json(call), call.context))

        return endpoint(f"{row.name}_dry_run", "read", handle)

    for row in runner.operations.values():
        app.add_api_route(row.path, operation(row), methods=["POST"], name=row.name)
        if row.preview:
            app.add_api_route(f"{row.path}/dry-run", dry_run(row), methods=["POST"], name=f"{row.name}_dry_run")
    for route in ROUTES:
        right = route.right or RIGHT_OF[route.method]
        run = endpoint(f"{route.method} {route.path}", right, route.handle)
        app.add_api_route(route.path, run, methods=[route.method])

    async def healthz() -> JSON:
        return {"status": "ok"}

    async def readyz() -> Response:
        ready = await runner.ready()
        return JSONResponse({"status": "ready" if ready else "starting"}, 200 if ready else 503)

    async def exposition() -> Response:
        text, media_type = metrics.exposition()
        return Response(text, media_type=media_type)

    app.add_api_route("/healthz", healthz, methods=["GET"])
    app.add_api_route("/readyz", readyz, methods=["GET"])
    app.add_api_route("/metrics", exposition, methods=["GET"])

    async def unrouted(request: Request, error: Exception) -> Response:
        """What Starlette itself refuses: unknown paths and methods."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        refusals: dict[int, AppError] = {
            404: NotFound("no such path; /docs lists them"),
            405: MethodNotAllowed("this path does not take this method; /docs lists what it takes"),
        }
        answer = _failure(refusals.get(status, error), exchange(request).request_id)
        if status == 405:
            answer.headers["Allow"] = ", ".join(_methods(app, request))
        return answer

    app.add_exception_handler(HTTPException, unrouted)
    app.add_exception_handler(Exception, unrouted)
    install_docs(app)
    install_openapi(app, runner.operations.values(), ROUTES)
    return app


def _bytes(call: Call, id: str) -> Reply:
    """An artifact's bytes, for an operation that answers them."""
    record = call.registry.artifact(call.context.scope, id)
    headers = {"ETag": f'"{record.sha256}"', "X-Artifact-Id": record.id, "X-Content-Type-Options": "nosniff"}
    return Reply(call.registry.read(call.context.scope, record), media_type=record.media_type, headers=headers)


def _response(reply: Reply, request_id: str) -> Response:
    headers = {"X-Request-Id": request_id, **reply.headers}
    if isinstance(reply.body, AsyncIterator):
        return StreamingResponse(reply.body, reply.status, headers, reply.media_type)
    if isinstance(reply.body, bytes):
        return Response(reply.body, reply.status, headers, reply.media_type)
    return JSONResponse(reply.body, reply.status, headers)


def _methods(app: FastAPI, request: Request) -> list[str]:
    """What the path takes, from every route that it fits."""
    fits = [route for route in app.routes if route.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for route in fits for method in getattr(route, "methods", None) or ()})


def _failure(error: BaseException, request_id: str) -> Response:
    ours = as_app_error(error)
    if isinstance(ours, Internal):
        log.error("request failed", exc_info=error, extra={"about": {"request_id": request_id}})
    if ours.status in AT_THE_DOOR:
        metrics.REFUSED.labels(ours.code).inc()
    return JSONResponse(envelope(ours, request_id), ours.status, {"X-Request-Id": request_id, **ours.headers})


__all__ = ["ROUTES", "build_http"]
