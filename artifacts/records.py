"""What is stored about an asset and about an artifact, as JSON and as Python."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from artifacts.scope import Scope

JSON = dict[str, Any]
SCHEMA_VERSION = 1


class _Stored:
    """JSON in and out; unknown fields of a later schema are left aside."""

    def to_bytes(self) -> bytes:
        return json.dumps(vars(self) | {"schema_version": SCHEMA_VERSION}, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        known = cls.__dataclass_fields__  # type: ignore[attr-defined]
        return cls(**{key: value for key, value in json.loads(data).items() if key in known})


@dataclass(frozen=True)
class Asset(_Stored):
    """An upload: its bytes never change, its tags may grow."""

    id: str
    kind: str
    """`image`, `video` or `audio`."""
    media_type: str
    size_bytes: int
    sha256: str
    uri: str
    created_at: str
    """UTC, ISO 8601."""
    tags: list[str] = field(default_factory=list)
    meta: JSON = field(default_factory=dict)
    """What the probe found: width, height, duration_ms, fps, audio_channels, sample_rate, codec_info, …"""
    source_ref: str | None = None


@dataclass(frozen=True)
class Record(_Stored):
    """An artifact: immutable, with its lineage."""

    id: str
    kind: str
    tenant: str
    env: str
    parent_asset_id: str | None
    uri: str
    sha256: str
    """Of the bytes; also the ETag."""
    size_bytes: int
    media_type: str
    created_at: str
    """UTC, ISO 8601."""
    inputs: list[JSON] = field(default_factory=list)
    """`{id, role}` each."""
    origin: str = "computed"
    """`computed` or `registered`."""
    meta: JSON = field(default_factory=dict)
    start_ms: int | None = None
    end_ms: int | None = None
    main: str | None = None
    """For a side artifact, the id of the one that it was made beside and is deleted with."""

    def public(self) -> JSON:
        """The wire's Artifact: everything but the scope, which the caller knows, and our own bookkeeping. Times that
        it has not are left out."""
        hidden = {"tenant", "env", "main"} | {key for key in ("start_ms", "end_ms") if getattr(self, key) is None}
        return {key: value for key, value in asdict(self).items() if key not in hidden}


@dataclass(frozen=True, slots=True)
class Draft:
    """An artifact that is yet to be committed."""

    name: str
    """Unique within its Output, e.g. `face/12/000500`; empty for the main artifact."""
    kind: str
    media_type: str
    data: bytes | Path
    meta: JSON
    start_ms: int | None = None
    end_ms: int | None = None
    role: str = ""
    """Of a side that the main artifact was made from, e.g. `composition`: it is named among the main's inputs."""


@dataclass(frozen=True, slots=True)
class Laid:
    """Where an artifact's bytes lie in the store, and what they are."""

    uri: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Ahead:
    """What was laid of a commit before it: durable, and named by no record yet."""

    laid: Mapping[str, Laid] = field(default_factory=dict)
    """By id."""
    links: frozenset[tuple[str, str]] = frozenset()
    """From what an artifact was made, and its id."""


def record_of(
    scope: Scope,
    id: str,
    draft: Draft,
    laid: Laid,
    *,
    parent: str | None,
    inputs: Sequence[JSON] = (),
    main: str | None = None,
    origin: str = "computed",
) -> Record:
    """What is stored about an artifact: the one place where a record is made."""
    return Record(
        id=id,
        kind=draft.kind,
        tenant=scope.tenant,
        env=scope.env,
        parent_asset_id=parent,
        uri=laid.uri,
        sha256=laid.sha256,
        size_bytes=laid.size_bytes,
        media_type=draft.media_type,
        created_at=now(),
        inputs=[dict(item) for item in inputs],
        origin=origin,
        meta=dict(draft.meta),
        start_ms=draft.start_ms,
        end_ms=draft.end_ms,
        main=main,
    )


def now() -> str:
    """UTC, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


__all__ = ["Ahead", "Asset", "Draft", "Laid", "Record", "now", "record_of"]
