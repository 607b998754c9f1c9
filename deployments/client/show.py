"""Answers for people: a line a value, a table a list. `--json` shows all of it instead."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from deployments.client.service import JSON, Refused

MOST_ROWS = 20
LONGEST = 60
"""Characters of a value in a table."""


def answer(body: JSON, *, as_json: bool) -> None:
    """The answer on standard output; for people its warnings on standard error."""
    if as_json:
        print(json.dumps(body, ensure_ascii=False))
        return
    console = Console(highlight=False, markup=False, soft_wrap=True)
    for name, value in body.items():
        if name == "warnings":
            continue
        if _is_table(value):
            _table(console, name, value)
        elif not isinstance(value, dict) and value not in (None, [], ""):
            console.print(f"{name}: {_text(value)}")
    for warning in body.get("warnings") or ():
        print(f"warning: {warning['message']}", file=sys.stderr)


def refusal(error: Refused, *, as_json: bool) -> None:
    """The envelope's message on standard error, its field and request id beside; with --json the envelope on standard
    output too."""
    if as_json:
        print(json.dumps({"error": error.error}, ensure_ascii=False))
    details = error.error.get("details") or {}
    about = [f"field {details['field']}" if details.get("field") else "", error.error.get("request_id") or ""]
    beside = ", ".join(filter(None, about))
    print(f"error: {error}" + (f" ({beside})" if beside else ""), file=sys.stderr)


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _table(console: Console, name: str, rows: list[JSON]) -> None:
    columns = list(dict.fromkeys(key for row in rows for key, value in row.items() if not isinstance(value, dict)))
    table = Table(*columns, title=name, title_justify="left")
    for row in rows[:MOST_ROWS]:
        table.add_row(*(_text(row.get(column))[:LONGEST] for column in columns))
    console.print(table)
    if len(rows) > MOST_ROWS:
        console.print(f"… and {len(rows) - MOST_ROWS} more; --json shows all")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return " / ".join(value)
    return json.dumps(value, ensure_ascii=False)


__all__ = ["answer", "refusal"]
