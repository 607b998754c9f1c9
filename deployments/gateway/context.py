"""Who asks: the scope from headers, and that a body names no other."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any

from artifacts import Scope
from configs.settings import Settings
from deployments.errors import EnvNotServed, ScopeMismatch
from deployments.operation import Context

REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
BODY_FIELDS = {"tenant_id": "X-Tenant-Id", "env": "X-Env", "user_id": "X-User-Id"}


def request_id(headers: Mapping[str, str]) -> str:
    """The caller's, when it is fit for a log line; else a new one."""
    given = headers.get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


def make_context(tenant: str, env: str, user_id: str | None, request_id: str, settings: Settings) -> Context:
    """Raises MissingScope, InvalidScope (artifacts.errors) or EnvNotServed."""
    scope = Scope(tenant, env)
    if env not in settings.envs:
        raise EnvNotServed(f"this deployment does not serve env {env!r}; it serves {', '.join(sorted(settings.envs))}")
    return Context(scope, request_id, user_id)


def from_headers(headers: Mapping[str, str], request_id: str, settings: Settings) -> Context:
    return make_context(
        headers.get("x-tenant-id", ""), headers.get("x-env", ""), headers.get("x-user-id"), request_id, settings
    )


def check_body(context: Context, body: Mapping[str, Any]) -> None:
    """ScopeMismatch when the body names another tenant, env or user than the headers."""
    named = {"tenant_id": context.scope.tenant, "env": context.scope.env, "user_id": context.user_id}
    for field, value in named.items():
        if body.get(field) is not None and body[field] != value:
            raise ScopeMismatch(f"{field} in the body differs from the header {BODY_FIELDS[field]}", field=field)


__all__ = ["check_body", "from_headers", "make_context", "request_id"]
