"""The application's paths, and a short way to those without a parameter.

FastAPI asks one route after another whether it fits, and wraps each request in seven layers: more processor time than
all that a found artifact takes. A table finds a path that holds no parameter at once; its endpoint answers every error
itself, and needs none of the layers but ours.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.gateway.exchange import Exchanges

Endpoint = Callable[[Request], Awaitable[Response]]


class Paths(FastAPI):
    """FastAPI, which serves the documents, paths with parameters, and what no route takes."""

    def __init__(self, **said: Any) -> None:
        super().__init__(**said)
        self._short: dict[tuple[str, str], ASGIApp] = {}
        self.add_middleware(Exchanges)

    def add(self, method: str, path: str, endpoint: Endpoint) -> None:
        """A route whose endpoint raises nothing."""
        self.add_api_route(path, endpoint, methods=[method])
        if "{" not in path:
            self._short[method, path] = Exchanges(_answering(endpoint))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        known = scope["type"] == "http" and not scope.get("root_path")
        short = self._short.get((scope["method"], scope["path"])) if known else None
        if short:
            await short(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def _answering(endpoint: Endpoint) -> ASGIApp:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        response = await endpoint(Request(scope, receive, send))
        await response(scope, receive, send)

    return answer


__all__ = ["Endpoint", "Paths"]
