"""What a work tells its job: how far it has come, at most once a second."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor

from artifacts import Registry
from deployments.jobs import job
from deployments.operation import Plan, Report

log = logging.getLogger(__name__)

EVERY_S = 1.0


class Progress:
    """`tell` is called at each frame or window, from any thread, and never waits for the store."""

    def __init__(self, registry: Registry, plan: Plan, unit: str, report: Report | None) -> None:
        self._registry, self._plan, self._unit, self._report = registry, plan, unit, report
        self._began = self._told = time.monotonic()
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="progress")

    def begin(self) -> None:
        """The job is running from here on."""
        self._began = self._told = time.monotonic()
        self._write(0.0, None, None)

    def tell(self, done: int, total: int) -> None:
        """`done` of `total` frames, milliseconds or layers are behind."""
        now = time.monotonic()
        if self._report is None or not self._report.share or now - self._told < EVERY_S:
            return
        self._told = now
        passed, part = now - self._began, done / max(1, total)
        rate = round(done / passed, 1) if self._unit == "frames" else None
        eta = round(passed * (1 - part) / part, 1) if 0 < part <= 1 else None
        self._writer.submit(self._write, part, rate, eta)

    def waited(self, seconds: float) -> None:
        """Time in which others had the place, and which says nothing about this work's pace."""
        self._began += seconds

    def close(self) -> None:
        """Nothing more is told."""
        self._writer.shutdown(wait=False, cancel_futures=True)

    def _write(self, part: float, rate: float | None, eta_s: float | None) -> None:
        if self._report is None or not self._report.share:
            return
        try:
            job.report(self._registry, self._plan.scope, self._report, part, rate, eta_s)
        except Exception:  # a store that fails for a moment costs a line of progress, not the work
            log.warning("the progress of %s could not be written", self._report.job_id, exc_info=True)


__all__ = ["EVERY_S", "Progress"]
