"""The base of every request body."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """Unknown fields are refused. The scope may be repeated here; it must equal the headers'."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    tenant_id: str | None = None
    env: str | None = None
    user_id: str | None = None


__all__ = ["Body"]
