"""What a clip names: the asset or artifact that it shows, its mask. Light."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from artifacts import Asset, Record, Registry, Scope
from artifacts.errors import NotFound
from deployments.errors import InvalidRequest
from deployments.operation import JSON, Input

SIDEWAYS = (90, 270)
TURNED = 5
"""EXIF orientations from here on change a picture's sides."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a clip shows."""

    id: str
    is_asset: bool
    asset_id: str | None
    """The asset itself, or the one that the artifact belongs to."""
    kind: str
    """`video`, `image` or another."""
    media_type: str
    meta: JSON
    field: str
    """The JSON path that named it."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of what is decoded; of a picture upright."""
        width, height = int(self.meta["width"]), int(self.meta["height"])
        return (height, width) if self.meta.get("orientation", 1) >= TURNED else (width, height)

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height as it is shown; of a video without an odd column or row."""
        width, height = self.turned(self.size)
        return (max(2, width & ~1), max(2, height & ~1)) if self.kind == "video" else (width, height)

    def turned(self, size: tuple[int, int]) -> tuple[int, int]:
        """A size of decoded pixels, as it is shown."""
        return size[::-1] if self.meta.get("rotation") in SIDEWAYS else size

    @property
    def aspect(self) -> Fraction:
        """Width of a pixel, as it is shown, over its height."""
        video: JSON = self.meta.get("codec_info", {}).get("video", {})
        decoded = Fraction(*video.get("sample_aspect_ratio", [1, 1]))
        return 1 / decoded if self.meta.get("rotation") in SIDEWAYS else decoded

    @property
    def fps(self) -> float | None:
        return self.meta.get("fps") if self.kind == "video" else None


def source_of(registry: Registry, scope: Scope, clip: JSON, where: str) -> Found:
    """Raises NotFound naming the field."""
    item: Asset | Record
    field = f"{where}.asset_id" if clip.get("asset_id") else f"{where}.artifact_id"
    try:
        if clip.get("asset_id"):
            item = registry.asset(scope, clip["asset_id"])
            asset_id: str | None = item.id
        else:
            item = registry.artifact(scope, clip["artifact_id"])
            asset_id = item.parent_asset_id
    except NotFound as error:
        raise NotFound(error.message, field) from None
    kind = item.media_type.partition("/")[0]
    return Found(item.id, isinstance(item, Asset), asset_id, kind, item.media_type, item.meta, field)


def of_kind(registry: Registry, scope: Scope, id: str, kind: str, field: str) -> Record:
    """An artifact that `field` names. Raises NotFound, and InvalidRequest for one of another kind."""
    try:
        record = registry.artifact(scope, id)
    except NotFound as error:
        raise NotFound(error.message, field) from None
    if record.kind != kind:
        raise InvalidRequest(f"{field} is a {record.kind}; give a {kind}", field=field)
    return record


def mask_id(
    registry: Registry, scope: Scope, inputs: list[Input], holder: JSON, size: tuple[int, int], where: str
) -> str | None:
    """The id of the holder's mask, which has the source's size."""
    id = holder.get("mask_artifact_id")
    if id is None:
        return None
    mask = registry.artifact(scope, id)
    given = (mask.meta.get("width"), mask.meta.get("height"))
    if mask.kind != "mask" or given != size:
        raise InvalidRequest(
            f"{where}.mask_artifact_id is a {mask.kind} of {given[0]}x{given[1]}; give a mask of {size[0]}x{size[1]}, "
            "the pixels of what it is laid on",
            field=f"{where}.mask_artifact_id",
        )
    return need(inputs, mask.id, "mask")


def need(inputs: list[Input], id: str, role: str) -> str:
    """Notes an input, once for each role."""
    if Input(id, role) not in inputs:
        inputs.append(Input(id, role))
    return id


__all__ = ["SIDEWAYS", "Found", "mask_id", "need", "of_kind", "source_of"]
