"""Around every HTTP exchange: what it holds is given back when its answer is sent; then it is counted and logged."""

from __future__ import annotations

import logging
import time
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments import metrics
from deployments.gateway.context import request_id

log = logging.getLogger(__name__)

KEY = "mattebox"


class Exchange:
    """One request and its answer, seen from outside."""

    def __init__(self, request_id: str, held: ExitStack, head: bool = False) -> None:
        self.request_id = request_id
        self.head = head
        """Whether the answer's body is left out."""
        self.operation = ""
        """The route's name, once one was found."""
        self.tenant = ""
        """The caller's, once it was checked."""
        self.status = 0
        self._held = held

    def hold(self, what: AbstractContextManager[Any]) -> None:
        """Keep it until the last byte is sent or the client is gone: a download is in flight while it streams."""
        self._held.enter_context(what)


def exchange(request: Request) -> Exchange:
    found: Exchange = request.scope[KEY]
    return found


class Exchanges:
    """The middleware. Plain ASGI, since Starlette's own wraps streams and hides disconnects."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        with ExitStack() as held:
            head = scope["method"] == "HEAD"
            seen = Exchange(request_id(Headers(scope=scope)), held, head)
            scope = {**scope, KEY: seen} | ({"method": "GET"} if head else {})  # HEAD is GET without its body

            async def observed(message: Message) -> None:
                if message["type"] == "http.response.start":
                    seen.status = message["status"]
                elif head and message["type"] == "http.response.body":
                    message = {**message, "body": b""}
                await send(message)

            try:
                await self._app(scope, receive, observed)
            finally:
                _tell(seen, time.monotonic() - began)


def _tell(seen: Exchange, seconds: float) -> None:
    if not seen.operation:
        return
    metrics.seconds(seen.operation).observe(seconds)
    about = {
        "request_id": seen.request_id,
        "tenant": seen.tenant,
        "operation": seen.operation,
        "status": seen.status,
        "seconds": round(seconds, 4),
    }
    if log.isEnabledFor(logging.INFO):  # by hand: `log.info` looks up who called it, which no line of ours tells
        log.handle(log.makeRecord(log.name, logging.INFO, "", 0, "answered", (), None, extra={"about": about}))


__all__ = ["Exchange", "Exchanges", "exchange"]
