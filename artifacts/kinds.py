"""The kinds of artifact: one table. To add one, add a row; docs/artifacts.md lists them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from artifacts.errors import InvalidMeta

Fields = Mapping[str, type | tuple[type, ...]]
NUMBER = (int, float)
JSON_TYPES: Mapping[type, str] = {int: "integer", str: "string", bool: "boolean", list: "array", dict: "object"}
_JSON = ("application/json",)
_PICTURES = ("image/png", "image/jpeg", "image/webp", "image/tiff", "image/avif")

_VIDEOS = ("video/mp4", "video/quicktime", "video/webm")


@dataclass(frozen=True, slots=True)
class Kind:
    """What an artifact of this kind is called, and what its meta must say."""

    prefix: str
    """Of its ids."""
    media_types: tuple[str, ...]
    meta: Fields = field(default_factory=dict)
    """Required fields and their types."""
    folder: str = ""
    """Under the parent's folder; the kind's own name unless said otherwise."""


_COMPUTED: dict[str, Any] = {
    "backend": str,
    "backend_version": str,
    "model_used": str,
    "cache_key": str,
    "duration_ms": int,
}
_SAMPLED: dict[str, Any] = _COMPUTED | {"frame_sample_interval_ms": int}
_DRAWN: dict[str, Any] = {"width": int, "height": int, "layout_hash": str}
_FILE: dict[str, Any] = {"preset_id": str, "format": str, "color_profile": str}
_FONT: dict[str, Any] = {"font": str, "font_sha256": str}

KINDS: Mapping[str, Kind] = {
    "mask": Kind("mask", ("image/png",), {"width": int, "height": int, "feather": NUMBER, "selection_hash": str}),
    "image_composition": Kind(
        "composition", _JSON, {"width": int, "height": int, "layers_count": int, "composition_hash": str}
    ),
    "image_template": Kind("template", _JSON, {"width": int, "height": int, "layers_count": int, "slots": list}),
    "image_render": Kind(
        "image",
        _PICTURES,
        _FILE | {"width": int, "height": int, "layers_count": int, "pipeline_hash": str, "dpi": NUMBER},
    ),
    "vector_scene": Kind("scene", (*_JSON, "image/svg+xml"), _DRAWN),
    "vector_render": Kind("vector", _PICTURES, _DRAWN | _FILE),
    "text_render": Kind("text", _PICTURES, _DRAWN | _FONT | _FILE),
    "video_region_summary": Kind("regions", _JSON, _SAMPLED | {"include_regions": list}),
    "visual_meta": Kind("visual", _JSON, _SAMPLED),
    "asr_transcript": Kind("transcript", _JSON, _COMPUTED | {"language": str}),
    "anonymise_report": Kind(
        "report",
        _JSON,
        {"summary_ids": list, "backend_version": str, "frames": int, "faces": int, "residual_faces": int, "grade": str},
    ),
    "render": Kind(
        "render",
        _VIDEOS,
        {
            "profile": str,
            "duration_ms": int,
            "width": int,
            "height": int,
            "fps": NUMBER,
            "plan_hash": str,
            "encoder": str,
            "dependencies": list,
        },
    ),
    "face_tracks": Kind("tracks", _JSON, {"width": int, "height": int, "tracks_count": int}),
    "render_segment": Kind(
        "segment", _VIDEOS, {"plan_hash": str, "index": int, "duration_ms": int, "shows_faces": bool}
    ),
    "thumbnail": Kind("thumbnail", _PICTURES, {"width": int, "height": int, "shows_faces": bool}),
    "contact_sheet": Kind("sheet", _PICTURES, {"width": int, "height": int, "count": int, "shows_faces": bool}),
}


def kind_of(name: str) -> Kind:
    """The row, or InvalidMeta with the list."""
    if name not in KINDS:
        raise InvalidMeta(f"unknown kind {name!r}; the kinds are {', '.join(KINDS)}", "kind")
    return KINDS[name]


def type_name(expected: type | tuple[type, ...]) -> str:
    """A required field's type as JSON calls it."""
    return "number" if expected == NUMBER else JSON_TYPES[expected]  # type: ignore[index]


def check_meta(name: str, media_type: str, meta: Mapping[str, Any]) -> None:
    """InvalidMeta naming the field, when the kind's required meta is absent or of another type."""
    kind = kind_of(name)
    if media_type not in kind.media_types:
        raise InvalidMeta(f"{name} cannot be {media_type}; it is one of {', '.join(kind.media_types)}", "media_type")
    for key, expected in kind.meta.items():
        if key not in meta:
            raise InvalidMeta(f"meta.{key} is missing: {name} requires it", f"meta.{key}")
        value = meta[key]
        if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
            raise InvalidMeta(f"meta.{key} must be of type {type_name(expected)}: {name} requires it", f"meta.{key}")
    if name == "mask" and not ({"selection", "source"} & meta.keys()):
        raise InvalidMeta("meta.selection or meta.source is missing: mask requires one of them", "meta.selection")


__all__ = ["KINDS", "Kind", "check_meta", "kind_of", "type_name"]
