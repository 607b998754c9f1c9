"""What the tests of the registry share: scopes, drafts and cache keys."""

from __future__ import annotations

from artifacts import Draft, Scope
from artifacts.canonical import cache_key

ACME = Scope("t_acme", "dev")
OTHER = Scope("t_other", "dev")
META = {"width": 4, "height": 4, "feather": 0, "selection_hash": "x", "selection": {}}


def mask(data: bytes = b"pixels", name: str = "", **meta: object) -> Draft:
    return Draft(name, "mask", "image/png", data, META | meta)


def key(**changes: object) -> str:
    given = {"scope": ACME, "inputs": ["asset_aaaaaaaa"], "operation": "image_masks", "parameters": {"a": 1, "b": 2.5}}
    return cache_key(**(given | {"backend": "cpu", "backend_version": "1", "weights_id": None} | changes))  # type: ignore[arg-type]
