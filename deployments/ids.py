"""The ids that a request body may name. Each is checked for its form before anything is looked up, so that a malformed
one is a 400 that names its field, and a well-formed one of nothing a 404 (spec §2). Light: pydantic alone.

What follows the prefix is base32 as artifacts.canonical writes it. A shape that takes an id uses one of these types.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

AssetId = Annotated[str, Field(pattern=r"^asset_[a-z2-7]{8,64}$")]
ArtifactId = Annotated[str, Field(pattern=r"^[a-z]+_[a-z2-7]{8,64}$")]
"""Of any kind: what the artifact is, its record says."""
SequenceId = Annotated[str, Field(pattern=r"^sequence_[a-z2-7]{8,64}$")]
ProjectId = Annotated[str, Field(pattern=r"^project_[a-z2-7]{8,64}$")]
TrackId = Annotated[str, Field(pattern=r"^track_[a-z2-7]{8,64}$")]
ClipId = Annotated[str, Field(pattern=r"^clip_[a-z2-7]{8,64}$")]
TargetId = Annotated[str, Field(pattern=r"^(clip|track|sequence)_[a-z2-7]{8,64}$")]
"""Of what can carry filters and keyframes."""

__all__ = ["ArtifactId", "AssetId", "ClipId", "ProjectId", "SequenceId", "TargetId", "TrackId"]
