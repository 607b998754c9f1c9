"""/docs without the net: Swagger UI's own files come from the package fastapi-swagger."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import resources

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse, Response

FILES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css", "favicon-32x32.png": "image/png"}


def install_docs(app: FastAPI) -> None:
    """GET /docs and the files that it loads."""
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=f"{app.title}: the routes",
        swagger_js_url="/docs/swagger-ui-bundle.js",
        swagger_css_url="/docs/swagger-ui.css",
        swagger_favicon_url="/docs/favicon-32x32.png",
    )

    async def docs() -> HTMLResponse:
        return page

    app.add_api_route("/docs", docs, methods=["GET"], include_in_schema=False)
    for name, media_type in FILES.items():
        app.add_api_route(f"/docs/{name}", _file(name, media_type), methods=["GET"], include_in_schema=False)


def _file(name: str, media_type: str) -> Callable[[], Awaitable[Response]]:
    data = resources.files("fastapi_swagger.resources").joinpath(name).read_bytes()

    async def file() -> Response:
        return Response(data, media_type=media_type, headers={"Cache-Control": "public, max-age=86400"})

    return file


__all__ = ["install_docs"]
