"""`python -m docs.check`: what the docs say must exist. Links, paths, commands and routes."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from docs.generate import stale

UNSCOPED = ("/healthz", "/readyz", "/metrics", "/docs", "/openapi.json")
ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)[^)]*\)")
PATH = re.compile(r"`((?:artifacts|configs|deployments|kernels|demo|docs|tests)/[\w./-]+)`")
TARGET = re.compile(r"^(?:    )?make ([a-z]+)", re.MULTILINE)
ROUTE = re.compile(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`?]*)`")


def pages() -> list[Path]:
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def problems() -> list[str]:
    """One line for each thing that the docs name and the repository lacks."""
    found = []
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    served = _routes()
    for page in pages():
        text = page.read_text()
        name = page.relative_to(ROOT)
        links = [link for link in LINK.findall(text) if "://" not in link]
        routes = [(method, _shape(path)) for method, path in ROUTE.findall(text)]
        said = [f"the link {link} leads nowhere" for link in links if not (page.parent / link).exists()]
        said += [f"{path} does not exist" for path in PATH.findall(text) if not (ROOT / path).exists()]
        said += [f"make {target} is no target" for target in TARGET.findall(text) if target not in targets]
        said += [f"{method} {path} is not served" for method, path in routes if (method, path) not in served]
        found += [f"{name}: {line}" for line in said]
    return found + [f"{path} is stale: run `python -m docs.generate`" for path in stale()]


def _routes() -> set[tuple[str, str]]:
    from deployments.gateway.http import ROUTES
    from deployments.operations import OPERATIONS

    rows = {(route.method, route.path) for route in ROUTES} | {("GET", path) for path in UNSCOPED}
    rows |= {("POST", row.path) for row in OPERATIONS.values()}
    rows |= {("POST", f"{row.path}/dry-run") for row in OPERATIONS.values() if row.preview}
    return {(method, _shape(path)) for method, path in rows}


def _shape(path: str) -> str:
    """The path without its parameters' names."""
    return re.sub(r"\{\w+\}", "{}", path)


if __name__ == "__main__":
    lines = problems()
    print("\n".join(lines) or f"{len(pages())} pages agree with the repository")
    sys.exit(bool(lines))
