"""Around every HTTP exchange: what it holds is given back when its answer is sent; then it is counted and logged."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments import metrics
from deployments.gateway.context import request_id

log = logging.getLogger(__name__)

KEY = "mattebox"


class Exchange:
    """One request and its answer, seen from outside."""

    def __init__(self, headers: Mapping[str, str], head: bool = False) -> None:
        self.headers = headers
        """Of the request, by their names in lower case; several of one name with commas between (RFC 9110 §5.2): two
        tenants are none, whichever of them a proxy put there."""
        self.request_id = request_id(headers)
        self.head = head
        """Whether the answer's body is left out."""
        self.operation = ""
        """The route's name, once one was found."""
        self.tenant = ""
        """The caller's, once it was checked."""
        self.status = 0
        self._held: list[AbstractContextManager[Any]] = []

    def hold(self, what: AbstractContextManager[Any]) -> None:
        """Keep it until the last byte is sent or the client is gone: a download is in flight while it streams."""
        what.__enter__()
        self._held.append(what)

    def end(self) -> None:
        """Give back what is held."""
        while self._held:
            self._held.pop().__exit__(None, None, None)


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
        head = scope["method"] == "HEAD"
        seen = Exchange(_headers(scope), head)
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
            try:
                _tell(seen, time.monotonic() - began)
            finally:
                seen.end()


def _headers(scope: Scope) -> dict[str, str]:
    """All at once: Starlette's own looks through all of them for each name that is asked for."""
    sent = scope["headers"]
    found = {name.decode("latin-1"): value.decode("latin-1") for name, value in sent}
    if len(found) == len(sent):
        return found
    joined: dict[str, list[str]] = {}
    for name, value in sent:
        joined.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    return {name: ", ".join(values) for name, values in joined.items()}


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
        record = logging.LogRecord(log.name, logging.INFO, "", 0, "answered", (), None)
        record.__dict__["about"] = about
        log.handle(record)


__all__ = ["Exchange", "Exchanges", "exchange"]
