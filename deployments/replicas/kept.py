"""What a replica commits: a work's artifact, and those that the work makes on the way to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from artifacts import Ahead, Draft, Record, Registry
from deployments.inputs import StoredSource
from deployments.operation import Folder, Input, Output, Plan, Side, Source
from deployments.replicas.heaps import trim


def commit(registry: Registry, plan: Plan, output: Output, ahead: Sequence[Ahead] = ()) -> Record:
    """The output under its plan's key. NotFound when an input was deleted meanwhile."""
    return registry.commit(
        plan.scope,
        cache_key=plan.cache_key,
        main=Draft("", plan.kind, output.media_type, output.data, dict(output.meta), output.start_ms, output.end_ms),
        sides=output.sides,
        inputs=[asdict(item) for item in plan.inputs],
        parent_asset_id=plan.parent_asset_id,
        ahead=ahead,
    )


def lay_ahead(registry: Registry, plan: Plan, side: Side) -> Ahead:
    """A part of the commit before it, for it."""
    return registry.lay_ahead(
        plan.scope,
        side,
        cache_key=plan.cache_key,
        kind=plan.kind,
        inputs=[asdict(item) for item in plan.inputs],
        parent_asset_id=plan.parent_asset_id,
    )


class Kept:
    """See operation.Parts."""

    def __init__(self, registry: Registry, scratch: Folder) -> None:
        self._registry, self._scratch = registry, scratch

    def find(self, plan: Plan) -> Source | None:
        record = self._registry.find(plan.scope, plan.kind, plan.cache_key)
        if record is None:
            return None
        return StoredSource(self._registry, plan.scope, Input(record.id, plan.kind), self._scratch)

    def keep(self, plan: Plan, output: Output) -> None:
        commit(self._registry, plan, output)
        trim()  # a part is finished, and what made it is free


__all__ = ["Kept", "commit", "lay_ahead"]
