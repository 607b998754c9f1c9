"""Which transcripts a render's captions come from. Light."""

from __future__ import annotations

from collections.abc import Sequence

from artifacts import Record, Registry, Scope
from deployments.engines.video_render.sources import need, of_kind
from deployments.engines.video_render.timeline import Resolved
from deployments.errors import MissingDependency, WrongAsset


def transcripts_of(
    artifact_id: str | None, field: str, found: Resolved, registry: Registry, scope: Scope
) -> dict[str, str]:
    """Asset -> its transcript: the one that is named, else the latest of each video asset that has one; where none has,
    those of the audio tracks."""
    if artifact_id is not None:
        record = _transcript(artifact_id, f"{field}.artifact_id", [*found.assets, *found.heard], registry, scope)
        made = {record.parent_asset_id or "": record.id}
    else:
        made = _latest(found.assets, registry, scope) or _latest(found.heard, registry, scope)
        if not made:
            asset = found.assets[0] if found.assets else "…"
            raise MissingDependency(
                f'asset {asset} has no captions; make them with POST /video/captions/generate {{"asset_id": '
                f'"{asset}"}}',
                field=field,
            )
    for id in made.values():
        need(found.inputs, id, "captions")
    return made


def _latest(assets: Sequence[str], registry: Registry, scope: Scope) -> dict[str, str]:
    found = {asset: registry.latest(scope, asset, "asr_transcript") for asset in assets}
    return {asset: record.id for asset, record in found.items() if record is not None}


def _transcript(id: str, field: str, assets: list[str], registry: Registry, scope: Scope) -> Record:
    record = of_kind(registry, scope, id, "asr_transcript", field)
    if record.parent_asset_id not in assets:
        raise WrongAsset(
            f"{field} is of asset {record.parent_asset_id}, which is neither shown nor heard here", field=field
        )
    return record


__all__ = ["transcripts_of"]
