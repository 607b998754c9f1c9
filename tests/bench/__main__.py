"""`make bench`: every topic's rows as a table on the screen and as JSON in MATTEBOX_HOME/bench.json.

A topic is a module of this package with `run(home) -> list[Row]`; `python -m tests.bench TOPIC…` runs those named.
"""

from __future__ import annotations

import json
import os
import pkgutil
import platform
import sys
import time
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests import bench
from tests.bench.measure import Row, ratio

NO_TOPICS = ("__main__", "measure", "crowd", "encode", "http")
"""Of this package: what the topics share, and programs of their own."""


def topics(named: list[str]) -> list[str]:
    """The topics that were named, else all."""
    found = [module.name for module in pkgutil.iter_modules(bench.__path__) if module.name not in NO_TOPICS]
    unknown = set(named) - set(found)
    if unknown:
        raise SystemExit(f"no topic {', '.join(sorted(unknown))}; the topics are {', '.join(found)}")
    return [name for name in found if not named or name in named]


def as_table(topic: str, rows: list[Row]) -> Table:
    table = Table(title=topic, title_justify="left")
    for heading in ("what", "figure", "goal", "against, and their figure over ours"):
        table.add_column(heading)
    for row in rows:
        peers = ", ".join(f"{name} {value:.3g} ({ratio(value, row.figure):.2f})" for name, value in row.against.items())
        goal = "" if row.at_most is None else f"{'met' if row.met else 'MISSED'}: {row.at_most:g}"
        table.add_row(row.what, f"{row.figure:.3g} {row.unit}", goal, peers)
    return table


def main() -> None:
    home = Path(os.environ.get("MATTEBOX_HOME", Path.cwd() / "var")).absolute()
    home.mkdir(parents=True, exist_ok=True)
    console = Console(width=150)
    results = {}
    for topic in topics(sys.argv[1:]):
        rows = import_module(f"tests.bench.{topic}").run(home)
        results[topic] = [asdict(row) | {"met": row.met} for row in rows]
        console.print(as_table(topic, rows))
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    written = {"machine": machine, "date": time.strftime("%Y-%m-%d"), "topics": results}
    (home / "bench.json").write_text(json.dumps(written, indent=2))


if __name__ == "__main__":
    main()
