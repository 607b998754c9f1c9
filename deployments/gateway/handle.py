"""The Python face: every operation as a method, plain dicts in and out, errors as a builtin with a dict."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from artifacts import Registry
from artifacts.upload import Upload
from configs.settings import Settings
from deployments.body import check_body
from deployments.errors import InvalidRequest, PayloadTooLarge, to_wire
from deployments.gateway.admission import Admission
from deployments.gateway.context import make_context, request_id
from deployments.gateway.lookups import LOOKUPS, Begin, ById, Lookup, OfAsset
from deployments.jobs import job
from deployments.jobs.runs import Joined
from deployments.media.receive import UploadFields, adopt, asset_json
from deployments.media.register import RegisterFields, RegisterKey, Registration
from deployments.operation import JSON, Context, Operation
from deployments.operations import OPERATIONS
from deployments.runner import Runner

Method = Callable[..., Awaitable[Any]]
Said = Mapping[str, str] | None


class HandleFace:
    """What `serve.get_app_handle("mattebox")` offers: `handle.image_render.remote({…}, context={…})`.

    `context` is `{tenant_id, env, user_id?, request_id?}`, not authenticated: handles trust the cluster. A failure
    is a `RuntimeError({"error": {…}})`, readable as `(getattr(e, "cause", None) or e).args[0]`.
    """

    runner: Runner
    registry: Registry
    settings: Settings
    admission: Admission

    async def upload_asset(self, request: JSON, context: Said = None) -> JSON:
        """`{data: bytes, kind?, tags?: [str], source_ref?}` -> the asset."""

        async def receive(who: Context) -> JSON:
            receiving, rest = await self._received(who, request)
            try:
                said = UploadFields.model_validate(rest)
                return asset_json(await adopt(self.runner, who, receiving, said))
            except BaseException:
                await receiving.abandon()
                raise

        return dict(await self._answer(receive, request, context))

    async def register_artifact(self, request: JSON, context: Said = None) -> JSON:
        """`{asset_id, kind, meta, media_type?}` and `data: bytes` or a `key` of the asset's folder -> the artifact."""

        async def register(who: Context) -> JSON:
            parent = OfAsset.model_validate({"asset_id": request.get("asset_id")}).asset_id
            rest = {name: value for name, value in request.items() if name != "asset_id"}
            if "key" in rest:
                lying = RegisterKey.model_validate(rest)
                return await Registration(self.runner, who, parent, lying).lying(lying.key)
            receiving, rest = await self._received(who, rest)
            try:
                said = RegisterFields.model_validate(rest)
            except BaseException:
                await receiving.abandon()
                raise
            return await Registration(self.runner, who, parent, said).received(receiving)

        return dict(await self._answer(register, request, context))

    async def _received(self, who: Context, request: JSON) -> tuple[Upload, JSON]:
        """The request's `data` as an upload, and the rest of the request."""
        data, most = request.get("data"), self.settings.max_upload_bytes
        if not isinstance(data, bytes):
            raise InvalidRequest("data must be bytes", field="data")
        receiving = self.registry.receive(who.scope, most)
        if not await receiving.write(data):
            await receiving.abandon()
            raise PayloadTooLarge(f"data is larger than {most} bytes (MAX_UPLOAD_BYTES)", field="data")
        return receiving, {name: value for name, value in request.items() if name != "data"}

    async def get_content(self, request: JSON, context: Said = None) -> bytes:
        """`{id}` of an artifact or an asset -> its bytes."""

        async def look(who: Context) -> bytes:
            id = ById.model_validate(request).id
            found = self.registry.asset if id.startswith("asset_") else self.registry.artifact
            return self.registry.read(who.scope, found(who.scope, id))

        return bytes(await self._answer(look, request, context))

    async def begin_job(self, request: JSON, context: Said = None) -> JSON:
        """`{operation, request, webhook?}` of a long operation -> `{job}`, not waited for (`get_job` tells of it); or
        `{answer}` where all that it makes is there already."""

        async def begin(who: Context) -> JSON:
            said = Begin.model_validate(request)
            operation = self.runner.operations.get(said.operation)
            if operation is None or not operation.long:
                raise InvalidRequest("operation must be the name of a long operation", field="operation")
            check_body(who, said.request)
            begun = await self.runner.begin(said.operation, said.request, who, said.webhook)
            return {"job": job.shown(begun.document)} if isinstance(begun, Joined) else {"answer": begun}

        return dict(await self._answer(begin, request, context))

    async def cancel_job(self, request: JSON, context: Said = None) -> JSON:
        """`{id}` -> the job, with one waiter less; the last one's leaving cancels it."""

        async def leave(who: Context) -> JSON:
            return job.shown(await self.runner.jobs.leave(who.scope, ById.model_validate(request).id))

        return dict(await self._answer(leave, request, context))

    async def _answer(
        self, act: Callable[[Context], Awaitable[Any]], request: JSON, context: Mapping[str, str] | None
    ) -> Any:
        said = context or {}
        id = request_id({"x-request-id": said.get("request_id", "")})
        try:
            who = make_context(said.get("tenant_id", ""), said.get("env", ""), said.get("user_id"), id, self.settings)
            with self.admission.request(who.scope.tenant):
                check_body(who, request)
                return await act(who)
        except Exception as error:
            raise to_wire(error, id, request) from None


def _method(operation: Operation, dry: bool) -> Method:
    async def method(self: HandleFace, request: JSON, context: Mapping[str, str] | None = None) -> JSON:
        async def run(who: Context) -> JSON:
            run = self.runner.dry_run if dry else self.runner.run
            return await run(operation.name, request, who)

        answer: JSON = await self._answer(run, request, context)
        return answer

    method.__name__ = f"{operation.name}_dry_run" if dry else operation.name
    method.__doc__ = f"What POST {operation.path}{'/dry-run' if dry else ''} does."
    return method


def _lookup(name: str, row: Lookup) -> Method:
    async def method(self: HandleFace, request: JSON, context: Mapping[str, str] | None = None) -> JSON:
        async def look(who: Context) -> JSON:
            asked = row.request.model_validate(request)
            return await self.registry.store.aside(row.look, self.registry, who.scope, asked)

        answer: JSON = await self._answer(look, request, context)
        return answer

    method.__name__, method.__doc__ = name, row.does
    return method


for _name, _lookup_row in LOOKUPS.items():
    setattr(HandleFace, _name, _lookup(_name, _lookup_row))
for _row in OPERATIONS.values():
    setattr(HandleFace, _row.name, _method(_row, dry=False))
    if _row.preview:
        setattr(HandleFace, f"{_row.name}_dry_run", _method(_row, dry=True))

__all__ = ["HandleFace"]
