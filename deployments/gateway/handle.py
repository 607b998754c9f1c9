"""The Python face: every operation as a method, plain dicts in and out, errors as a builtin with a dict."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from artifacts import Registry
from configs.settings import Settings
from deployments.body import check_body
from deployments.errors import InvalidRequest, to_wire
from deployments.gateway.admission import Admission
from deployments.gateway.context import make_context, request_id
from deployments.media.routes import adopt, asset_json
from deployments.operation import JSON, Context, Operation
from deployments.operations import OPERATIONS, Runner

Method = Callable[..., Awaitable[Any]]


class HandleFace:
    """What `serve.get_app_handle("mattebox")` offers: `handle.image_render.remote({…}, context={…})`.

    `context` is `{tenant_id, env, user_id?, request_id?}`, not authenticated: handles trust the cluster. A failure
    is a `RuntimeError({"error": {…}})`, readable as `(getattr(e, "cause", None) or e).args[0]`.
    """

    runner: Runner
    registry: Registry
    settings: Settings
    admission: Admission

    async def upload_asset(self, request: JSON, context: Mapping[str, str] | None = None) -> JSON:
        """`{data: bytes, tags?: [str], source_ref?: str}` -> the asset."""

        async def receive(who: Context) -> JSON:
            data = request.get("data")
            if not isinstance(data, bytes):
                raise InvalidRequest("data must be bytes", field="data")
            receiving = self.registry.receive(who.scope, self.settings.max_upload_bytes)
            try:
                if not await receiving.write(data):
                    raise InvalidRequest(f"data is larger than {self.settings.max_upload_bytes} bytes", field="data")
                fields = {"tags": list(request.get("tags", []))}
                if request.get("source_ref"):
                    fields["source_ref"] = [request["source_ref"]]
                return asset_json(await adopt(self.runner, who, receiving, fields))
            except BaseException:
                await receiving.abandon()
                raise

        return await self._answer(receive, context)

    async def get_asset(self, request: JSON, context: Mapping[str, str] | None = None) -> JSON:
        """`{id}` -> the asset."""

        async def look(who: Context) -> JSON:
            return asset_json(self.registry.asset(who.scope, _id(request)))

        return await self._answer(look, context)

    async def get_artifact(self, request: JSON, context: Mapping[str, str] | None = None) -> JSON:
        """`{id}` -> the artifact's record."""

        async def look(who: Context) -> JSON:
            return self.registry.artifact(who.scope, _id(request)).public()

        return await self._answer(look, context)

    async def get_content(self, request: JSON, context: Mapping[str, str] | None = None) -> bytes:
        """`{id}` of an artifact or an asset -> its bytes."""

        async def look(who: Context) -> bytes:
            id = _id(request)
            found = self.registry.asset if id.startswith("asset_") else self.registry.artifact
            return self.registry.read(who.scope, found(who.scope, id))

        return await self._answer(look, context)

    async def _answer(self, act: Callable[[Context], Awaitable[Any]], context: Mapping[str, str] | None) -> Any:
        said = context or {}
        id = request_id({"x-request-id": said.get("request_id", "")})
        try:
            who = make_context(said.get("tenant_id", ""), said.get("env", ""), said.get("user_id"), id, self.settings)
            with self.admission.request(who.scope.tenant):
                return await act(who)
        except Exception as error:
            raise to_wire(error, id) from None


def _id(request: JSON) -> str:
    if not isinstance(request.get("id"), str):
        raise InvalidRequest("id must be a string", field="id")
    id: str = request["id"]
    return id


def _method(operation: Operation, dry: bool) -> Method:
    async def method(self: HandleFace, request: JSON, context: Mapping[str, str] | None = None) -> JSON:
        async def run(who: Context) -> JSON:
            check_body(who, request)
            run = self.runner.dry_run if dry else self.runner.run
            return await run(operation.name, request, who)

        answer: JSON = await self._answer(run, context)
        return answer

    method.__name__ = f"{operation.name}_dry_run" if dry else operation.name
    method.__doc__ = f"What POST {operation.path}{'/dry-run' if dry else ''} does."
    return method


for _row in OPERATIONS.values():
    setattr(HandleFace, _row.name, _method(_row, dry=False))
    if _row.preview:
        setattr(HandleFace, f"{_row.name}_dry_run", _method(_row, dry=True))

__all__ = ["HandleFace"]
