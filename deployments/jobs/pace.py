"""What a job will take, from what jobs like it took in this scope; and what this one took, for the next.

Bytes and seconds grow with the length of what is read, so they are kept per second of input media, and as a moving
mean: the machine's load changes, and so do its users' clips.
"""

from __future__ import annotations

from artifacts import Registry
from artifacts.canonical import make_id
from artifacts.errors import NotFound
from deployments.operation import JSON, Plan

TYPE = "paces"
WEIGHT = 0.3
"""How much the last job counts."""
LIKENESS = ("render_profile", "profile", "backend", "mode", "model", "proof")
"""Parameters that change the pace by more than a machine's mood."""


def estimate(registry: Registry, plan: Plan) -> JSON | None:
    """`{seconds, bytes}` expected of the plan's job; None where the scope has had none like it."""
    found = registry.documents.get(plan.scope, TYPE, _id(plan))
    if found is None:
        return None
    length = _length(registry, plan)
    return {
        "seconds": round(found.body["seconds"] * length, 3),
        "bytes": round(found.body["bytes"] * length),
    }


def learn(registry: Registry, plan: Plan, seconds: float, size_bytes: int) -> None:
    """Remember what a job took, waiting for its turn aside."""
    length = _length(registry, plan)
    now = {"seconds": seconds / length, "bytes": size_bytes / length}

    def mean(before: JSON | None) -> JSON:
        old = before or now
        return {name: old[name] * (1 - WEIGHT) + now[name] * WEIGHT for name in now}

    registry.documents.update(plan.scope, TYPE, _id(plan), mean)


def _id(plan: Plan) -> str:
    alike = {name: plan.parameters[name] for name in LIKENESS if name in plan.parameters}
    return make_id("pace", plan.operation, alike, sorted({need.operation for need in plan.needs}))


def _length(registry: Registry, plan: Plan) -> float:
    """Seconds of media that the plan reads, at least a second."""
    total = 0
    for id in {item.id for item in plan.inputs if item.id.startswith("asset_")}:
        try:
            total += registry.asset(plan.scope, id).meta.get("duration_ms") or 0
        except NotFound:  # deleted since it was planned; the work will say so
            continue
    return max(1.0, total / 1000)


__all__ = ["estimate", "learn"]
