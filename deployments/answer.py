"""What answers on the wire have in common, and those about media; the operations' are in deployments/answers.py.

They are published in OpenAPI. Clients ignore fields that are not named here.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

JSON = dict[str, Any]
Cache = Literal["hit", "miss"]
MediaKind = Literal["image", "video", "audio"]


class Answer(BaseModel):
    """Base: a field that is left out is absent, never null."""


class Told(Answer):
    """What the caller should know."""

    message: str
    field: str | None = None
    given: Any = None
    used: Any = None


class Made(Answer):
    """What every answer that made or found an artifact carries."""

    cache: Cache
    warnings: list[Told]


class Problem(Answer):
    """What went wrong."""

    code: str = Field(description="docs/errors.md lists them.")
    message: str = Field(description="What is wrong, and what to do.")
    http_status: int
    request_id: str
    details: JSON = Field(description="`field` is the JSON path of a bad field.")


class Error(Answer):
    """The body of every answer other than success."""

    error: Problem


class Asset(Answer):
    """An upload."""

    id: str
    kind: MediaKind
    media_type: str
    size_bytes: int
    sha256: str
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    fps: float | None = None
    audio_channels: int | None = None
    sample_rate: int | None = None
    codec_info: Any = None
    tags: list[str]
    meta: JSON
    source_ref: str | None
    uri: str
    created_at: str


class Input(Answer):
    id: str
    role: str


class Artifact(Answer):
    """The record of immutable bytes."""

    id: str
    kind: str
    parent_asset_id: str | None
    uri: str
    sha256: str
    size_bytes: int
    media_type: str
    start_ms: int | None = None
    end_ms: int | None = None
    inputs: list[Input]
    origin: Literal["computed", "registered"]
    meta: JSON
    created_at: str


class AssetAndArtifacts(Answer):
    asset: Asset
    artifacts: list[Artifact]


class Node(Answer):
    id: str
    kind: str
    label: str


class Edge(Answer):
    source: str = Field(alias="from")
    target: str = Field(alias="to")
    role: str


class Lineage(Answer):
    nodes: list[Node]
    edges: list[Edge]


class Assets(Answer):
    assets: list[Asset]
    next_cursor: str | None = Field(description="Null after the last page.")


class Kind(Answer):
    kind: str
    id_prefix: str
    media_types: list[str]
    required_meta: dict[str, str] = Field(description="Field and JSON type.")


class Kinds(Answer):
    kinds: list[Kind]


class Registered(Made, Artifact):
    """An artifact of the caller's own bytes."""


class Cost(Answer):
    """What a job takes."""

    seconds: float = Field(ge=0)
    bytes: int = Field(ge=0)


class Deleted(Answer):
    id: str
    deleted: Literal[True]


class DeletedAsset(Deleted):
    deleted_artifacts: int = Field(ge=0, description="How many went with it.")


__all__ = [
    "JSON",
    "Answer",
    "Artifact",
    "Asset",
    "AssetAndArtifacts",
    "Assets",
    "Cache",
    "Cost",
    "Deleted",
    "DeletedAsset",
    "Error",
    "Input",
    "Kind",
    "Kinds",
    "Lineage",
    "Made",
    "MediaKind",
    "Registered",
    "Told",
]
