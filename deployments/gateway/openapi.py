"""OpenAPI: the operations' request models, since the endpoints read their bodies themselves."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from deployments.operation import JSON, Operation

UNSCOPED = ("/healthz", "/readyz", "/metrics")
REF = "#/components/schemas/{model}"


def body_schema(operation: Operation) -> JSON:
    """The media-type object of a request body."""
    schema: JSON = {"schema": {"$ref": REF.format(model=operation.request.__name__)}}
    return schema | ({"example": operation.example} if operation.example else {})


def install_openapi(app: FastAPI, operations: Iterable[Operation]) -> None:
    """Give the application a document that holds the models, the scope's headers and the error envelope."""
    models = {operation.request for operation in operations}

    def document() -> JSON:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            _, definitions = models_json_schema(
                [(model, "validation") for model in sorted(models, key=lambda model: model.__name__)],
                ref_template=REF,
            )
            components = schema.setdefault("components", {})
            components.setdefault("schemas", {}).update(definitions.get("$defs", {}))
            components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
            components["parameters"] = {
                "tenant": _header("X-Tenant-Id", "Whose artifacts: `t_…`", "t_acme"),
                "env": _header("X-Env", "dev, test, staging, prod or local", "dev"),
            }
            scoped = [{"$ref": "#/components/parameters/tenant"}, {"$ref": "#/components/parameters/env"}]
            for path, methods in schema["paths"].items():
                if path in UNSCOPED:
                    continue
                for operation in methods.values():
                    operation["parameters"] = [*operation.get("parameters", []), *scoped]
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _header(name: str, description: str, example: str) -> JSON:
    return {
        "name": name,
        "in": "header",
        "required": True,
        "description": description,
        "schema": {"type": "string", "example": example},
    }


__all__ = ["body_schema", "install_openapi"]
