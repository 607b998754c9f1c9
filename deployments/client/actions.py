"""What the commands do, operations' and those of their own."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deployments.client import show
from deployments.client.service import JSON, Refused, Service
from deployments.client.waiting import finish, receiving, sending

if TYPE_CHECKING:
    from deployments.client.table import Row
    from deployments.operation import Operation

Option = tuple[str, dict[str, Any]]
ID = re.compile(r"([a-z]+)_[a-z2-7]{8,64}")
RECORDS: Mapping[str, str] = {
    "asset": "/media-v2/assets/{id}",
    "job": "/jobs/{id}",
    "project": "/video/projects/{id}",
    "sequence": "/video/sequences/{id}",
}
"""Prefix of an id -> where its record is; everything else is an artifact."""
SAVE: Option = ("--save", {"type": Path, "metavar": "FILE", "help": "write the bytes there"})

UPLOAD: tuple[Option, ...] = (
    ("files", {"type": Path, "nargs": "+", "metavar": "FILE"}),
    ("--tags", {"help": "words with commas between"}),
    ("--source-ref", {"help": "what you call it"}),
)
GET: tuple[Option, ...] = (("id", {"help": "of an asset, artifact, sequence, project or job"}), SAVE)
LINEAGE: tuple[Option, ...] = (
    ("id", {"help": "of an artifact"}),
    ("--direction", {"choices": ("up", "down", "both"), "help": "both, unless said"}),
    ("--mermaid", {"action": "store_true", "help": "as a mermaid graph"}),
)
JOBS: tuple[Option, ...] = (
    ("id", {"nargs": "?", "help": "of one job; the last ones without"}),
    ("--limit", {"type": int, "help": "how many are listed"}),
    ("--wait", {"action": "store_true", "help": "until it has ended"}),
    ("--leave", {"action": "store_true", "help": "wait no longer: with the last who waits, it is cancelled"}),
)


def operate(row: Row, operation: Operation, request: JSON, given: argparse.Namespace, service: Service) -> None:
    """Run an operation, its job watched where it has one, and save what it made where that is asked for."""
    if getattr(given, "dry_run", False):
        show.answer(service.post(f"{operation.path}/dry-run", request), as_json=given.json)
        return
    answer = _made(operation, request, given.command, service)
    show.answer(answer, as_json=given.json)
    if row.artifact and given.save:
        path = row.forms.get(given.save.suffix.lower(), "/media-v2/artifacts/{id}/content")
        _save(service, path.format(id=answer[row.artifact]), given.save)


def _made(operation: Operation, request: JSON, name: str, service: Service) -> JSON:
    if not operation.long:
        return service.post(operation.path, request)
    answer, begun = service.begin(operation.path, request)
    if not begun:
        return answer
    finish(service, answer, name)
    return service.post(operation.path, request) | {"cache": "miss"}  # found now, but not when it was asked for


def subject(given: str, subjects: Mapping[str, str], service: Service) -> JSON:
    """The request's field that the first argument fills: an id, a file that is uploaded, or words."""
    if "text" in subjects:
        return {subjects["text"]: given}
    match = ID.fullmatch(given)
    if match and match.group(1) in subjects:
        return {subjects[match.group(1)]: given}
    if not match and "json" in subjects:
        return {subjects["json"]: read_json(given)}
    if not match and Path(given).is_file():
        return {subjects["asset"]: send(Path(given), {}, service)["id"]}
    said = f"{given!r} is {'an id of another kind' if match else 'no file'}; give {told(subjects)}"
    raise Refused(said, {"code": "usage", "message": said})


def told(subjects: Mapping[str, str]) -> str:
    """What the first argument may be, in words."""
    words = {"text": "a text", "json": "a JSON file (- reads standard input)", "asset": "asset_…, or a file to upload"}
    return " or ".join(words.get(name, f"{name}_…") for name in subjects)


def read_json(name: str) -> Any:
    """A JSON file's value, standard input's for `-`; Refused where there is none."""
    import sys

    try:
        return json.loads(sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8"))
    except OSError as error:
        said = f"{name} cannot be read: {error.strerror}"
    except ValueError as error:
        said = f"{name} is not JSON: {error}"
    raise Refused(said, {"code": "usage", "message": said})


def send(path: Path, fields: Mapping[str, str], service: Service) -> JSON:
    """The asset made of a local file."""
    try:
        with sending(path) as file:
            return service.upload(path, fields, file)
    except OSError as error:
        said = f"{path} cannot be read: {error.strerror}"
        raise Refused(said, {"code": "usage", "message": said}) from None


def upload(given: argparse.Namespace, service: Service) -> None:
    fields = {"tags": given.tags, "source_ref": given.source_ref}
    for path in given.files:
        asset = send(path, {name: value for name, value in fields.items() if value}, service)
        show.answer(asset, as_json=given.json)


def get(given: argparse.Namespace, service: Service) -> None:
    path = RECORDS.get(given.id.partition("_")[0], "/media-v2/artifacts/{id}")
    show.answer(_flat(service.get(path.format(id=_id(given.id)))), as_json=given.json)
    if given.save:
        _save(service, f"/media-v2/artifacts/{given.id}/content", given.save)


def lineage(given: argparse.Namespace, service: Service) -> None:
    path = f"/media-v2/artifacts/{_id(given.id)}/lineage"
    if given.mermaid:
        print(service.text(path, direction=given.direction, format="mermaid"))
    else:
        show.answer(service.get(path, direction=given.direction), as_json=given.json)


def jobs(given: argparse.Namespace, service: Service) -> None:
    if given.id is None:
        show.answer(service.get("/jobs", limit=given.limit), as_json=given.json)
        return
    path = f"/jobs/{_id(given.id)}"
    if given.leave:
        show.answer(service.delete(path), as_json=given.json)
        return
    if given.wait:
        finish(service, service.get(path), given.id)
    show.answer(service.get(path), as_json=given.json)


def _id(text: str) -> str:
    """An id, checked before it becomes part of a path."""
    if ID.fullmatch(text):
        return text
    said = f"{text!r} is no id"
    raise Refused(said, {"code": "usage", "message": said})


def _flat(body: JSON) -> JSON:
    """An asset's answer with the asset's own fields beside its artifacts."""
    asset = body.get("asset")
    return {**asset, "artifacts": body["artifacts"]} if isinstance(asset, dict) else body


def _save(service: Service, path: str, target: Path) -> None:
    with receiving(target) as progress:
        service.save(path, target, progress)


__all__ = [
    "GET",
    "JOBS",
    "LINEAGE",
    "UPLOAD",
    "Option",
    "get",
    "jobs",
    "lineage",
    "operate",
    "subject",
    "told",
    "upload",
]
