"""The render profiles of profiles.yaml, checked once."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

FILE = Path(__file__).with_name("profiles.yaml")


class Audio(BaseModel):
    """The encoder for sound that cannot be kept as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    codec: str
    bit_rate: int = Field(gt=0)
    """Bits a second."""


class Profile(BaseModel):
    """One row: what a render is encoded as."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str
    width: int | None = Field(None, ge=16, multiple_of=2)
    """Pixels; None: the first video clip's."""
    height: int | None = Field(None, ge=16, multiple_of=2)
    fps: int | None = Field(None, ge=1, le=240)
    """None: the first video clip's frames at their own times."""
    codec: str
    options: dict[str, str]
    audio: Audio

    @model_validator(mode="after")
    def _whole(self) -> Profile:
        if (self.width is None) != (self.height is None):
            raise ValueError("width and height are given together or not at all")
        if "threads" not in self.options:
            raise ValueError("options.threads is missing: without it the bytes would follow the machine")
        return self

    def parameters(self) -> dict[str, Any]:
        """What can change a render's bytes."""
        return self.model_dump(exclude={"label"})


@cache
def profiles() -> dict[str, Profile]:
    """Every profile by name, in the file's order."""
    rows = yaml.safe_load(FILE.read_text())
    return {name: Profile.model_validate(row) for name, row in rows.items()}


__all__ = ["Audio", "Profile", "profiles"]
