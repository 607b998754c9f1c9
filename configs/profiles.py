"""The render profiles of profiles.yaml, checked once."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

FILE = Path(__file__).with_name("profiles.yaml")


class Audio(BaseModel):
    """The encoder for sound that cannot be kept as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    codec: str
    bit_rate: int = Field(gt=0)
    """Bits a second."""


class Encoder(BaseModel):
    """What encodes the picture where the profile's own encoder does not work."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    codec: str
    options: dict[str, str]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if "threads" not in self.options:
            raise ValueError("options.threads is missing: without it the bytes would follow the machine")
        return self


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
    pixels: Literal["yuv420p", "yuv422p10le"] = "yuv420p"
    """What the encoder is given; composed is in 8 bits 4:2:0."""
    container: Literal["mp4", "mov"] = "mp4"
    audio: Audio
    instead: tuple[Encoder, ...] = ()
    """Tried in order where `codec` does not work."""

    @model_validator(mode="after")
    def _whole(self) -> Profile:
        if (self.width is None) != (self.height is None):
            raise ValueError("width and height are given together or not at all")
        if "threads" not in self.options:
            raise ValueError("options.threads is missing: without it the bytes would follow the machine")
        return self

    def parameters(self) -> dict[str, Any]:
        """What can change a render's bytes."""
        said = self.model_dump(mode="json", exclude={"label", "instead"})
        return said | {"requested": self.codec}


@cache
def profiles() -> dict[str, Profile]:
    """Every profile by name, in the file's order."""
    rows = yaml.safe_load(FILE.read_text())
    return {name: Profile.model_validate(row) for name, row in rows.items()}


__all__ = ["Audio", "Encoder", "Profile", "profiles"]
