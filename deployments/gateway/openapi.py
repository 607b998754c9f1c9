"""OpenAPI, made from the two tables: the operations and the routes. Every route has an example and the envelope."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from deployments.answer import Error
from deployments.answers import ANSWERS
from deployments.errors import CODES
from deployments.gateway.headers import HEADERS, SCOPE
from deployments.jobs.routes import Job
from deployments.operation import JSON, Operation
from deployments.route import Route

REF = "#/components/schemas/{model}"
PARAMETER = re.compile(r"\{(\w+)\}")
FREE = {
    "/healthz": "Whether this process answers",
    "/readyz": "Whether every deployment answers",
    "/metrics": "Counters for Prometheus",
}
"""What needs neither key nor scope, beside /docs and /openapi.json."""
ALWAYS = (400, 401, 403, 429, 500)
"""Statuses of refusals that every route of a scope has: its scope, its key, admission, a fault of ours."""
WORK = (404, 409, 415, 422, 503)
"""Those of an operation: what it names, what that is, what the work finds, who does it."""


def as_routes(operations: Iterable[Operation]) -> list[Route]:
    """Operations as rows of routes, for the document alone: their handlers are made by http.py."""

    async def none(_: Any) -> Any: ...

    rows = []
    for row in operations:
        known: JSON = {"body": row.request, "example": row.example}
        bytes_ = {"produces": "image/png"} if row.content else {"answer": ANSWERS.get(row.name)}
        later: JSON = {"later": Job, "headers": ("Prefer",)} if row.long else {}
        rows.append(Route("POST", row.path, none, _title(row.name), refuses=WORK, **known, **bytes_, **later))
        if row.preview:
            name = f"{row.name}_dry_run"
            shown: JSON = {"answer": ANSWERS.get(name), "refuses": WORK}
            rows.append(Route("POST", f"{row.path}/dry-run", none, _title(name), **shown, **known))
    return rows


def install_openapi(app: FastAPI, operations: Iterable[Operation], routes: Sequence[Route]) -> None:
    """Give the application its document, made once."""
    made = document(app.title, app.version, app.description, [*as_routes(operations), *routes])
    app.openapi = lambda: made  # type: ignore[method-assign]


def document(title: str, version: str, description: str, routes: Sequence[Route]) -> JSON:
    """The whole document."""
    bodies = {(row.body, "validation") for row in routes if row.body}
    told = {shape for row in routes for shape in (row.answer, row.later) if shape}
    answers = {(shape, "serialization") for shape in told | {Error}}
    models = sorted(bodies | answers, key=lambda pair: (pair[0].__name__, pair[1]))
    names, definitions = models_json_schema(models, ref_template=REF)  # type: ignore[arg-type]
    paths: dict[str, JSON] = {
        path: {"get": {"summary": summary, "security": [], "responses": {"200": {"description": "OK"}}}}
        for path, summary in FREE.items()
    }
    paths["/readyz"]["get"]["responses"]["503"] = {"$ref": "#/components/responses/Error503"}
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
                },
                **{f"Error{status}": _refusal(status, envelope) for status in sorted(_codes())},
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
        "parameters": [*(HEADERS[name] for name in SCOPE), *_parameters(row)],
        "responses": {
            str(row.status): _success(row, names),
            **_beside(row, names),
            **{str(status): {"$ref": f"#/components/responses/Error{status}"} for status in _refusals(row)},
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
    etag = (
        {"headers": {"ETag": {"schema": {"type": "string"}}}} if row.if_match or "If-None-Match" in row.headers else {}
    )
    return {"description": "Success", **etag, "content": {row.produces: {"schema": schema}}}


def _beside(row: Route, names: Any) -> JSON:
    """What is no refusal either: a job instead of an answer, a part, nothing new, an address."""
    found: JSON = {}
    if row.later:
        schema = names[row.later, "serialization"]
        where = {"description": "`/jobs/{id}`", "schema": {"type": "string"}}
        found["202"] = {
            "description": "The job that does it; `Prefer: respond-async` was honoured.",
            "headers": {"Location": where, "Preference-Applied": {"schema": {"type": "string"}}},
            "content": {"application/json": {"schema": schema}},
        }
    if "Range" in row.headers:
        found["206"] = {"description": "A range of the bytes.", "content": {row.produces: {}}}
    if "redirect" in row.query:
        found["307"] = {"description": "A signed address.", "headers": {"Location": {"schema": {"type": "string"}}}}
    if "If-None-Match" in row.headers:
        found["304"] = {"description": "The ETag that was sent still holds."}
    return found


def _refusals(row: Route) -> list[int]:
    """The statuses of the route's refusals, from what it takes."""
    found = {*ALWAYS, *row.refuses}
    found |= {404} if row.params or row.body else set()
    found |= {413} if row.body or row.form else set()
    found |= {415, 422, 503} if row.form else set()
    found |= {412} if row.if_match or row.path.startswith("/video/sequences/") else set()
    found |= {428} if row.if_match else set()
    found |= {416} if "Range" in row.headers else set()
    return sorted(found)


def _codes() -> dict[int, list[str]]:
    """Status -> its codes, each with its meaning."""
    found: dict[int, list[str]] = {}
    for code, kind in CODES.items():
        found.setdefault(kind.status, []).append(f"`{code}`: {(kind.__doc__ or '').partition(chr(10))[0]}")
    return found


def _refusal(status: int, envelope: JSON) -> JSON:
    return {"description": " ".join(sorted(_codes()[status])), "content": {"application/json": envelope}}


def _parameters(row: Route) -> list[JSON]:
    """The path's, the query's and the headers beside the scope's, each with its example."""
    found = []
    for name in PARAMETER.findall(row.path):
        example = {"example": row.params[name]} if name in row.params else {}
        found.append({"name": name, "in": "path", "required": True, "schema": {"type": "string"}, **example})
    for name, schema in row.query.items():
        kept = {key: value for key, value in schema.items() if key != "example"}
        example = {"example": schema["example"]} if "example" in schema else {}
        found.append({"name": name, "in": "query", "required": False, "schema": kept, **example})
    named = ("If-Match",) * row.if_match + row.headers
    return [*found, *(HEADERS[name] for name in named)]


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


__all__ = ["FREE", "as_routes", "document", "install_openapi"]
