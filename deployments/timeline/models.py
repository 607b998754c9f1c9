"""The shapes of a sequence on the wire: tracks of clips, transitions, filters, automation."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from deployments.body import Body, exactly_one
from deployments.errors import WrongField
from deployments.ids import ArtifactId, AssetId, ProjectId
from kernels.blend import ALIASES, MODES
from kernels.transitions import KINDS

TrackKind = Literal["video", "overlay", "audio"]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]{0,63}$")]
Milliseconds = Annotated[int, Field(ge=0, le=7 * 24 * 3600 * 1000)]
MOST_TRACKS = 64
MOST_CLIPS = 1000
SAME_KIND = {"dissolve": "crossfade", "cross_fade": "crossfade", "fade": "crossfade"}


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
    crop: tuple[int, int, int, int] | None = None
    """x, y, width, height in pixels of the decoded frame: what is shown of it. Of a video whole chroma samples, so odd
    values are rounded down."""
    audio_fade_in_ms: Milliseconds = 0
    audio_fade_out_ms: Milliseconds = 0
    """How long its sound rises from silence at its start, and falls to it before its end, on the timeline."""
    filters: list[Filter] = Field([], max_length=32)

    @field_validator("blend_mode")
    @classmethod
    def _known(cls, value: str) -> str:
        mode = ALIASES.get(value, value)
        if mode not in MODES:
            raise ValueError(f"there is no blend mode {value!r}; there are {', '.join(MODES)}")
        return mode

    @field_validator("crop")
    @classmethod
    def _inside(cls, value: tuple[int, int, int, int] | None) -> tuple[int, int, int, int] | None:
        if value is not None and (min(value[:2]) < 0 or min(value[2:]) < 2):
            raise ValueError("crop is x, y (0 or more), width, height (2 or more)")
        return value

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        exactly_one(self, "asset_id", "artifact_id")
        if self.out_ms is not None and self.out_ms <= self.in_ms:
            raise WrongField(f"out_ms {self.out_ms} does not lie after in_ms {self.in_ms}", "out_ms")
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
    """`crossfade` (`dissolve` is the same), `dip_to_black`, `dip_to_white`, `wipe_` and `push_` with `left`, `right`,
    `up`, `down`."""
    from_clip_id: str
    """A clip's `id` in this request."""
    to_clip_id: str
    duration_ms: int = Field(ge=1, le=60_000)
    """Of two clips that follow each other it is centred on the cut; of two that overlap it is their overlap."""

    @field_validator("kind")
    @classmethod
    def _known(cls, value: str) -> str:
        kind = SAME_KIND.get(value, value)
        if kind not in KINDS:
            raise ValueError(f"there is no transition {value!r}; there are {', '.join(KINDS)}")
        return kind


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


__all__ = [
    "MOST_CLIPS",
    "Clip",
    "Filter",
    "Milliseconds",
    "Name",
    "Part",
    "SequenceBody",
    "SequenceRequest",
    "Track",
    "TrackKind",
    "Transition",
]
