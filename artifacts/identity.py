"""The ids of what computations make follow from a cache key and from what was deleted: no index is needed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from artifacts import keys
from artifacts.canonical import make_id
from artifacts.kinds import kind_of
from artifacts.scope import Scope
from artifacts.store import Store

JSON = dict[str, Any]


@lru_cache(maxsize=4096)
def artifact_id(kind: str, cache_key: str, generation: int, name: str = "") -> str:
    """Of a computation's main artifact, or of the one of that name beside it."""
    return make_id(kind_of(kind).prefix, cache_key, generation, *([name] if name else []))


def standing(store: Store, scope: Scope, kind: str, cache_key: str) -> tuple[str, int]:
    """The id of a computation's main artifact in the first generation that was not deleted, and which one that is."""
    generation = 0
    while store.exists(keys.tombstone(scope, id := artifact_id(kind, cache_key, generation))):
        generation += 1
    return id, generation


def sources_of(inputs: Sequence[JSON], parent: str | None) -> list[str]:
    """The ids that an artifact of these inputs is made from, each once."""
    return list(dict.fromkeys([*(item["id"] for item in inputs), *filter(None, [parent])]))


__all__ = ["artifact_id", "sources_of", "standing"]
