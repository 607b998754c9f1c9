"""A route that is no plain operation: what its handler gets and gives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from artifacts import Record, Registry
from artifacts.errors import NotFound
from deployments.operation import JSON, Context

if TYPE_CHECKING:
    from pydantic import BaseModel
    from starlette.requests import Request

    from configs.settings import Settings
    from deployments.runner import Runner


STORED: Mapping[str, str] = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
"""Headers of stored content: a browser neither guesses its type nor runs what is in it."""


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request, its scope already checked."""

    context: Context
    params: Mapping[str, str]
    """The path's parameters."""
    request: Request
    """For query, headers and a streamed body."""
    registry: Registry
    runner: Runner
    settings: Settings


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back: a JSON value, bytes or a stream of bytes."""

    body: Any
    status: int = 200
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """A row of a routes room's table."""

    method: str
    path: str
    handle: Callable[[Call], Awaitable[Reply]]
    summary: str
    right: str = ""
    """`read`, `write` or `delete`, which an API key must have; empty: what the method says."""
    body: type[BaseModel] | None = None
    """The JSON body, where there is one; its `example` is documented, and run by a test."""
    form: JSON = field(default_factory=dict)
    """The JSON schema of a multipart body; its fields' examples are run with a file."""
    example: JSON = field(default_factory=dict)
    """Of the body. Ids in it, and in `params` and `query`, end in `_aaaaaaaa`; a test puts real ones there."""
    params: Mapping[str, str] = field(default_factory=dict)
    """An example for each of the path's parameters."""
    query: Mapping[str, JSON] = field(default_factory=dict)
    """JSON schemas, each with an `example`, of the query's parameters."""
    if_match: bool = False
    """Whether the header If-Match is required: changes of a document that are no POST."""
    answer: type[BaseModel] | None = None
    """The JSON of a success (deployments/answer.py, answers.py); None where `produces` is not JSON."""
    status: int = 200
    """Of a success."""
    produces: str = "application/json"
    """The media type of a success."""
    headers: tuple[str, ...] = ()
    """Request headers that it honours, by their names in gateway/headers.py."""
    refuses: tuple[int, ...] = ()
    """Statuses of its refusals beside those that follow from the rest of the row."""
    later: type[BaseModel] | None = None
    """What a 202 answers to `Prefer: respond-async`, where the route is long work."""


async def artifact(call: Call, kind: str) -> Record:
    """The artifact that the path names; NotFound, always the same, for an id that is malformed, absent, another
    tenant's or of another kind."""
    record = await asyncio.to_thread(call.registry.artifact, call.context.scope, call.params["id"])
    if record.kind != kind:
        raise NotFound
    return record


__all__ = ["STORED", "AsyncIterator", "Call", "Reply", "Route", "artifact"]
