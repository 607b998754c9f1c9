"""Runs the examples of openapi.json: ids that end in _aaaaaaaa stand for what an earlier request made."""

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
PLACEHOLDER = re.compile(r"\b([a-z]+)_aaaaaaaa\b")
MADE = re.compile(r"\b([a-z]+)_[a-z2-7]{16,64}\b")
FIRST = ("post /media-v2/assets", "post /image/masks", "post /image/render", "post /video/sequences", "post /video")
"""Requests that make what others name come first; among equals the document's order holds."""


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


@dataclass
class Documented:
    """The application, its document, and the answer of each example."""

    home: Path
    models: str
    clip: Path
    answers: dict[str, httpx.Response] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> Self:
        settings = Settings(mattebox_home=self.home, models_path=self.models, video_captions_model="base")
        fetch_default(settings)
        registry = Registry(Store("memory://"))
        self.app = build_http(local_runner(settings, registry), registry, settings)
        self.http = TestClient(self.app, raise_server_exceptions=False).__enter__()
        self.document: JSON = self.http.get("/openapi.json").json()
        rows = [Row(m, path, said) for path, ways in self.document["paths"].items() for m, said in ways.items()]
        self.rows = sorted(rows, key=lambda row: next((n for n, p in enumerate(FIRST) if row.name.startswith(p)), 99))
        for row in self.rows:
            answer = self.answers[row.name] = self.run(row)
            self._learn(answer)
        return self

    def __exit__(self, *_: object) -> None:
        self.http.__exit__()

    def run(self, row: Row, headers: JSON = ACME, **other: Any) -> httpx.Response:
        """The documented example, with real ids; `other` replaces its path parameters or its `body`."""
        path, query = self.filled(row, other)
        sent: JSON = {"params": query, "headers": headers}
        if "multipart/form-data" in row.content:
            sent["files"] = {"file": (self.clip.name, self.clip.read_bytes())}
        elif row.content:
            sent["json"] = other.get("body", self.real(row.body))
        return self.http.request(row.method.upper(), path, **sent)

    def filled(self, row: Row, other: JSON) -> tuple[str, JSON]:
        values = {name: other.get(name, self.real(value)) for name, value in row.parameters("path").items()}
        return row.path.format(**values), row.parameters("query")

    def real(self, value: Any) -> Any:
        """The value with each placeholder replaced by the id of what was made first of that kind."""
        text = PLACEHOLDER.sub(lambda match: self.ids.get(match.group(1), match.group(0)), json.dumps(value))
        return json.loads(text)

    def _learn(self, answer: httpx.Response) -> None:
        if answer.headers.get("content-type", "").startswith("application/json"):
            for match in MADE.finditer(answer.text):
                self.ids.setdefault(match.group(1), match.group(0))
