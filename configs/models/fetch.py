"""What `make models` does: fetch the weights that the default configuration needs, and say where they came from."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from configs.models.resolver import Models
from configs.models.transfer import Progress, WeightsMissing
from configs.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

DETECTORS = ("yunet", "centerface")
"""In the order in which `opencv_face_detector` takes them. Both are fetched: the second proves renders."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """One line of the table."""

    name: str
    source: str
    """Where it was found, or why it could not be had."""
    size: int
    """In bytes; 0 where it is missing."""
    seconds: float
    missing: bool = False


def fetch_default(settings: Settings) -> list[Fetched]:
    """Fetch the face detectors and the speech model of the settings, print a table, and return it.

    Raises WeightsMissing, after the table, where no detector or not the speech model can be had.
    """
    from rich.console import Console

    console = Console(stderr=True)
    models = Models(settings)
    speech = models.named("speech", settings.video_captions_model).name
    failures: dict[str, WeightsMissing] = {}
    lines = []
    for name in (*DETECTORS, speech):
        line, failure = _fetch(models, name, console)
        lines.append(line)
        if failure is not None:
            failures[name] = failure
    _print(lines, console)
    if DETECTORS[0] in failures and DETECTORS[1] not in failures:
        console.print(f"{failures[DETECTORS[0]]}\nopencv_face_detector runs on {DETECTORS[1]} instead", highlight=False)
    elif all(name in failures for name in DETECTORS):
        raise failures[DETECTORS[0]]
    if speech in failures:
        raise failures[speech]
    return lines


def _fetch(models: Models, name: str, console: Console) -> tuple[Fetched, WeightsMissing | None]:
    began = time.monotonic()
    try:
        with _bar(name, console) as progress:
            path, source = models.locate(name, progress)
    except WeightsMissing as error:
        return Fetched(name, "cannot be had", 0, time.monotonic() - began, missing=True), error
    return Fetched(name, source, path.stat().st_size, time.monotonic() - began), None


@contextmanager
def _bar(name: str, console: Console) -> Iterator[Progress]:
    from rich.progress import BarColumn, DownloadColumn, TextColumn
    from rich.progress import Progress as Bars

    with Bars(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), console=console, transient=True) as bars:
        task = bars.add_task(name, total=None)

        def show(what: str, done: int, total: int) -> None:
            bars.update(task, description=f"{name}: {what}", completed=done, total=total)

        yield show


def _print(lines: list[Fetched], console: Console) -> None:
    from rich.table import Table

    table = Table("model", "source", "MB", "s")
    for line in lines:
        table.add_row(line.name, line.source, f"{line.size / 1e6:.1f}", f"{line.seconds:.1f}")
    console.print(table)


__all__ = ["DETECTORS", "Fetched", "fetch_default"]
