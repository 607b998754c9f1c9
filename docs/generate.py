"""`python -m docs.generate`: the pages that are made from tables. `make check` fails when one is stale."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

ROOT = Path(__file__).resolve().parent.parent
NOTE = "<!-- Made by `python -m docs.generate`; change the table in the code instead. -->"
BENCHED = re.compile(r"<!-- bench (\w+) -->\n(.*?)<!-- end -->", re.DOTALL)
"""A topic and its table."""
GOAL = re.compile(r"^\| ([^|]*) \| ([^|]*) \| ([^|]*): (met|missed) \|", re.MULTILINE)
"""Of a row with a goal: what was measured, the figure, the goal and whether it was met."""


def errors() -> str:
    """docs/errors.md, from deployments/errors.py."""
    from deployments.errors import CODES, AppError

    rows = sorted((row for row in CODES.values() if row is not AppError), key=lambda row: (row.status, row.code))
    head = """# Errors

Every answer other than success is `{"error": {"code", "message", "http_status", "request_id", "details"}}`. The message
says what is wrong and what to do; `details.field` is the JSON path of a bad field. Over a Serve handle the same dict is
the argument of a `RuntimeError`: `(getattr(e, "cause", None) or e).args[0]`."""
    lines = [f"| {row.status} | `{row.code}` | {_sentence(row)} | {_headers(row)} |" for row in rows]
    return _page(head, ("status", "code", "meaning", "headers"), lines)


def settings() -> str:
    """docs/settings.md, from configs/settings.py."""
    from configs.settings import Settings

    head = """# Settings

Each is an environment variable, or a key of `args` in serve_config.yaml in small letters. The environment wins over
`args`, `args` over the default. They are read once, when the application is built."""
    fields = Settings.model_fields.items()
    lines = [
        f"| `{name.upper()}` | {_default(name, field.default)} | {_values(field)} | {field.description} |"
        for name, field in fields
    ]
    return _page(head, ("variable", "default", "values", "meaning"), lines)


def performance() -> str:
    """docs/performance.md, from the tables that the bench wrote into docs/performance/*.md."""
    head = """# Performance

What each page holds, and what of its goals was met when its tables were last measured. `make bench` runs every topic,
`python -m tests.bench TOPIC…` some of them; `--docs` writes their tables into the pages, each with its date, its
machine and how busy that machine was before. A figure beside a peer's was taken in the same run, by turns. The text
around the tables is written by hand and says how a figure was seen; where it says "beside other work", absolute times
are good to a factor of two, and ratios are what counts."""
    lines = [line for page in sorted((ROOT / "docs" / "performance").glob("*.md")) for line in _goals(page)]
    return _page(head, ("page", "topic", "measured", "goals met", "missed: figure (goal)"), lines)


def _goals(page: Path) -> list[str]:
    """A line for each of the page's tables."""
    text = page.read_text()
    link = f"[{text.splitlines()[0].lstrip('# ')}](performance/{page.name})"
    lines = []
    for topic, table in BENCHED.findall(text):
        goals = GOAL.findall(table)
        missed = [f"{what} {figure} ({bound})" for what, figure, bound, end in goals if end == "missed"]
        when = f"{len(goals) - len(missed)} of {len(goals)}" if goals else ""
        lines.append(f"| {link} | `{topic}` | {table.split(',')[0].strip()} | {when} | {'; '.join(missed)} |")
    return lines


PAGES: Mapping[str, Callable[[], str]] = {
    "docs/errors.md": errors,
    "docs/settings.md": settings,
    "docs/performance.md": performance,
}


def stale() -> list[str]:
    """The pages that differ from what the tables give."""
    return [path for path, make in PAGES.items() if not (ROOT / path).exists() or (ROOT / path).read_text() != make()]


def _page(head: str, columns: tuple[str, ...], lines: list[str]) -> str:
    table = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}", *lines]
    return "\n".join([head, "", NOTE, "", *table, ""])


def _sentence(row: type[Exception]) -> str:
    return " ".join((row.__doc__ or "").split()).rstrip(".")


def _headers(row: Any) -> str:
    return ", ".join(f"`{name}: {value}`" for name, value in row.headers.items())


def _default(name: str, value: Any) -> str:
    """As it is written in an environment; a machine's own home folder is not."""
    if name == "mattebox_home":
        return "`~/.mattebox`"
    if isinstance(value, bool):
        return f"`{int(value)}`"
    return "" if value in ("", None) else f"`{value}`"


def _values(field: Any) -> str:
    """What may be written: the choices, or the limits."""
    if field.annotation is bool:
        return "`0`, `1`"
    choices = ", ".join(f"`{choice}`" for choice in get_args(field.annotation) if choice is not type(None))
    limits = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    bounds = [
        f"{sign} {getattr(rule, name)}"
        for rule in field.metadata
        for name, sign in limits.items()
        if hasattr(rule, name)
    ]
    return choices or ", ".join(bounds)


if __name__ == "__main__":
    for path, make in PAGES.items():
        (ROOT / path).write_text(make())
    print(f"wrote {', '.join(PAGES)}")
    sys.exit(0)
