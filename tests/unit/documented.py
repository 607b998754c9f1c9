"""Runs the examples of openapi.json: ids that end in _aaaaaaaa stand for what an earlier request made first of that
kind, those in _bbbbbbbb for the second. What is deleted is made for that alone."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
from starlette.testclient import TestClient

from artifacts import Registry, Store
from configs.models import fetch_default
from configs.settings import Settings
from deployments.gateway.http import build_http
from deployments.replicas.local import local_runner

JSON = dict[str, Any]
ACME = {"X-Tenant-Id": "t_acme", "X-Env": "dev"}
PLACEHOLDER = re.compile(r"\b([a-z]+)_(a{8}|b{8})\b")
MADE = re.compile(r"\b([a-z]+)_[a-z2-7]{16,64}\b")
FIRST = (
    "post /media-v2/assets$",
    "post /image/masks$",
    "post /image/render$",
    "post /video/sequences$",
    "post /video/sequences/",
    "post /video/(visual-meta/analyze|regions|masks|captions/generate)$",
    "post /video/projects$",
    "post ",
)
"""Requests that make what others name come first; among equals the document's order holds."""
PICTURE = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0:~\x9bU"
    b"\0\0\0\nIDATx\x9cc`\0\0\0\x02\0\x01H\xaf\xa4q\0\0\0\0IEND\xaeB`\x82"
)
"""One black pixel."""


@dataclass(frozen=True)
class Row:
    """One operation of the document."""

    method: str
    path: str
    said: JSON

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def content(self) -> JSON:
        found: JSON = self.said.get("requestBody", {}).get("content", {})
        return found

    @property
    def body(self) -> JSON | None:
        """The example of a JSON body."""
        found: JSON | None = self.content.get("application/json", {}).get("example")
        return found

    @property
    def scoped(self) -> bool:
        return self.said.get("security") != []

    def parameters(self, place: str) -> dict[str, Any]:
        """The examples of the path's or the query's parameters."""
        rows = [row for row in self.said.get("parameters", []) if row.get("in") == place]
        return {row["name"]: row.get("example") for row in rows}

    @property
    def needed(self) -> JSON:
        """The headers that it cannot do without, the scope's left out: those are the caller's."""
        rows = [row for row in self.said.get("parameters", []) if row["in"] == "header" and row["required"]]
        return {row["name"]: row["example"] for row in rows if row["name"] not in ACME}


@dataclass
class Documented:
    """The application, its document, and the answer of each example."""

    home: Path
    models: str
    clip: Path
    answers: dict[str, httpx.Response] = field(default_factory=dict)
    ids: dict[str, list[str]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        settings = Settings(mattebox_home=self.home, models_path=self.models, video_captions_model="base")
        fetch_default(settings)
        registry = self.registry = Registry(Store("memory://"))
        self.app = build_http(local_runner(settings, registry), registry, settings)
        self.http = TestClient(self.app, raise_server_exceptions=False).__enter__()
        self.document: JSON = self.http.get("/openapi.json").json()
        rows = [Row(m, path, said) for path, ways in self.document["paths"].items() for m, said in ways.items()]
        self.rows = sorted(rows, key=lambda row: next((n for n, p in enumerate(FIRST) if re.match(p, row.name)), 99))
        for row in self.rows:
            other = {"id": self._spare(row.path)} if row.method == "delete" else {}
            answer = self.answers[row.name] = self.run(row, **other)
            if row.method == "post" or row.name == "get /jobs":
                self._learn(answer)
        return self

    def __exit__(self, *_: object) -> None:
        self.http.__exit__()

    def run(self, row: Row, headers: JSON = ACME, **other: Any) -> httpx.Response:
        """The documented example, with real ids; `other` replaces its path parameters or its `body`."""
        path, query = self.filled(row, other)
        sent: JSON = {"params": query, "headers": row.needed | headers}
        if "multipart/form-data" in row.content and "body" not in other:
            fields = row.content["multipart/form-data"]["schema"]["properties"]
            sent["files"] = {"file": (self.clip.name, self.clip.read_bytes())}
            sent["data"] = {name: known["example"] for name, known in fields.items() if "example" in known}
        elif row.content:
            sent["json"] = other.get("body", self.real(row.body))
        return self.http.request(row.method.upper(), path, **sent)

    def filled(self, row: Row, other: JSON) -> tuple[str, JSON]:
        values = {name: other.get(name, self.real(value)) for name, value in row.parameters("path").items()}
        query = {name: value for name, value in row.parameters("query").items() if value is not None}
        return row.path.format(**values), query

    def real(self, value: Any) -> Any:
        """The value with each placeholder replaced by the id of what was made first or second of that kind."""

        def known(match: re.Match[str]) -> str:
            made, number = self.ids.get(match.group(1), []), "ab".index(match.group(2)[0])
            return made[number] if number < len(made) else match.group(0)

        return json.loads(PLACEHOLDER.sub(known, json.dumps(value)))

    def _learn(self, answer: httpx.Response) -> None:
        if answer.headers.get("content-type", "").startswith("application/json"):
            for match in MADE.finditer(answer.text):
                made = self.ids.setdefault(match.group(1), [])
                if match.group(0) not in made:
                    made.append(match.group(0))

    def _spare(self, path: str) -> str:
        """Something that nothing else needs, for the route that deletes it."""
        if path.startswith("/video/clips/"):
            body = {"tracks": [{"kind": "video", "clips": [{"asset_id": self.ids["asset"][0]}]}]}
            made = self.http.post("/video/sequences", headers=ACME, json=body).json()
            return str(made["tracks"][0]["clips"][0]["id"])
        if path.startswith("/jobs/"):
            return self.ids["job"][0]
        if path.startswith("/media-v2/artifacts/"):
            body = {"width": 8, "height": 8, "selection": {"type": "ellipse", "x": 1, "y": 1, "width": 5, "height": 5}}
            return str(self.http.post("/image/masks", headers=ACME, json=body).json()["artifact_id"])
        return str(self.http.post("/media-v2/assets", headers=ACME, files={"file": ("p.png", PICTURE)}).json()["id"])
