"""Clients that leave: Serve is told which requests look out for themselves, and those do."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from ray.serve._private import constants
from ray.serve._private.http_util import parse_disconnect_disabled_header, validate_http_proxy_callback_return
from ray.serve._private.utils import call_function_from_import_path
from starlette.requests import ClientDisconnect

from artifacts import Registry, Store
from configs.settings import Settings
from deployments.gateway.admission import Admission
from deployments.gateway.http import build_http
from deployments.gateway.leaving import Unwatched, unless_left
from deployments.launcher import UNWATCHED
from deployments.replicas.local import local_runner

Message = dict[str, Any]
SCOPE = {"type": "http", "method": "POST", "path": "/image/render", "headers": []}


async def never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


async def gone() -> Message:
    return {"type": "http.disconnect"}


async def seen_by_serve(**request: object) -> bool:
    """Whether Serve is told to leave a request's client alone."""
    told: list[bool] = []

    async def serve(scope: Any, receive: object, send: object) -> None:
        told.append(parse_disconnect_disabled_header(dict(scope["headers"])))

    await Unwatched(serve)(SCOPE | request, never, never)  # type: ignore[arg-type]
    return told[0]


def test_serve_knows_the_hook_and_takes_what_it_gives() -> None:
    ((variable, path),) = UNWATCHED.items()
    assert hasattr(constants, variable)
    assert len(validate_http_proxy_callback_return(call_function_from_import_path(path))) == 2


async def test_what_is_found_again_and_again_looks_out_for_itself_and_nothing_else_does() -> None:
    assert await seen_by_serve()
    assert await seen_by_serve(headers=[(b"x-request-disconnect-disabled", b"?0")])
    assert not await seen_by_serve(method="GET")
    assert not await seen_by_serve(path="/video/render")
    assert not await seen_by_serve(path="/media-v2/assets")


async def test_the_work_of_who_stays_gives_what_it_gives() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    async def broken() -> int:
        raise KeyError("x")

    assert await unless_left(never, work()) == 7
    with pytest.raises(KeyError):
        await unless_left(never, broken())


async def test_the_work_of_who_leaves_is_cancelled_and_has_ended() -> None:
    ended = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    with pytest.raises(ClientDisconnect):
        await unless_left(gone, work())
    assert ended == [True]
    outer = asyncio.create_task(unless_left(never, work()))
    await asyncio.sleep(0.01)
    outer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await outer
    assert ended == [True, True]


async def test_who_leaves_gives_the_place_back_and_another_gets_the_answer(tmp_path: Path) -> None:
    settings = Settings(mattebox_home=tmp_path)
    runner = local_runner(settings, Registry(Store("memory://")))
    inner, through, called = runner._dispatch, asyncio.Event(), asyncio.Event()

    class Gate:
        async def call(self, *args: Any) -> Any:
            called.set()
            await through.wait()
            return await inner.call(*args)

    runner._dispatch = Gate()
    places = Admission(1)
    app = build_http(runner, runner.registry, settings, places)
    polygon = {"type": "polygon", "points": [[1, 1], [7, 1], [1, 7]]}
    body = json.dumps({"width": 8, "height": 8, "selection": polygon}).encode()
    headers = [(b"x-tenant-id", b"t_acme"), (b"x-env", b"dev")]
    scope = SCOPE | {"path": "/image/masks", "headers": headers, "query_string": b"", "root_path": ""}

    async def ask(leave: asyncio.Event) -> list[Message]:
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        sent: list[Message] = []

        async def receive() -> Message:
            if messages:
                return messages.pop()
            await leave.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await app(scope, receive, send)
        return sent

    leave = asyncio.Event()
    first = asyncio.create_task(ask(leave))
    await called.wait()
    assert places.in_flight("t_acme") == 1
    leave.set()
    assert (await first)[0]["status"] == 499
    assert places.in_flight("t_acme") == 0
    second = asyncio.create_task(ask(asyncio.Event()))
    await asyncio.sleep(0.01)
    through.set()
    assert json.loads((await second)[1]["body"])["width"] == 8
