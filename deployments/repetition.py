"""A plan's work on its deployment, repeated where the worker died: a request's once, a job's a few times."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from artifacts import Registry, Scope
from deployments import crashes
from deployments.dispatch import Dispatch, back, is_lost
from deployments.errors import WorkerLost
from deployments.jobs import job
from deployments.operation import Plan, Report

if TYPE_CHECKING:
    from deployments.replicas.host import Done

JOB_RETURN_S = 120.0
"""How long a job waits for a lost replica: nobody's connection depends on it."""
SAME_PLACE = 0.05
"""Two deaths closer than this share of a job's progress happened at the same place."""
TRIES, AGAIN_S = 3, 0.05
"""How often a job's work looks for a replica with a place free before it waits for its turn in one, and how long after
it was turned away."""
MOST_DEATHS = 6
"""A job that lost so many workers is given up."""


async def execute(
    registry: Registry, dispatch: Dispatch, deployment: str, plan: Plan, request_id: str, report: Report | None
) -> Done:
    """The work, done by a replica of the deployment; `report` where a job is told of it.

    A suspect that dies begun is guilty (crashes.py), unless its job had come to another place when it died before: then
    it was the worker's bad luck twice. Raises InputCrashedWorker, WorkerLost, and what the work raises.
    """
    aside = registry.store.aside
    await aside(crashes.refuse, registry, plan.scope, plan.cache_key)
    places: list[float] = []
    while True:
        suspect = [True] if places else []
        try:
            done: Done | None = None
            if report and not suspect:
                done = await _where_free(dispatch, deployment, plan, request_id, report)
            return done or await dispatch.call(deployment, "execute", plan, request_id, report, *suspect)
        except WorkerLost as error:
            if not is_lost(error, deployment):
                raise
            place = await aside(_place, registry, plan.scope, report)
            same = not places or any(abs(place - other) < SAME_PLACE for other in places)
            last = len(places) + 1 >= MOST_DEATHS
            if places and (same or last):
                await aside(crashes.convict, registry, plan.scope, plan.cache_key)
            if places and (report is None or last):
                raise
            places.append(place)
        await aside(crashes.note, registry, plan.scope, plan.cache_key, began=False)
        await back(dispatch, deployment, JOB_RETURN_S if report else None)


async def _where_free(dispatch: Dispatch, deployment: str, plan: Plan, request_id: str, report: Report) -> Done | None:
    """The work, done by a replica that has a place free; None where none was met.

    A handle sends by what it last heard of each replica's queue, and asks those that it has not heard of for ten
    seconds only after it has sent: two long works may meet in one replica beside an idle one. Who was turned away has
    made it ask.
    """
    for _ in range(TRIES):
        done: Done | None = await dispatch.call(deployment, "execute", plan, request_id, report, False, False)
        if done:
            return done
        await asyncio.sleep(AGAIN_S)
    return None


def _place(registry: Registry, scope: Scope, report: Report | None) -> float:
    """How far the job had come when its worker died, 0..1; 0 where there is no job."""
    return float(job.get(registry, scope, report.job_id)["progress"]) if report else 0.0


__all__ = ["MOST_DEATHS", "execute"]
