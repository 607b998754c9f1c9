"""Who asks: the scope from headers."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from functools import lru_cache

from artifacts import Scope
from configs.settings import Settings
from deployments.errors import EnvNotServed
from deployments.operation import Context

REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def request_id(headers: Mapping[str, str]) -> str:
    """The caller's, when it is fit for a log line; else a new one."""
    given = headers.get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


def make_context(tenant: str, env: str, user_id: str | None, request_id: str, settings: Settings) -> Context:
    """Raises MissingScope, InvalidScope (artifacts.errors) or EnvNotServed."""
    scope = _scope(tenant, env)
    if env not in settings.envs:
        raise EnvNotServed(f"this deployment does not serve env {env!r}; it serves {', '.join(sorted(settings.envs))}")
    return Context(scope, request_id, user_id)


@lru_cache(maxsize=1024)
def _scope(tenant: str, env: str) -> Scope:
    """The same for the same: each request would check its names anew."""
    return Scope(tenant, env)


def from_headers(headers: Mapping[str, str], request_id: str, settings: Settings) -> Context:
    return make_context(
        headers.get("x-tenant-id", ""), headers.get("x-env", ""), headers.get("x-user-id"), request_id, settings
    )


__all__ = ["from_headers", "make_context", "request_id"]
