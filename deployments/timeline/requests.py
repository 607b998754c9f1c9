"""The shapes of what changes a stored sequence."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, create_model, field_validator, model_validator

from deployments.body import Body
from deployments.errors import WrongField
from deployments.ids import ClipId, TargetId, TrackId
from deployments.timeline.models import MOST_CLIPS, Clip, Filter, Milliseconds, Name, Part, TrackKind, Transition
from kernels.curves import EASINGS

PROPERTIES = {
    "clip": ("opacity", "position", "scale", "volume_db"),
    "track": ("opacity", "volume_db"),
    "sequence": ("volume_db",),
}
"""What can be automated of each target."""
VALUES: dict[str, tuple[float, float]] = {
    "opacity": (0, 1),
    "position": (-100_000, 100_000),
    "scale": (0.001, 100),
    "volume_db": (-96, 24),
}
"""Property -> its least and its greatest value."""


class TrackRequest(Body):
    """POST /video/sequences/{id}/tracks"""

    kind: TrackKind
    clips: list[Clip] = Field([], max_length=MOST_CLIPS)


class ProjectRequest(Body):
    """POST /video/projects"""

    name: str | None = Field(None, max_length=200)


class ClipRequest(Body, Clip):
    """POST /video/tracks/{id}/clips"""


_CHANGED: dict[str, Any] = {
    name: (field.annotation | None, Field(None, description=field.description))  # type: ignore[operator]
    for name, field in Clip.model_fields.items()
    if name != "id"
}
ClipPatch = create_model("ClipPatch", __base__=Body, __doc__="PATCH /video/clips/{id}", **_CHANGED)
"""Any fields of a clip but its id; null gives a field its default back. What they then come to is checked as a Clip."""


class TrimRequest(Body):
    """POST /video/clips/{id}/trim: new ends in the source."""

    in_ms: Milliseconds | None = None
    out_ms: Milliseconds | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.in_ms is None and self.out_ms is None:
            raise WrongField("give in_ms, out_ms or both", "in_ms")
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
            raise WrongField("give track_id, start_ms_on_timeline or both", "track_id")
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
    """From the clip's start on the timeline; of a track or sequence from the timeline's."""
    value: float | tuple[float, float]
    """A pair [x, y] for `position`, else a number."""
    easing: Name | None = None
    """`linear` (the default), `hold`, `ease_in`, `ease_out`, `ease_in_out`."""

    @field_validator("easing")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and value not in EASINGS:
            raise ValueError(f"there is no easing {value!r}; there are {', '.join(EASINGS)}")
        return value


class AutomationRequest(Body):
    """POST /video/automation: the keyframes of one property."""

    target_id: TargetId
    property: Name
    """Of a clip `opacity`, `position`, `scale`, `volume_db`; of a track `opacity`, `volume_db`; of a sequence
    `volume_db`. A clip's replaces the value it stands for, a track's and a sequence's come on top."""
    keyframes: list[Keyframe] = Field(max_length=MOST_CLIPS)

    @model_validator(mode="after")
    def _served(self) -> Self:
        kind = self.target_id.partition("_")[0]
        known = PROPERTIES.get(kind)
        if known is None:
            return self  # what there is not is a 404, which comes later
        if self.property not in known:
            raise WrongField(
                f"the property {self.property!r} of a {kind} is not automated; there are {', '.join(known)}", "property"
            )
        least, most = VALUES[self.property]
        times: set[int] = set()
        for number, row in enumerate(self.keyframes):
            at = ("keyframes", number, "value")
            pair = isinstance(row.value, tuple)
            if pair != (self.property == "position"):
                raise WrongField("a position is a pair [x, y], and every other value a number", *at)
            if not all(
                least <= value <= most for value in (row.value if isinstance(row.value, tuple) else [row.value])
            ):
                raise WrongField(f"{self.property} is {least:g} to {most:g}; got {row.value}", *at)
            if row.ms in times:
                raise WrongField("two keyframes stand at the same time", "keyframes", number, "ms")
            times.add(row.ms)
        return self


__all__ = [
    "AutomationRequest",
    "ClipPatch",
    "ClipRequest",
    "FiltersRequest",
    "Keyframe",
    "MoveRequest",
    "ProjectRequest",
    "SplitRequest",
    "TrackRequest",
    "TransitionRequest",
    "TrimRequest",
]
