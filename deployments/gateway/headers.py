"""The headers of requests, as openapi.json documents them. One table: name -> parameter."""

from __future__ import annotations

from collections.abc import Mapping

from artifacts.scope import ENVS
from deployments.operation import JSON


def _header(description: str, *, required: bool = False, example: str = "", **schema: object) -> JSON:
    said: JSON = {"in": "header", "required": required, "description": description}
    return said | {"schema": {"type": "string", **schema}} | ({"example": example} if example else {})


HEADERS: Mapping[str, JSON] = {
    name: {"name": name, **said}
    for name, said in {
        "X-Tenant-Id": _header(
            "Whose artifacts; never `t_unknown`.",
            required=True,
            example="t_acme",
            pattern=r"^t_[a-z0-9][a-z0-9_-]{0,62}$",
        ),
        "X-Env": _header("Which of the tenant's worlds.", required=True, example="dev", enum=list(ENVS)),
        "X-User-Id": _header("Who asks, on the tenant's side.", maxLength=256),
        "X-Request-Id": _header(
            "Echoed, and in our logs; made where it is absent or unfit.", pattern=r"^[A-Za-z0-9._:-]{1,128}$"
        ),
        "Prefer": _header("`respond-async`: 202 and a job, where the work takes long (RFC 7240)."),
        "If-Match": _header(
            "The document's ETag; `*` for any version. Without it 428, with another one 412.",
            required=True,
            example="*",
            pattern=r'^(\*|"[0-9]{1,15}")$',
        ),
        "If-None-Match": _header("An ETag: 304 where it still holds."),
        "Range": _header("One range of bytes, for example `bytes=0-1023`: 206."),
        "Idempotency-Key": _header("A second POST with the same key does nothing more.", minLength=1, maxLength=255),
    }.items()
}
SCOPE = ("X-Tenant-Id", "X-Env", "X-User-Id", "X-Request-Id")
"""What every route of a scope takes."""

__all__ = ["HEADERS", "SCOPE"]
