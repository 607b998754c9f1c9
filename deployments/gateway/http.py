"""The ASGI application: every route from a table, every failure an envelope."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

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
from deployments.gateway.openapi import body_schema, install_openapi
from deployments.jobs.routes import ROUTES as JOBS
from deployments.jobs.routes import respond
from deployments.media.routes import ROUTES as MEDIA
from deployments.operation import JSON, Operation
from deployments.operations import Runner
from deployments.route import Call, Reply, Route
from deployments.timeline.routes import ROUTES as TIMELINE

log = logging.getLogger(__name__)

ROUTES: tuple[Route, ...] = (*MEDIA, *TIMELINE, *CAPTIONS, *REGIONS, *VISUAL_META, *MASKS, *IMAGES, *JOBS)
Endpoint = Callable[[Request], Awaitable[Response]]


def build_http(runner: Runner, registry: Registry, settings: Settings) -> FastAPI:
    """The whole HTTP face over a runner, with or without Ray."""
    app = FastAPI(title="mattebox", version="0.1.0", description="Pictures from layers, and prepared video.")

    def endpoint(handle: Callable[[Call], Awaitable[Reply]]) -> Endpoint:
        """Scope first, then whatever the handler checks; every exception becomes an envelope."""

        async def respond(request: Request) -> Response:
            id = who.request_id(request.headers)
            try:
                context = who.from_headers(request.headers, id, settings)
                call = Call(context, request.path_params, request, registry, runner, settings)
                return _response(await handle(call), id)
            except ClientDisconnect:
                return Response(status_code=499)
            except Exception as error:
                return _failure(error, id)

        return respond

    def operation(row: Operation) -> Endpoint:
        async def content(call: Call) -> Reply:
            answer = await runner.run(row.name, await read_json(call), call.context)
            return await asyncio.to_thread(_bytes, call, answer["artifact_id"])

        return endpoint(content if row.content else lambda call: respond(call, row))

    def dry_run(row: Operation) -> Endpoint:
        async def handle(call: Call) -> Reply:
            return Reply(await runner.dry_run(row.name, await read_json(call), call.context))

        return endpoint(handle)

    for row in runner.operations.values():
        extra = {"requestBody": {"required": True, "content": {"application/json": body_schema(row)}}}
        app.add_api_route(row.path, operation(row), methods=["POST"], name=row.name, openapi_extra=extra)
        if row.preview:
            app.add_api_route(
                f"{row.path}/dry-run",
                dry_run(row),
                methods=["POST"],
                name=f"{row.name}_dry_run",
                openapi_extra=extra,
            )
    for route in ROUTES:
        app.add_api_route(route.path, endpoint(route.handle), methods=[route.method], summary=route.summary)

    async def healthz() -> JSON:
        return {"status": "ok"}

    async def readyz() -> Response:
        ready = await runner.ready()
        return JSONResponse({"status": "ready" if ready else "starting"}, 200 if ready else 503)

    async def exposition() -> Response:
        text, media_type = metrics.exposition()
        return Response(text, media_type=media_type)

    app.add_api_route("/healthz", healthz, methods=["GET"], summary="Whether this process answers")
    app.add_api_route("/readyz", readyz, methods=["GET"], summary="Whether every deployment answers")
    app.add_api_route("/metrics", exposition, methods=["GET"], summary="Counters for Prometheus")

    async def unrouted(request: Request, error: Exception) -> Response:
        """What Starlette itself refuses: unknown paths and methods."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        refusals: dict[int, AppError] = {
            404: NotFound("no such path; /docs lists them"),
            405: MethodNotAllowed("this path does not take this method; /docs lists what it takes"),
        }
        return _failure(refusals.get(status, error), who.request_id(request.headers))

    app.add_exception_handler(HTTPException, unrouted)
    app.add_exception_handler(Exception, unrouted)
    install_openapi(app, runner.operations.values())
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


def _failure(error: BaseException, request_id: str) -> Response:
    ours = as_app_error(error)
    if isinstance(ours, Internal):
        log.error("request %s failed", request_id, exc_info=error)
    return JSONResponse(envelope(ours, request_id), ours.status, {"X-Request-Id": request_id})


__all__ = ["ROUTES", "build_http"]
