"""The client's commands, a row each. Light: the table of operations is read by the one command that is run.

To add a command for an operation: a row in ROWS. Its options are the fields of the operation's request.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from deployments.client import actions
from deployments.client.service import Service

CAPTIONS = "/video/captions/{id}"


@dataclass(frozen=True, slots=True)
class Row:
    """A command: an operation's, or one of its own."""

    summary: str
    operation: str = ""
    """A row of deployments/operations.py."""
    subjects: Mapping[str, str] = field(default_factory=dict)
    """What the first argument may be -> the request's field. A prefix of ids (`asset`: a file is uploaded for it),
    `json` (a JSON file), or `text`."""
    artifact: str = ""
    """The answer's field whose artifact `--save` writes."""
    forms: Mapping[str, str] = field(default_factory=dict)
    """What else `--save` can write, by the file's ending -> path."""
    run: Callable[[argparse.Namespace, Service], None] | None = None
    options: tuple[actions.Option, ...] = ()


CLIP = {"asset": "asset_id"}
SEQUENCE = {"sequence": "sequence_id", "project": "project_id", "json": "sequence"}
ROWS: Mapping[str, Row] = {
    "upload": Row("upload pictures, videos or sounds", run=actions.upload, options=actions.UPLOAD),
    "compose": Row("compose a picture from layers", "image_render", {"json": "composition"}, "artifact_id"),
    "mask": Row("draw a mask from a selection", "image_masks", {"json": "selection"}, "artifact_id"),
    "video-mask": Row("make a mask of a video's size", "video_masks", CLIP, "artifact_id"),
    "text": Row("draw a text", "typography_render", {"text": "text"}, "artifact_id"),
    "regions": Row("find faces", "video_regions", CLIP, "summary_artifact_id"),
    "visual-meta": Row("find shots and subjects", "video_visual_meta", CLIP, "visual_meta_artifact_id"),
    "captions": Row(
        "write captions",
        "video_captions",
        CLIP,
        "artifact_id",
        {".srt": f"{CAPTIONS}/srt", ".vtt": f"{CAPTIONS}/vtt"},
    ),
    "anonymise": Row("hide faces", "video_anonymise", CLIP | {"sequence": "sequence_id"}),
    "render": Row("render a sequence", "video_render", SEQUENCE, "artifact_id"),
    "get": Row("show what an id names, or save its bytes", run=actions.get, options=actions.GET),
    "lineage": Row("show what it was made from and what from it", run=actions.lineage, options=actions.LINEAGE),
    "jobs": Row("show long work; wait for it or leave it", run=actions.jobs, options=actions.JOBS),
}

__all__ = ["ROWS", "Row"]
