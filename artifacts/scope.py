"""Whose it is: a tenant and an env. Every key, id and look-up starts from one."""

from __future__ import annotations

import re
from dataclasses import dataclass

from artifacts.errors import InvalidScope, MissingScope

TENANT = re.compile(r"t_[a-z0-9][a-z0-9_-]{0,62}")
ENVS = ("dev", "test", "staging", "prod", "local")


@dataclass(frozen=True, slots=True)
class Scope:
    """A valid scope: raises MissingScope for an empty part, InvalidScope for a malformed one or `t_unknown`."""

    tenant: str
    env: str

    def __post_init__(self) -> None:
        for name, value in (("tenant_id", self.tenant), ("env", self.env)):
            if not value:
                raise MissingScope(f"{name} is missing: send the headers X-Tenant-Id and X-Env", name)
        if not TENANT.fullmatch(self.tenant) or self.tenant == "t_unknown":
            raise InvalidScope(f"tenant_id must match {TENANT.pattern} and not be t_unknown", "tenant_id")
        if self.env not in ENVS:
            raise InvalidScope(f"env must be one of {', '.join(ENVS)}", "env")

    @property
    def prefix(self) -> str:
        """The folder that every key of this scope lies in, with its final slash."""
        return f"tenants/{self.tenant}/{self.env}/"


__all__ = ["ENVS", "Scope"]
