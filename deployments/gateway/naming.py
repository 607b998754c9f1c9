"""A request has one id, fit for a log line: for Serve too, which answers 500 to one that is no UTF-8, and sends it back
beside ours."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.gateway.context import request_id

NAME = b"x-request-id"


class OneId:
    """The middleware, before Serve looks at the request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = [value for name, value in scope["headers"] if name == NAME]
        text = given[0].decode("latin-1") if len(given) == 1 else ""
        id = request_id({"x-request-id": text})
        if id != text:
            others = [pair for pair in scope["headers"] if pair[0] != NAME]
            scope = {**scope, "headers": [*others, (NAME, id.encode())]}

        async def once(message: Message) -> None:
            if message["type"] == "http.response.start":
                others = [pair for pair in message["headers"] if pair[0].lower() != NAME]
                message = {**message, "headers": [*others, (NAME, id.encode())]}
            await send(message)

        await self._app(scope, receive, once)


__all__ = ["NAME", "OneId"]
