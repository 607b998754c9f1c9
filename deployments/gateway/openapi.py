"""OpenAPI, made from the two tables: the operations and the routes. Every route has an example and the envelope."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from deployments.answer import Error
from deployments.answers import ANSWERS
from deployments.operation import JSON, Operation
from deployments.route import Route

REF = "#/components/schemas/{model}"
SCOPE = ({"$ref": "#/components/parameters/tenant"}, {"$ref": "#/components/parameters/env"})


def _header(name: str, description: str, example: str, pattern: str = "") -> JSON:
    schema = {"type": "string"} | ({"pattern": pattern} if pattern else {})
    return {
        "name": name,
        "in": "header",
        "required": True,
        "description": description,
        "schema": schema,
        "example": example,
    }


IF_MATCH = _header("If-Match", "The sequence's ETag; `*` for any version.", "*", r'^(\*|"[0-9]{1,15}")$')
PARAMETER = re.compile(r"\{(\w+)\}")
FREE = {
    "/healthz": "Whether this process answers",
    "/readyz": "Whether every deployment answers",
    "/metrics": "Counters for Prometheus",
}
"""What needs neither key nor scope, beside /docs and /openapi.json."""


def as_routes(operations: Iterable[Operation]) -> list[Route]:
    """Operations as rows of routes, for the document alone: their handlers are made by http.py."""

    async def none(_: Any) -> Any: ...

    rows = []
    for row in operations:
        known: JSON = {"body": row.request, "example": row.example}
        bytes_ = {"produces": "image/png"} if row.content else {"answer": ANSWERS.get(row.name)}
        rows.append(Route("POST", row.path, none, _title(row.name), **known, **bytes_))
        if row.preview:
            name = f"{row.name}_dry_run"
            rows.append(Route("POST", f"{row.path}/dry-run", none, _title(name), answer=ANSWERS.get(name), **known))
    return rows


def install_openapi(app: FastAPI, operations: Iterable[Operation], routes: Sequence[Route]) -> None:
    """Give the application its document, made once."""
    made = document(app.title, app.version, app.description, [*as_routes(operations), *routes])
    app.openapi = lambda: made  # type: ignore[method-assign]


def document(title: str, version: str, description: str, routes: Sequence[Route]) -> JSON:
    """The whole document."""
    bodies = {(row.body, "validation") for row in routes if row.body}
    answers = {(row.answer, "serialization") for row in routes if row.answer} | {(Error, "serialization")}
    models = sorted(bodies | answers, key=lambda pair: (pair[0].__name__, pair[1]))
    names, definitions = models_json_schema(models, ref_template=REF)  # type: ignore[arg-type]
    paths: dict[str, JSON] = {
        path: {"get": {"summary": summary, "security": [], "responses": {"200": {"description": "OK"}}}}
        for path, summary in FREE.items()
    }
    for row in routes:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row, names)
    envelope = {"schema": names[Error, "serialization"]}
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": description},
        "paths": paths,
        "components": {
            "schemas": definitions.get("$defs", {}),
            "responses": {
                "Error": {
                    "description": "Anything but success; docs/errors.md lists the codes.",
                    "content": {"application/json": envelope},
                }
            },
            "parameters": {
                "tenant": _header("X-Tenant-Id", "Whose artifacts.", "t_acme", r"^t_[a-z0-9][a-z0-9_-]{0,62}$"),
                "env": _header("X-Env", "`dev`, `test`, `staging`, `prod` or `local`.", "dev"),
            },
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key, where AUTH_MODE is `keys`."}
            },
        },
        "security": [{}, {"key": []}],
    }


def _operation(row: Route, names: Any) -> JSON:
    said: JSON = {
        "summary": row.summary,
        "operationId": re.sub(r"\W+", "_", f"{row.method.lower()}{row.path}").strip("_"),
        "tags": [row.path.split("/")[1]],
        "parameters": [*SCOPE, *_parameters(row)],
        "responses": {
            str(row.status): _success(row, names),
            "default": {"$ref": "#/components/responses/Error"},
        },
    }
    content: JSON = {}
    if row.body:
        example = {"example": row.example} if row.example else {}
        content["application/json"] = {"schema": names[row.body, "validation"]} | example
    if row.form:
        content["multipart/form-data"] = {"schema": row.form}
    return said | ({"requestBody": {"required": True, "content": content}} if content else {})


def _success(row: Route, names: Any) -> JSON:
    schema = names[row.answer, "serialization"] if row.answer else {}
    return {"description": "Success", "content": {row.produces: {"schema": schema}}}


def _parameters(row: Route) -> list[JSON]:
    """The path's, the query's and If-Match, each with its example."""
    found = []
    for name in PARAMETER.findall(row.path):
        example = {"example": row.params[name]} if name in row.params else {}
        found.append({"name": name, "in": "path", "required": True, "schema": {"type": "string"}, **example})
    for name, schema in row.query.items():
        kept = {key: value for key, value in schema.items() if key != "example"}
        example = {"example": schema["example"]} if "example" in schema else {}
        found.append({"name": name, "in": "query", "required": False, "schema": kept, **example})
    return [*found, IF_MATCH] if row.if_match else found


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


__all__ = ["FREE", "as_routes", "document", "install_openapi"]
