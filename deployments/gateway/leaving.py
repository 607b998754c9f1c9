"""Clients that leave before their answer: who looks out for them.

Serve does for every request, with two tasks and a queue around it, a tenth of what a found artifact takes of the
Gateway's processor. A request for what is usually found says that it wants none of that (Serve's own header), and looks
out for itself once it is known that there is something to wait for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.gateway.naming import OneId
from deployments.operations import OPERATIONS

UNWATCHED = (b"x-request-disconnect-disabled", b"?1")
"""Tells Serve not to look out for this request's client. The last of several of a name is what Serve reads."""
LOOK_OUT = frozenset(("POST", row.path) for row in OPERATIONS.values() if row.repeats)
"""What looks out for itself: method and path."""

T = TypeVar("T")


class Unwatched:
    """The middleware that says so, before Serve looks at the request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (scope["method"], scope["path"]) in LOOK_OUT:
            scope["headers"] = [*scope["headers"], UNWATCHED]
        await self._app(scope, receive, send)


def middlewares() -> list[Middleware]:
    """What Serve puts around its own handling; the launcher names this function to it."""
    return [Middleware(Unwatched), Middleware(OneId)]


async def unless_left(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """What the work gives, while the client stays; ClientDisconnect, with the work cancelled, where it leaves first.
    The request's body must have been read."""
    task = asyncio.get_running_loop().create_task(work)
    left = asyncio.get_running_loop().create_task(_left(receive))
    try:
        await asyncio.wait((task, left), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            left.result()  # a broken receive is told as what it is
            raise ClientDisconnect
        return task.result()
    finally:
        left.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait((task,))  # what it holds is given back before what is held around it


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


__all__ = ["LOOK_OUT", "UNWATCHED", "Unwatched", "middlewares", "unless_left"]
