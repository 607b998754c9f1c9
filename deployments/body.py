"""Request bodies: the base of every shape, and how one is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from deployments.errors import InvalidRequest, PayloadTooLarge, ScopeMismatch
from deployments.operation import JSON, Context

if TYPE_CHECKING:
    from deployments.route import Call

MAX_DEPTH = 32
"""Deepest nesting of a body."""
SCOPE_HEADERS = {"tenant_id": "X-Tenant-Id", "env": "X-Env", "user_id": "X-User-Id"}


class Body(BaseModel):
    """Unknown fields are refused. The scope may be repeated here; it must equal the headers'."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    tenant_id: str | None = None
    env: str | None = None
    user_id: str | None = None


async def read_json(call: Call) -> JSON:
    """The body as an object: capped in bytes and depth, its scope equal to the headers'."""
    limit = call.settings.max_body_bytes
    data = bytearray()
    async for chunk in call.request.stream():
        data += chunk
        if len(data) > limit:
            raise PayloadTooLarge(f"the body is larger than {limit} bytes (MAX_BODY_BYTES)")
    if _depth(data) > MAX_DEPTH:
        raise InvalidRequest(f"the body is nested deeper than {MAX_DEPTH} levels")
    try:
        body = json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"the body is not valid JSON: {error}") from None
    if not isinstance(body, dict):
        raise InvalidRequest("the body must be a JSON object")
    check_body(call.context, body)
    return body


def _depth(data: bytes | bytearray) -> int:
    """An upper bound of the nesting, known before anything is parsed (brackets in strings count too)."""
    deepest = depth = 0
    for byte in data:
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def check_body(context: Context, body: Mapping[str, Any]) -> None:
    """ScopeMismatch when the body names another tenant, env or user than the headers."""
    named = {"tenant_id": context.scope.tenant, "env": context.scope.env, "user_id": context.user_id}
    for field, value in named.items():
        if body.get(field) is not None and body[field] != value:
            raise ScopeMismatch(f"{field} in the body differs from the header {SCOPE_HEADERS[field]}", field=field)


__all__ = ["MAX_DEPTH", "Body", "check_body", "read_json"]
