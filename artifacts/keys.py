"""The one place where keys of the object store are built."""

from __future__ import annotations

import re

from artifacts.canonical import is_id
from artifacts.errors import NotFound, PrefixViolation
from artifacts.scope import Scope

NO_PARENT = "_"
_FORBIDDEN = re.compile(r"\.\.|//|%|\\|[\x00-\x1f\x7f]")
_EXTENSION = re.compile(r"[a-z0-9]{1,8}")
_DOCUMENT_TYPE = re.compile(r"[a-z]{1,32}")

EXTENSIONS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/tiff": "tif",
    "image/avif": "avif",
    "image/bmp": "bmp",
    "image/svg+xml": "svg",
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "video/x-matroska": "mkv",
    "audio/wav": "wav",
    "audio/flac": "flac",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/mp4": "m4a",
    "audio/aac": "aac",
    "application/json": "json",
}
"""Media type -> file extension of what the registry keeps."""


def _id(text: str) -> str:
    """A malformed id is as absent as an unknown one (spec §2)."""
    if not is_id(text):
        raise NotFound
    return text


def extension(media_type: str) -> str:
    return EXTENSIONS.get(media_type, "bin")


SOURCE = "source."
"""What the name of an upload's bytes begins with."""


def source(scope: Scope, asset_id: str, ext: str) -> str:
    if not _EXTENSION.fullmatch(ext):
        raise PrefixViolation(f"{ext!r} is no file extension")
    return f"{scope.prefix}media_v2/{_id(asset_id)}/{SOURCE}{ext}"


def content(scope: Scope, parent_asset_id: str | None, kind: str, artifact_id: str, ext: str, *, folder: str) -> str:
    """Where an artifact's bytes lie. `folder` is the kind's own, `regions` for the masks of regions."""
    parent = _id(parent_asset_id) if parent_asset_id else NO_PARENT
    return f"{scope.prefix}media_v2/{parent}/{folder or kind}/{_id(artifact_id)}.{ext}"


def asset(scope: Scope, asset_id: str) -> str:
    return f"{scope.prefix}assets/{_id(asset_id)}.json"


def assets(scope: Scope) -> str:
    return f"{scope.prefix}assets/"


def records(scope: Scope) -> str:
    return f"{scope.prefix}records/"


def record(scope: Scope, artifact_id: str) -> str:
    return f"{scope.prefix}records/{_id(artifact_id)}.json"


def tombstone(scope: Scope, id: str) -> str:
    return f"{scope.prefix}tombstones/{_id(id)}"


def link(scope: Scope, input_id: str, artifact_id: str) -> str:
    return f"{links(scope, input_id)}{_id(artifact_id)}"


def links(scope: Scope, input_id: str) -> str:
    return f"{scope.prefix}links/{_id(input_id)}/"


def folder(scope: Scope, asset_id: str) -> str:
    """An asset's own folder, with its final slash: its bytes and those of what was made from it."""
    return f"{scope.prefix}media_v2/{_id(asset_id)}/"


def trash(scope: Scope, key: str) -> str:
    """Where gc keeps the bytes of `key` before it deletes them."""
    return f"{scope.prefix}trash/{check(scope, key).removeprefix(scope.prefix)}"


def from_trash(scope: Scope, key: str) -> str:
    return scope.prefix + check(scope, key).removeprefix(f"{scope.prefix}trash/")


def document(scope: Scope, type: str, id: str) -> str:
    return f"{documents(scope, type)}{_id(id)}"


def documents(scope: Scope, type: str) -> str:
    """The prefix of a scope's documents of one type."""
    if not _DOCUMENT_TYPE.fullmatch(type):
        raise PrefixViolation(f"{type!r} is no document type")
    return f"{scope.prefix}documents/{type}/"


def incoming(scope: Scope, upload: str) -> str:
    return f"{scope.prefix}incoming/{_id(upload)}"


OPEN_JOBS = "system/jobs/"
"""The one prefix outside tenants: whoever takes up the jobs of a dead process has to find them."""


def open_job(job_id: str) -> str:
    return f"{OPEN_JOBS}{_id(job_id)}"


def check(scope: Scope, key: str) -> str:
    """`key` itself, when it is well-formed and inside the scope; else PrefixViolation."""
    if not key.startswith(scope.prefix) or _FORBIDDEN.search(key):
        raise PrefixViolation("the key lies outside the caller's own prefix")
    return key


def uri(key: str) -> str:
    return f"store://{key}"


def from_uri(scope: Scope, text: str) -> str:
    return check(scope, text.removeprefix("store://"))


__all__ = [
    "OPEN_JOBS",
    "SOURCE",
    "asset",
    "assets",
    "check",
    "content",
    "document",
    "documents",
    "extension",
    "folder",
    "from_trash",
    "from_uri",
    "incoming",
    "link",
    "links",
    "open_job",
    "record",
    "records",
    "source",
    "tombstone",
    "trash",
    "uri",
]
