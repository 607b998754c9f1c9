"""The shapes of captions: the request, and the transcript that is stored."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from deployments.answer import Answer
from deployments.body import Body
from deployments.ids import AssetId

Milliseconds = Annotated[int, Field(ge=0)]
"""Since the start of the asset, as players count it."""


class CaptionsRequest(Body):
    """POST /video/captions/generate. What is left out comes from the settings."""

    asset_id: AssetId = Field(description="A video or a sound.")
    language: str | None = Field(None, max_length=16, description="Whisper's code, e.g. `en`; `auto` detects it.")
    model: str | None = Field(None, max_length=64, description="A speech model: `base`, `tiny`, …")
    backend: str | None = Field(
        None, max_length=64, description="A speech backend: `whisper_openai`, `faster_whisper`, `stub`."
    )
    task: Literal["transcribe", "translate"] = Field("transcribe", description="`translate` writes English.")


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True)


class Word(_Stored):
    """One spoken word with its punctuation; in scripts without spaces, one character."""

    start_ms: Milliseconds
    end_ms: Milliseconds
    text: str
    probability: float = Field(ge=0, le=1)


class Segment(_Stored):
    """What the model wrote as one piece."""

    start_ms: Milliseconds
    end_ms: Milliseconds
    text: str
    words: list[Word]


class Cue(_Stored):
    """What is shown at one time."""

    index: int = Field(ge=1)
    """From 1."""
    start_ms: Milliseconds
    end_ms: Milliseconds
    lines: list[str] = Field(min_length=1, max_length=2)
    """At most 42 columns each, top to bottom; no line breaks inside."""


class Transcript(_Stored):
    """The bytes of an asr_transcript artifact."""

    language: str
    """Of the text: Whisper's code; `und` where nothing was said and no language was asked for."""
    segments: list[Segment]
    cues: list[Cue]
    meta: dict[str, object]
    """backend, backend_version, model_used, task, duration_ms; warnings and stub where there is such."""


class CaptionsJson(Answer):
    segments: list[Segment]
    cues: list[Cue]


__all__ = ["CaptionsJson", "CaptionsRequest", "Cue", "Segment", "Transcript", "Word"]
