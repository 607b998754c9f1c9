"""Long work, watched: bars on standard error where that is a terminal, nothing elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, ProgressColumn, TaskProgressColumn, TextColumn

from deployments.client.service import JSON, Refused, Service

FIRST_S, LONGEST_S = 0.1, 1.0
"""Between two looks at a job: short at first, so that short work is not kept waiting."""
PATIENCE_S = 30.0
"""How long a service that does not answer is waited for while a job runs: a Gateway is back after a few seconds."""
ENDED = ("succeeded", "failed", "cancelled")


def finish(service: Service, job: JSON, name: str) -> None:
    """Wait until the job has succeeded; Refused with its error where it ends otherwise.

    An interrupt leaves the job, which ends it where nobody else waits for it.
    """
    try:
        with _bars(TaskProgressColumn(), TextColumn("{task.fields[told]}")) as bars:
            task = bars.add_task(name, total=1.0, told="")
            pause = FIRST_S
            while job["state"] not in ENDED:
                bars.update(task, completed=job["progress"], told=_told(job))
                time.sleep(pause)
                pause = min(LONGEST_S, pause * 1.5)
                job = _look(service, job["id"])
            bars.update(task, completed=job["progress"], told="")
    except KeyboardInterrupt:
        service.delete(f"/jobs/{job['id']}")
        raise
    if job["state"] == "failed":
        raise Refused(job["error"]["message"], job["error"])
    if job["state"] == "cancelled":
        said = f"the job {job['id']} was cancelled"
        raise Refused(said, {"code": "job_cancelled", "message": said})


def _look(service: Service, id: str) -> JSON:
    """The job, from a service that may be away for a while."""
    began = time.monotonic()
    while True:
        try:
            return service.get(f"/jobs/{id}")
        except Refused as error:
            if error.error["code"] != "unreachable" or time.monotonic() - began > PATIENCE_S:
                raise
            time.sleep(LONGEST_S)


def _told(job: JSON) -> str:
    speed = f"{job['frames_per_s']:.0f} frames/s" if job.get("frames_per_s") else ""
    left = f"{job['eta_s']:.0f} s left" if job.get("eta_s") else ""
    return "  ".join(filter(None, (job["state"] if job["state"] == "queued" else "", speed, left)))


@contextmanager
def sending(path: Path) -> Iterator[BinaryIO]:
    """The file, opened; a bar shows how much of it was read."""
    with _bars(DownloadColumn()) as bars, bars.open(path, "rb", description=path.name) as file:
        yield file


@contextmanager
def receiving(target: Path) -> Iterator[Callable[[int, int], None]]:
    """progress(bytes, of how many; 0: unknown) for a file that comes."""
    with _bars(DownloadColumn()) as bars:
        task = bars.add_task(target.name, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total or None)


def _bars(*columns: ProgressColumn) -> Progress:
    console = Console(stderr=True)
    shown = (TextColumn("{task.description}"), BarColumn(), *columns)
    return Progress(*shown, console=console, transient=True, disable=not console.is_terminal)


__all__ = ["finish", "receiving", "sending"]
