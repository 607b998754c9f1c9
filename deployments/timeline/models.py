"""The shapes of a sequence on the wire: tracks of clips, transitions, filters, automation."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from deployments.body import Body
from deployments.ids import ArtifactId, AssetId, ClipId, ProjectId, TargetId, TrackId
from kernels.blend import ALIASES, MODES

TrackKind = Literal["video", "overlay", "audio"]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]{0,63}$")]
Milliseconds = Annotated[int, Field(ge=0, le=7 * 24 * 3600 * 1000)]
MOST_TRACKS = 64
MOST_CLIPS = 1000


class Part(BaseModel):
    """A piece of a body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


class Filter(Part):
    """One step of a filter stack, in order."""

    type: Name
    params: dict[str, Any] = {}
    mask_artifact_id: ArtifactId | None = None
    """Where the filter works: a mask in the clip's source pixels."""
    enabled: bool = True


class Clip(Part):
    """A stretch of an asset or artifact, and how it is shown."""

    id: str | None = Field(None, min_length=1, max_length=64)
    """A name inside this request, for its transitions; the stored clip gets an id of its own."""
    asset_id: AssetId | None = None
    artifact_id: ArtifactId | None = None
    in_ms: Milliseconds = 0
    out_ms: Milliseconds | None = None
    """Where it ends in its source; the default is the source's end."""
    start_ms_on_timeline: Milliseconds | None = None
    """Default: after the clip before it; 0 on an overlay track."""
    speed: float = Field(1.0, ge=0.1, le=16)
    volume_db: float = Field(0.0, ge=-96, le=24)
    opacity: float = Field(1.0, ge=0, le=1)
    blend_mode: str = "normal"
    mask_artifact_id: ArtifactId | None = None
    """A matte in source pixels."""
    position: tuple[float, float] | None = None
    """Output pixels of the scaled clip's top-left corner; the default contains a video track's clip in the picture,
    and puts an overlay at [0, 0]."""
    scale: float | None = Field(None, gt=0, le=100)
    """Factor on source pixels."""
    filters: list[Filter] = Field([], max_length=32)

    @field_validator("blend_mode")
    @classmethod
    def _known(cls, value: str) -> str:
        mode = ALIASES.get(value, value)
        if mode not in MODES:
            raise ValueError(f"there is no blend mode {value!r}; there are {', '.join(MODES)}")
        return mode

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.asset_id is None) == (self.artifact_id is None):
            raise ValueError("a clip has either an asset_id or an artifact_id")
        if self.out_ms is not None and self.out_ms <= self.in_ms:
            raise ValueError(f"out_ms {self.out_ms} does not lie after in_ms {self.in_ms}")
        return self


class Track(Part):
    """Clips of one kind; later tracks lie over earlier ones."""

    id: str | None = Field(None, min_length=1, max_length=64)
    """What a stored sequence calls it; taken so that its tracks can be sent back as they came, and not kept."""
    kind: TrackKind
    clips: list[Clip] = Field([], max_length=MOST_CLIPS)
    filters: list[Filter] = Field([], max_length=32)


class Transition(Part):
    """From one clip into another, both on one track."""

    kind: Name
    from_clip_id: str
    """A clip's `id` in this request."""
    to_clip_id: str
    duration_ms: int = Field(ge=1, le=60_000)


class SequenceBody(Part):
    """A sequence without a document: what a render takes in its `sequence`."""

    tracks: list[Track] = Field([], max_length=MOST_TRACKS)
    transitions: list[Transition] = Field([], max_length=MOST_CLIPS)


class SequenceRequest(Body):
    """POST /video/sequences"""

    project_id: ProjectId | None = None
    tracks: list[Track] = Field([], max_length=MOST_TRACKS)
    transitions: list[Transition] = Field([], max_length=MOST_CLIPS)
    render_profile: Name = "source"


class TrackRequest(Body):
    """POST /video/sequences/{id}/tracks"""

    kind: TrackKind
    clips: list[Clip] = Field([], max_length=MOST_CLIPS)


class ProjectRequest(Body):
    """POST /video/projects"""

    name: str | None = Field(None, max_length=200)


class ClipRequest(Body, Clip):
    """POST /video/tracks/{id}/clips"""


class TrimRequest(Body):
    """POST /video/clips/{id}/trim: new ends in the source."""

    in_ms: Milliseconds | None = None
    out_ms: Milliseconds | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.in_ms is None and self.out_ms is None:
            raise ValueError("give in_ms, out_ms or both")
        return self


class SplitRequest(Body):
    """POST /video/clips/{id}/split"""

    at_ms: Milliseconds
    """On the timeline, inside the clip."""


class MoveRequest(Body):
    """POST /video/clips/{id}/move"""

    track_id: TrackId | None = None
    start_ms_on_timeline: Milliseconds | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.track_id is None and self.start_ms_on_timeline is None:
            raise ValueError("give track_id, start_ms_on_timeline or both")
        return self


class TransitionRequest(Body, Transition):
    """POST /video/sequences/{id}/transitions; the clips by their stored ids."""

    from_clip_id: ClipId
    to_clip_id: ClipId


class FiltersRequest(Body):
    """PUT /video/filter-stacks/{target_type}/{target_id}"""

    filters: list[Filter] = Field(max_length=32)


class Keyframe(Part):
    """A value at a time; between two of them it follows the first one's easing."""

    ms: Milliseconds
    value: float
    easing: Name | None = None


class AutomationRequest(Body):
    """POST /video/automation: the keyframes of one property."""

    target_id: TargetId
    property: Name
    keyframes: list[Keyframe] = Field(max_length=MOST_CLIPS)


__all__ = [
    "AutomationRequest",
    "Clip",
    "ClipRequest",
    "Filter",
    "FiltersRequest",
    "Keyframe",
    "Milliseconds",
    "MoveRequest",
    "ProjectRequest",
    "SequenceBody",
    "SequenceRequest",
    "SplitRequest",
    "Track",
    "TrackKind",
    "TrackRequest",
    "Transition",
    "TransitionRequest",
    "TrimRequest",
]
