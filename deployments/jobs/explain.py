"""What a dry run says of a step: found or not, what is new about it, where it runs, what it is expected to take."""

from __future__ import annotations

from artifacts import Record, Registry
from artifacts.canonical import digest
from deployments.jobs import pace
from deployments.operation import JSON, Plan


def step(registry: Registry, plan: Plan, found: Record | None, device: str) -> JSON:
    """`cache` hit or miss; `differs`: see below; `device`; `seconds` and `bytes`, None where nothing like it was done.

    `device` is the one that the operator chose; one that ran says so itself.
    """
    newest = found or registry.latest(plan.scope, plan.parent_asset_id or "", plan.kind)
    ran = None if newest is None else newest.meta.get("device")
    said: JSON = {"operation": plan.operation, "cache": "miss" if found is None else "hit", "device": ran or device}
    if found is not None:
        return said | {"differs": [], "seconds": 0.0, "bytes": found.size_bytes}
    expected = pace.estimate(registry, plan) or {"seconds": None, "bytes": None}
    return said | {"differs": None if newest is None else differs(plan, newest)} | expected


def differs(plan: Plan, newest: Record) -> list[str]:
    """The parts of the plan's key that are not those of the newest artifact of its asset and kind, as far as its record
    tells: `inputs`, `backend`, `backend_version`, `parameters`. Where it does not keep its parameters' hash, these are
    named when nothing else is new."""
    meta = newest.meta
    parts = {
        "inputs": {(item["id"], item["role"]) for item in newest.inputs} != {(i.id, i.role) for i in plan.inputs},
        "backend": meta.get("backend", plan.backend) != plan.backend,
        "backend_version": meta.get("backend_version", plan.backend_version) != plan.backend_version,
    }
    if "plan_hash" in meta:
        parts["parameters"] = meta["plan_hash"] != digest(plan.parameters)
    return [name for name, other in parts.items() if other] or ["parameters"]


__all__ = ["differs", "step"]
