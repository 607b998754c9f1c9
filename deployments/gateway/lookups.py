"""What a handle offers beside the operations and needs no replica: one table, method name -> request, look-up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, Field

from artifacts import Registry, Scope
from deployments.answer import MediaKind
from deployments.body import Body
from deployments.ids import ArtifactId, AssetId
from deployments.jobs import job
from deployments.jobs.routes import DEFAULT_LISTED, MOST_LISTED
from deployments.media import looking
from deployments.media.lineage import lineage
from deployments.media.receive import asset_json
from deployments.operation import JSON


class ById(Body):
    """Of an asset, an artifact or a job."""

    id: ArtifactId


class OfAsset(Body):
    asset_id: AssetId


class DeleteAsset(ById):
    cascade: bool = Field(False, strict=True)


class AskedLineage(ById):
    direction: Literal["up", "down", "both"] = "both"


class Page(Body):
    kind: MediaKind | None = None
    tag: str | None = None
    limit: int = Field(looking.PAGE, strict=True, ge=1)
    cursor: ArtifactId | None = None


class JobsPage(Body):
    limit: int = Field(DEFAULT_LISTED, strict=True, ge=1, le=MOST_LISTED)


@dataclass(frozen=True, slots=True)
class Lookup:
    """One method of the handle."""

    request: type[BaseModel]
    look: Callable[[Registry, Scope, Any], JSON]
    does: str
    """The method's docstring."""


def _page(registry: Registry, scope: Scope, asked: Page) -> JSON:
    limit = min(asked.limit, looking.MAX_PAGE)
    return looking.page(registry, scope, asked.kind, asked.tag, limit, asked.cursor or "")


LOOKUPS: Mapping[str, Lookup] = {
    "get_asset": Lookup(ById, lambda r, s, a: asset_json(r.asset(s, a.id)), "`{id}` -> the asset."),
    "get_artifact": Lookup(ById, lambda r, s, a: r.artifact(s, a.id).public(), "`{id}` -> the artifact's record."),
    "list_assets": Lookup(Page, _page, "`{kind?, tag?, limit?, cursor?}` -> `{assets, next_cursor}`."),
    "list_artifacts": Lookup(
        ById, lambda r, s, a: looking.asset_and_artifacts(r, s, a.id), "`{id}` of an asset -> `{asset, artifacts}`."
    ),
    "get_lineage": Lookup(
        AskedLineage, lambda r, s, a: lineage(r, s, a.id, a.direction), "`{id, direction?}` -> `{nodes, edges}`."
    ),
    "list_kinds": Lookup(Body, lambda r, s, a: looking.kinds(), "`{}` -> `{kinds}`."),
    "delete_asset": Lookup(
        DeleteAsset,
        lambda r, s, a: looking.delete_asset(r, s, a.id, a.cascade),
        "`{id, cascade?}` -> `{id, deleted, deleted_artifacts}`.",
    ),
    "delete_artifact": Lookup(
        ById, lambda r, s, a: looking.delete_artifact(r, s, a.id), "`{id}` -> `{id, deleted}`, its sides with it."
    ),
    "get_job": Lookup(ById, lambda r, s, a: job.shown(job.get(r, s, a.id)), "`{id}` -> the job."),
    "list_jobs": Lookup(
        JobsPage,
        lambda r, s, a: {"jobs": [job.shown(body) for body in job.listed(r, s, a.limit)]},
        "`{limit?}` -> `{jobs}`, the last changed first.",
    ),
}

__all__ = ["LOOKUPS", "AskedLineage", "ById", "DeleteAsset", "JobsPage", "Lookup", "OfAsset", "Page"]
