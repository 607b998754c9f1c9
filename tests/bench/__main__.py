"""`make bench`: every topic's rows on the screen, in MATTEBOX_HOME/bench.json and, by `--docs`, in docs/performance/.

A topic is a module of this package with `run(home) -> list[Row]`; `python -m tests.bench TOPIC…` runs those named, and
leaves what was measured of the others before, as it does with a topic that cannot be run on this machine. A page gets
a table wherever it has a pair of comments `<!-- bench TOPIC -->` and `<!-- end -->`, and of the named topics alone: a
figure that was measured beside other work does not replace a good one by the way. docs/performance.md sums them up.
`--docs --show` writes the last results without a run.
"""

from __future__ import annotations

import json
import os
import pkgutil
import platform
import re
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from configs.settings import Settings
from deployments.replicas.threads import pin
from docs.generate import performance
from tests import bench
from tests.bench.measure import NotRun, Row, shown

JSON = dict[str, Any]
NO_TOPICS = ("__main__", "bare", "measure", "crowd")
"""`bare` is a part of `http`; `crowd` asks for a folder of test material and is run by itself."""
DOCS = Path(__file__).parents[2] / "docs"
HEADINGS = ("what", "figure", "goal", "against, and their figure over ours")
BLOCK = re.compile(r"(<!-- bench (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def topics(named: list[str]) -> list[str]:
    """The topics that were named, else all."""
    found = [module.name for module in pkgutil.iter_modules(bench.__path__) if module.name not in NO_TOPICS]
    unknown = set(named) - set(found)
    if unknown:
        raise SystemExit(f"no topic {', '.join(sorted(unknown))}; the topics are {', '.join(found)}")
    return [name for name in found if not named or name in named]


def told(row: Row) -> JSON:
    """A row as JSON: its numbers, and its cells as the tables show them."""
    cells = [row.what, f"{shown(row.figure)} {row.unit}", row.goal, row.peers]
    return {"what": row.what, "figure": row.figure, "unit": row.unit, "against": row.against, "met": row.met} | {
        "at_most": row.at_most,
        "at_least": row.at_least,
        "cells": cells,
    }


def measured(topic: str, home: Path) -> JSON:
    """A topic's rows, and when and beside how much other work they were measured."""
    before = os.getloadavg()[0]
    rows = [told(row) for row in import_module(f"tests.bench.{topic}").run(home)]
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return {"date": time.strftime("%Y-%m-%d"), "machine": machine, "load before": round(before, 1), "rows": rows}


def as_table(topic: str, result: JSON) -> Table:
    table = Table(*HEADINGS, title=topic, title_justify="left")
    for row in result["rows"]:
        table.add_row(*row["cells"])
    return table


def as_markdown(result: JSON) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in (HEADINGS, ["---"] * 4, *(row["cells"] for row in result["rows"]))]
    head = f"{result['date']}, {result['machine']}; load average before: {result['load before']}."
    return "\n".join([head, "", *lines, ""])


def filled(page: str, results: JSON) -> str:
    """The page with the tables of these results; it keeps the others."""

    def block(found: re.Match[str]) -> str:
        result = results.get(found[2])
        return f"{found[1]}{as_markdown(result)}{found[3]}" if result else found[0]

    return BLOCK.sub(block, page)


def main(arguments: list[str]) -> None:
    home = Path(os.environ.get("MATTEBOX_HOME", Path.cwd() / "var")).absolute()
    home.mkdir(parents=True, exist_ok=True)
    file, console = home / "bench.json", Console(width=150)
    results: JSON = json.loads(file.read_text()).get("topics", {}) if file.exists() else {}
    asked = topics([argument for argument in arguments if not argument.startswith("--")])
    for topic in [] if "--show" in arguments else asked:
        try:
            results[topic] = measured(topic, home)
        except NotRun as reason:
            console.print(f"{topic}: not run: {reason}")
            continue
        console.print(as_table(topic, results[topic]))
        file.write_text(json.dumps({"topics": results}, indent=2))
    if "--docs" in arguments:
        for page in (DOCS / "performance").glob("*.md"):
            page.write_text(filled(page.read_text(), {topic: results[topic] for topic in asked if topic in results}))
        (DOCS / "performance.md").write_text(performance())


if __name__ == "__main__":
    pin(Settings())  # as in a replica
    main(sys.argv[1:])
