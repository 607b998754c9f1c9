"""The parts of a work, made by several replicas at a time before one of them makes the whole of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from artifacts import Registry
from deployments import repetition
from deployments.dispatch import Dispatch, call_again
from deployments.errors import ResidualFaces
from deployments.jobs import job
from deployments.operation import Plan, Report

SHARE = 0.95
"""Of the job's progress, that the parts make up where they are made first."""


async def prepare(
    registry: Registry,
    dispatch: Dispatch,
    deployment: str,
    plan: Plan,
    request_id: str,
    report: Report | None,
    at_once: int,
) -> Report | None:
    """Has the plan's missing parts made, `at_once` of them at a time, each repeated by itself where its worker dies.

    The report of what is left to do. A part with a face left in it is not kept, and says nothing here: the work of the
    whole meets it again, and reports on all of them. Raises InputCrashedWorker, WorkerLost, and what a part raises.
    """
    missing: list[Plan] = await call_again(dispatch, deployment, "parts", plan)
    if len(missing) < 2:
        return report
    places, done = asyncio.Semaphore(at_once), 0
    silent = replace(report, share=0.0) if report else None

    async def make(part: Plan) -> None:
        nonlocal done
        async with places:
            try:
                await repetition.execute(registry, dispatch, deployment, part, request_id, silent)
            except ResidualFaces:
                return
        done += 1
        if report:
            await registry.store.aside(
                job.report, registry, plan.scope, report, SHARE * done / len(missing), None, None
            )

    tasks = [asyncio.ensure_future(make(part)) for part in missing]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return report and replace(report, first=report.first + SHARE * report.share, share=(1 - SHARE) * report.share)


__all__ = ["prepare"]
